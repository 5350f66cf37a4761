//! What the exchange sends is held against what the model wants.

use super::packet::{Packet, param, via_key};
use super::transactions::{
    Asking, Cancelling, Resend, Serving, T2_MS, TIMEOUT_MS, TIMER_C_MS, TRYING_OF_OTHERS_MS,
};
use super::ways::{Hop, SILENCE_MS};
use super::{Client, Oracle, Server};
use crate::sniffer::Sent;

impl<'a> Oracle<'a> {
    pub(super) fn response_sent(&mut self, shard: u8, sent: &'a Sent, response: Packet<'a>) {
        self.expect(response.method != "ACK", "§17.1.1.3", "an answer to an ACK");
        if let Some(received) = self.turn.pass.take() {
            return self.response_passed(sent, &received, &response);
        }
        let Some(server) = self.find_server(shard, response.via(), response.method) else {
            return self.expect(
                false,
                "§17.2",
                format!("an answer to nothing that came: {}", response.first),
            );
        };
        self.response_goes_home(server, sent, &response);
        self.way_goes_back(server, &response);
        let s = &self.servers[server];
        let (status, state) = (response.status, s.state);
        if self.turn.again == Some(server) {
            self.turn.again = None;
            let same = self.servers[server].last == Some(response.bytes);
            return self.expect(
                same,
                "§17.2.1, §17.2.2",
                "a repeated request got another response than before",
            );
        }
        if let Some((_, received)) = self.turn.relay.take_if(|(to, _)| *to == server) {
            self.relayed(server, &received, &response);
            return self.responded(server, response);
        }
        if status >= 300 && state == Serving::Proceeding {
            self.turns_are_over(server);
        }
        if self.turn.settle.contains(&server) && status >= 300 {
            self.is_a_best(server, &response);
            self.all_are_called(server, status);
            return self.responded(server, response);
        }
        if self.turn.trying.contains(&server) {
            self.turn.trying.retain(|waiting| *waiting != server);
            self.expect(status == 100, "§17.2.1", format!("{status} where a 100 was due"));
            return self.responded(server, response);
        }
        if let Some(resend) = &mut self.servers[server].resend
            && resend.next_ms == self.now_ms
        {
            resend.again();
            let same = self.servers[server].last == Some(response.bytes);
            return self.expect(same, "§17.2.1", "Timer G repeated another response");
        }
        if let Some(at) = self.turn.answers.iter().position(|(to, _)| *to == server) {
            let (_, wanted) = self.turn.answers.swap_remove(at);
            self.expect(status == wanted, "§16.2", format!("{status} instead of {wanted}"));
            if state == Serving::Fresh {
                self.servers[server].state = Serving::Refused;
                return;
            }
            return self.responded(server, response);
        }
        if matches!(state, Serving::Fresh) {
            let wanted = self.turn.status.unwrap_or(status);
            self.expect(status == wanted, "§9.2", format!("{status} instead of {wanted}"));
            self.expect(status >= 200, "§8.2.6.1", "a provisional response without a transaction");
            self.is_refused_for_safety(server, &response);
            if response.method == "REGISTER" && status == 200 {
                self.binds(server);
            }
            if !self.name_leads_nowhere(server, status) && !self.is_lasting(server, status) {
                self.servers[server].state = Serving::Refused;
                return;
            }
            // §8.2.7: the next copy could be answered otherwise, so there is a transaction.
            self.servers[server].opens(self.now_ms);
            return self.responded(server, response);
        }
        let (section, why) = match (state, status) {
            (Serving::Completed | Serving::Confirmed | Serving::Accepted, ..200) => {
                ("§17.2", "a provisional response after the final one")
            }
            (Serving::Accepted, 300..) => ("§16.7 step 5", "a refusal after a 2xx"),
            (Serving::Completed | Serving::Confirmed, _) => {
                ("§16.7 step 5", "a second final response, or one too many")
            }
            _ => ("§17.2", "a response that nothing asked for"),
        };
        self.expect(false, section, format!("{why}: {}", response.first));
    }

    /// The server transaction moves: §17.2.1, §17.2.2, RFC 6026 §7.1.
    fn responded(&mut self, server: usize, response: Packet<'a>) {
        let now_ms = self.now_ms;
        let status = response.status;
        let s = &mut self.servers[server];
        let of_others = !s.is_invite() && (100..200).contains(&status);
        let early = of_others && s.is_udp() && now_ms < s.began_ms + TRYING_OF_OTHERS_MS;
        let forbidden = !s.is_invite() && (status == 408 || (101..200).contains(&status));
        let over = status < 200 && s.is_answered();
        s.last = Some(response.bytes);
        s.last_status = status;
        if status >= 200 && !s.is_answered() {
            s.trying_ms = None;
            s.state = if s.is_invite() && status < 300 { Serving::Accepted } else { Serving::Completed };
            s.ends_ms = Some(now_ms + if s.is_invite() || s.is_udp() { TIMEOUT_MS } else { 0 });
            if s.is_invite() && status >= 300 && s.is_udp() {
                s.resend = Some(Resend::new(now_ms, T2_MS));
            }
        }
        self.expect(!early, "RFC 4320 §4.1", "an early 100 to a request that is no INVITE");
        self.expect(!forbidden, "RFC 4320 §4", format!("{status} to a request that is no INVITE"));
        self.expect(!over, "§17.2", "a provisional response after the final one");
    }

    pub(super) fn request_sent(&mut self, shard: u8, sent: &'a Sent, request: Packet<'a>) {
        self.goes_to_somebody(sent);
        self.credentials_stay_with_trunks(sent, &request);
        let (branch, _) = via_key(request.via());
        let invite = self.by_branch.get(&(branch, "INVITE")).copied();
        if let Some(&index) = self.by_branch.get(&(branch, request.method)) {
            return self.repeated(index, sent, &request);
        }
        match (request.method, invite) {
            ("ACK", Some(invite)) => self.ack_sent(invite, sent, &request),
            ("ACK", None) => {
                match self.turn.ack_on.take().or_else(|| self.ack_that_waited(shard, &request)) {
                    Some((received, from)) => {
                        self.passed.insert(branch);
                        self.copied((&received, &from), sent, &request);
                        self.target_is_right(received.uri(), sent, (received.first, &request));
                        self.ack_number_is_right(&received, sent, &request);
                    }
                    None => self.expect(false, "§17.1.1.3", "an ACK that nothing asked for"),
                }
            }
            ("CANCEL", Some(invite)) => self.cancel_sent(shard, invite, sent, request),
            _ if self.registers_us(shard, sent, &request) => {
                self.opens(shard, sent, request, None);
            }
            _ => match self.question(shard, (sent.flow.transport, sent.flow.remote), &request) {
                Some(question) => {
                    let index = self.opens(shard, sent, request, None);
                    self.clients[index].patience_ms = self.patience_of(question);
                    self.clients[index].question = Some(question);
                }
                None => self.copy_sent(shard, sent, request),
            },
        }
    }

    /// Timers A and E; and what could not leave is dialled once more.
    fn repeated(&mut self, index: usize, sent: &'a Sent, request: &Packet<'a>) {
        let client = &mut self.clients[index];
        let same = client.request.bytes == request.bytes;
        if self.turn.redial == Some(index) {
            self.expect(same, "§18.1.1", "another request than the one that did not leave");
            let again = std::mem::replace(&mut self.clients[index].dialled_again, true);
            return self.expect(!again, "§18.1.1, RFC 5923", "dialled more than once");
        }
        let due = client.waits() && client.resend.is_some_and(|r| r.next_ms == self.now_ms);
        let same = same && client.flow == sent.flow;
        if let (true, Some(resend)) = (due, &mut client.resend) {
            resend.again();
        }
        let text = format!("{} repeated at the wrong time", request.first);
        self.expect(due, "§17.1.1.2, §17.1.2.2", text);
        self.expect(same, "§17.1.1.2", "a repeated request differs from the first, or goes elsewhere");
    }

    /// §17.1.1.3.
    fn ack_sent(&mut self, invite: usize, sent: &'a Sent, ack: &Packet<'a>) {
        let Some((_, refusal)) = self.turn.ack.take_if(|(client, _)| *client == invite) else {
            return self.expect(false, "§17.1.1.3", "an ACK that nothing asked for");
        };
        self.follows(invite, sent, ack, refusal.value("To"), "§17.1.1.3");
        let before = self.clients[invite].ack;
        self.expect(before.is_none_or(|before| before == ack.bytes), "§17.1.1.3", "a repeated ACK differs");
        self.clients[invite].ack = Some(ack.bytes);
    }

    /// §9.1.
    fn cancel_sent(&mut self, shard: u8, invite: usize, sent: &'a Sent, cancel: Packet<'a>) {
        let wanted = self.turn.cancels.contains(&invite) || self.ends_its_turn(invite);
        self.turn.cancels.retain(|waiting| *waiting != invite);
        self.clients[invite].cancelled_ms = Some(self.now_ms);
        self.expect(wanted, "§9.1, §16.7 step 10", "a CANCEL that nothing asked for");
        let to = self.clients[invite].request.value("To");
        self.follows(invite, sent, &cancel, to, "§9.1");
        let index = self.opens(shard, sent, cancel, None);
        self.clients[invite].cancel = Cancelling::Sent(index);
    }

    /// ACK and CANCEL repeat their INVITE: its Request-URI, its one Via, From, Call-ID, number and Routes, and its way.
    fn follows(&mut self, invite: usize, sent: &Sent, request: &Packet<'a>, to: &str, section: &'static str) {
        let client = &self.clients[invite];
        let of = &client.request;
        let same_way = sent.flow == client.flow
            || (!client.is_udp() && sent.flow.remote.ip() == client.flow.remote.ip());
        for (is_so, what) in [
            (same_way, "goes another way than its INVITE"),
            (request.uri() == of.uri(), "has another Request-URI than its INVITE"),
            (request.values("Via").eq([of.via()]), "has not exactly the top Via of its INVITE"),
            (request.value("From") == of.value("From"), "has another From than its INVITE"),
            (request.value("To") == to, "has the wrong To"),
            (request.value("Call-ID") == of.value("Call-ID"), "has another Call-ID than its INVITE"),
            (request.number() == of.number(), "has another CSeq number than its INVITE"),
            (request.value("CSeq").ends_with(request.method), "has the wrong method in CSeq"),
            (request.values("Route").eq(of.values("Route")), "has other Routes than its INVITE"),
            (request.body.is_empty(), "has a body"),
            (request.values("P-Asserted-Identity").next().is_none(), "says who calls"),
        ] {
            self.expect(is_so, section, format!("{} {what}", request.method));
        }
    }

    /// A copy for a new target: §16.6.
    fn copy_sent(&mut self, shard: u8, sent: &'a Sent, copy: Packet<'a>) {
        let below = copy.values("Via").nth(1).unwrap_or_default();
        let Some(server) = self.find_server(shard, below, copy.method) else {
            return self.expect(false, "§16.6", format!("a request that nobody sent: {}", copy.first));
        };
        let Server { request, from, .. } = &self.servers[server];
        let (request, from) = (request.clone(), *from);
        let asked = self.turn.fresh == Some(server) || self.turn.woken.contains(&server);
        self.turns_are_over(server);
        let (settles, over) = (self.turn.settle.contains(&server), self.servers[server].over);
        let meant = self.meant(server, sent, &copy);
        let left = self.left_for(server, (sent.flow.transport, sent.flow.remote), &copy);
        self.turn.next.retain(|going| Some(*going) != left);
        self.turn.woken.retain(|woken| *woken != server);
        self.copied((&request, &from), sent, &copy);
        self.target_is_right(meant, sent, (request.first, &copy));
        let retry = self.retry_of(server, sent);
        let tries = retry.and_then(|client| self.clients[client].tries);
        let entry = self.way_is_told((&request, meant), &copy, (server, retry));
        let asked = asked || retry.is_some();
        let moved = self.turn.moved.contains(&server);
        self.expect(asked || settles || left.is_some() || moved, "§16.6", "a copy that nothing asked for");
        let is_chosen_now = self.turn.fresh == Some(server) || left.is_some() || moved;
        if is_chosen_now && retry.is_none() {
            self.is_no_bother(shard, (sent.flow.transport, sent.flow.remote), &copy);
        }
        if left.is_none() && retry.is_none() {
            self.is_called_once(server, (meant, &copy));
        }
        let places = match retry {
            Some(client) => std::mem::take(&mut self.clients[client].places),
            None => self.place_is_right(shard, (server, meant, left), sent),
        };
        self.number_is_right(&request, sent, &copy, tries.map_or(0, |tries| tries + 1));
        self.expect(!over || asked, "§16.7 step 5", "a new target, though the request is over");
        let by_route = self.neighbour_of(&request).is_some_and(|neighbour| neighbour.stateless);
        // RFC 7118 §5: what came by WebSocket can be answered by its connection alone, which a Via does not name.
        let by_route = by_route && !from.transport.is_websocket();
        let in_dialog = !param(copy.value("To"), "tag").is_empty();
        if by_route && copy.is_invite() && !in_dialog {
            self.stateless_calls.insert(request.value("Call-ID"));
        }
        // The requests of a dialog are treated as the one that made it.
        let by_dialog = in_dialog && self.stateless_calls.contains(request.value("Call-ID"));
        let by_dialog = by_dialog && !from.transport.is_websocket();
        let s = &mut self.servers[server];
        if by_route || by_dialog {
            s.state = Serving::Passed;
            self.passed.insert(via_key(copy.via()).0);
            return;
        }
        if s.state == Serving::Fresh {
            s.opens(self.now_ms);
        }
        self.turn.went_on.push(server);
        self.in_order_of_preference(server, &copy);
        let index = self.opens(shard, sent, copy, Some(server));
        if !places.is_empty() {
            self.clients[index].patience_ms = Some(self.now_ms + SILENCE_MS);
        }
        self.clients[index].places = places;
        self.clients[index].entry = entry;
        self.clients[index].tries =
            self.is_with_login(&sent.flow).then(|| tries.map_or(0, |tries| tries + 1));
        self.servers[server].branches.push(index);
    }

    /// The branch that has failed and goes on by this copy.
    fn left_for(&self, server: usize, hop: Hop, copy: &Packet<'a>) -> Option<usize> {
        let mut next = self.turn.next.iter().copied().filter(|&client| {
            let c = &self.clients[client];
            c.server == Some(server) && c.request.uri() == copy.uri()
        });
        next.clone()
            .find(|&client| self.clients[client].places.iter().any(|place| place.hop == hop))
            .or(next.next())
    }

    /// §16.6: targets of one preference ring together, lower ones later.
    fn in_order_of_preference(&mut self, server: usize, copy: &Packet<'a>) {
        let Some(q_milli) = self.registered_as(copy.uri()).map(|r| r.q_milli) else { return };
        let s = &self.servers[server];
        if s.moved.is_moved() {
            return;
        }
        let earlier_now = s.branches.iter().filter(|b| !self.clients[**b].finished).count() > 0;
        let fits = match (s.branches.is_empty(), earlier_now) {
            (true, _) => true,
            (_, true) => q_milli == s.q_milli,
            (_, false) => q_milli <= s.q_milli,
        };
        self.servers[server].q_milli = q_milli;
        self.expect(fits, "§16.6", "a target out of its turn");
    }

    fn opens(&mut self, shard: u8, sent: &'a Sent, request: Packet<'a>, server: Option<usize>) -> usize {
        let index = self.clients.len();
        let invite = request.is_invite();
        let is_udp = sent.flow.transport == offhook_sip::Transport::Udp;
        let (branch, _) = via_key(request.via());
        self.expect(branch.starts_with("z9hG4bK"), "§8.1.1.7", "a branch without the magic cookie");
        self.by_branch.insert((branch, request.method), index);
        self.clients.push(Client {
            flow: sent.flow,
            ticket: sent.ticket,
            shard,
            state: Asking::Calling,
            server,
            resend: self.resend_of(is_udp, if invite { u64::MAX } else { T2_MS }),
            ends_ms: Some(self.now_ms + TIMEOUT_MS),
            patience_ms: invite.then_some(self.now_ms + TIMER_C_MS),
            places: Vec::new(),
            finished: false,
            entry: None,
            heard: Vec::new(),
            question: None,
            tries: None,
            is_back: false,
            is_left: false,
            turn_ms: self.facts.ring_ms.filter(|_| invite && server.is_some()).map(|ms| self.now_ms + ms),
            turn_perhaps_ms: None,
            is_perhaps_silent: false,
            cancelled_ms: None,
            gave_way: false,
            cancel: Cancelling::No,
            dialled_again: false,
            ack: None,
            request,
        });
        self.asking.push(index);
        index
    }
}
