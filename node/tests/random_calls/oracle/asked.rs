//! A request comes: RFC 3261 §17.2, §16.3, §9.2.

use offhook_net::Flow;

use super::moved::Moved;
use super::packet::{Packet, address_of, param, uri_of, user_and_host};
use super::transactions::{Serving, T4_MS};
use super::{GRAIN_MS, Oracle, Server};

/// What was answered without state is remembered as long as its ACK may come.
const REFUSED_MS: u64 = 64_000;

/// How the tags of what an exchange answers by itself begin; no phone makes up such a one.
const OWN_TAG: &str = "oh";

impl<'a> Oracle<'a> {
    pub(super) fn asked(&mut self, shard: u8, from: &Flow, request: Packet<'a>) {
        self.places.insert(from.remote);
        match request.method {
            "ACK" => return self.acknowledged(shard, from, request),
            "CANCEL" => return self.cancelled(shard, from, request),
            "REGISTER" => self.registers(from, &request),
            _ => {}
        }
        let known = self.find_server(shard, request.via(), request.method);
        let Some(known) = known.filter(|&i| self.servers[i].is_kept()) else {
            return self.begins(shard, from, request);
        };
        let server = &self.servers[known];
        if !server.lives_at(self.now_ms) {
            self.turn.optional = true;
            return self.begins(shard, from, request);
        }
        let repeats = match server.state {
            Serving::Proceeding | Serving::Completed => server.last.is_some(),
            _ => false,
        };
        self.turn.again = repeats.then_some(known);
    }

    fn begins(&mut self, shard: u8, from: &Flow, request: Packet<'a>) {
        let server = Server {
            request,
            from: *from,
            shard,
            began_ms: self.now_ms,
            state: Serving::Fresh,
            last: None,
            last_status: 0,
            trying_ms: None,
            resend: None,
            over: false,
            cancelled: false,
            branches: Vec::new(),
            finals: Vec::new(),
            moved: Moved::default(),
            waits_until_ms: None,
            q_milli: 1000,
            ends_ms: Some(self.now_ms + REFUSED_MS),
        };
        self.servers.push(server);
        self.serving.push(self.servers.len() - 1);
        self.turn.fresh = Some(self.servers.len() - 1);
    }

    /// §17.2.1, §17.2.3: the ACK to a refusal ends here; any other goes on.
    fn acknowledged(&mut self, shard: u8, from: &Flow, ack: Packet<'a>) {
        let now_ms = self.now_ms;
        let invite = self.find_server(shard, ack.via(), "INVITE");
        self.has_left(invite, &ack);
        let Some(server) = invite.map(|i| &mut self.servers[i]) else {
            // It may be for a refusal of the process before, or for a phone whose connection is gone.
            self.turn.optional = self.life > 1 || (self.closed && ack.uri().contains("transport="));
            self.turn.ack_on = Some((ack, *from));
            return;
        };
        let lingers = server.ends_ms.is_some_and(|ends_ms| ends_ms <= now_ms && now_ms <= ends_ms + GRAIN_MS);
        match server.state {
            Serving::Completed => {
                server.state = Serving::Confirmed;
                server.resend = None;
                server.last = None;
                server.ends_ms = Some(if server.is_udp() { now_ms + T4_MS } else { now_ms });
            }
            Serving::Passed => self.turn.ack_on = Some((ack, *from)),
            // On a route without state a copy of the INVITE has waited for a name, perhaps in vain; its ACK goes on, or waits.
            Serving::Fresh => self.turn.ack_on = Some((ack, *from)),
            Serving::Accepted => {
                self.turn.optional = true;
                self.turn.ack_on = Some((ack, *from));
            }
            _ if lingers => {
                self.turn.optional = true;
                self.turn.ack_on = Some((ack, *from));
            }
            Serving::Refused | Serving::Proceeding | Serving::Confirmed => {}
        }
    }

    /// §17.1.1.2: who acknowledges the refusal of an earlier copy, which left no state, does not wait for this one.
    fn has_left(&mut self, invite: Option<usize>, ack: &Packet<'a>) {
        let rings = |&i: &usize| {
            self.servers[i].state == Serving::Proceeding && self.servers[i].lives_at(self.now_ms)
        };
        if let Some(invite) = invite.filter(rings)
            && param(ack.value("To"), "tag").starts_with(OWN_TAG)
        {
            self.servers[invite].over = true;
            self.servers[invite].cancelled = true;
            if self.servers[invite].waits_until_ms.take().is_some() {
                return self.turn.answers.push((invite, 487));
            }
            self.cancel_branches(invite);
        }
    }

    /// §9.2, §16.10.
    fn cancelled(&mut self, shard: u8, from: &Flow, cancel: Packet<'a>) {
        let now_ms = self.now_ms;
        let invite = self.find_server(shard, cancel.via(), "INVITE");
        self.begins(shard, from, cancel);
        let matches = invite.filter(|&i| self.servers[i].is_kept());
        match invite.map(|i| self.servers[i].state) {
            Some(Serving::Passed) => {}
            _ if matches.is_some_and(|i| !self.servers[i].lives_at(now_ms)) => {}
            _ => self.turn.status = Some(if matches.is_some() { 200 } else { 481 }),
        }
        if let Some(invite) = matches {
            self.servers[invite].over = true;
            self.servers[invite].cancelled = true;
            if self.servers[invite].waits_until_ms.take().is_some() {
                return self.turn.answers.push((invite, 487));
            }
            self.cancel_branches(invite);
        }
    }

    /// §10.3: what was registered may be called, and where it came from is a place to send to.
    fn registers(&mut self, from: &Flow, request: &Packet<'a>) {
        let (user, _) = user_and_host(uri_of(request.value("To")));
        for value in request.values("Contact") {
            let contact = uri_of(value);
            let contact_place = address_of(contact);
            let registered = self.registered.entry(contact).or_default();
            registered.user = user;
            registered.q_milli = milli(param(value, "q"));
            registered.places.insert(from.remote);
            // Who is behind a translator is not where he says.
            let own = contact_place.filter(|place| place.ip() == from.remote.ip());
            registered.places.extend(own);
            self.places.extend(own);
        }
    }
}

/// A q value in thousandths; 1 if there is none.
pub(super) fn milli(text: &str) -> u32 {
    text.parse::<f32>().map_or(1000, |q| (q * 1000.0).round() as u32)
}
