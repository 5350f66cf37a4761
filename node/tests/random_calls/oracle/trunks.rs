//! Neighbours that ask who we are: RFC 3261 §22.2, §22.3.
//!
//! ```text
//!   caller              exchange               trunk
//!     INVITE 7  ──────────► INVITE 28 ───────────► 401
//!                           INVITE 29, credentials ►        a branch of its own, in the place of the first one
//!     200 7     ◄────────── 200 29
//!     ACK 7     ──────────► ACK 29
//! ```
//! Numbers on the far side have room for repetitions; the caller sees his own. Nobody else is shown the credentials.

use offhook_net::Flow;

use super::Oracle;
use super::packet::Packet;
use super::transactions::{Cancelling, Serving};
use crate::asks::USER;
use crate::sniffer::Sent;

/// How a challenge for us, and its answer, names its realm.
pub(super) const REALM: &str = "realm=\"provider.example\"";

/// Numbers of one request on the far side.
const NUMBERS: u32 = 4;

impl<'a> Oracle<'a> {
    /// Whether a flow leads to who may ask us for credentials.
    pub(super) fn is_with_login(&self, flow: &Flow) -> bool {
        let mut logins = self.facts.neighbours.iter().filter(|neighbour| neighbour.has_login);
        logins.any(|neighbour| neighbour.places.contains(&flow.remote))
    }

    /// What only a trunk may see.
    pub(super) fn credentials_stay_with_trunks(&mut self, sent: &Sent, request: &Packet<'a>) {
        let of_ours = |value: &str| value.contains(&format!("username=\"{USER}\""));
        let mut all = request.values("Authorization").chain(request.values("Proxy-Authorization"));
        let shown = all.any(of_ours) && !self.is_with_login(&sent.flow);
        self.expect(!shown, "§22.1", format!("{} is shown the credentials of a trunk", sent.flow.remote));
    }

    /// A request of our own: a REGISTER to a trunk, by one shard.
    pub(super) fn registers_us(&mut self, shard: u8, sent: &Sent, request: &Packet<'a>) -> bool {
        let is_own = request.values("Via").count() == 1;
        is_own && request.method == "REGISTER" && shard == 0 && self.is_with_login(&sent.flow)
    }

    /// Whether a request of our own registers us.
    pub(super) fn is_registration(&self, client: usize) -> bool {
        let client = &self.clients[client];
        client.server.is_none() && client.request.method == "REGISTER"
    }

    /// Whether a response of a branch is a challenge for us.
    pub(super) fn is_asked_of_us(&self, client: usize, response: &Packet<'a>) -> bool {
        let mut challenges = response.values("WWW-Authenticate").chain(response.values("Proxy-Authenticate"));
        let asks = matches!(response.status, 401 | 407) && challenges.any(|value| value.contains(REALM));
        self.clients[client].tries.is_some() && asks
    }

    /// Whether the request is repeated with an answer: as long as anybody waits, and not where it was wrong already.
    pub(super) fn answers_challenge(&self, client: usize, response: &Packet<'a>) -> bool {
        let c = &self.clients[client];
        let Some((server, tries)) = c.server.map(|server| &self.servers[server]).zip(c.tries) else {
            return false;
        };
        let mut challenges = response.values("WWW-Authenticate").chain(response.values("Proxy-Authenticate"));
        let stale = challenges.any(|value| value.contains("stale=true"));
        let waits = server.state == Serving::Proceeding && !server.over && server.lives_at(self.now_ms);
        waits && c.cancel == Cancelling::No && !c.is_back && tries < NUMBERS - 1 && (tries == 0 || stale)
    }

    /// The branch whose request is repeated here.
    pub(super) fn retry_of(&mut self, server: usize, sent: &Sent) -> Option<usize> {
        let clients = &self.clients;
        let is_it =
            |client: &usize| clients[*client].server == Some(server) && clients[*client].flow == sent.flow;
        let at = self.turn.retries.iter().position(is_it)?;
        Some(self.turn.retries.swap_remove(at))
    }

    /// A trunk is told a number with room for repetitions, and our credentials when it has asked; others the caller's number.
    pub(super) fn number_is_right(
        &mut self,
        request: &Packet<'a>,
        sent: &Sent,
        copy: &Packet<'a>,
        tries: u32,
    ) {
        let number = |packet: &Packet<'_>| packet.number().parse::<u32>().unwrap_or(0);
        let wanted = match self.is_with_login(&sent.flow) {
            true => number(request) * NUMBERS + tries,
            false => number(request),
        };
        let mut proofs = copy.values("Authorization").chain(copy.values("Proxy-Authorization"));
        let proves = proofs.any(|value| value.contains(REALM));
        let text = format!("{} is not number {wanted}", copy.value("CSeq"));
        self.expect(number(copy) == wanted, "§22.3", text);
        self.expect(
            proves == (tries > 0),
            "§22.3",
            format!("{}: credentials without need, or none", copy.first),
        );
    }

    /// The ACK to a 2xx has the number of the INVITE that was answered.
    pub(super) fn ack_number_is_right(&mut self, received: &Packet<'a>, sent: &Sent, ack: &Packet<'a>) {
        let number = |packet: &Packet<'_>| packet.number().parse::<u32>().unwrap_or(0);
        let call_id = received.value("Call-ID");
        let invites =
            self.clients.iter().filter(|c| c.request.is_invite() && c.request.value("Call-ID") == call_id);
        let same = |c: &&super::Client<'a>| {
            c.flow.remote == sent.flow.remote && number(&c.request) / NUMBERS == number(received)
        };
        let tries = invites.filter(same).filter_map(|c| c.tries).max();
        let wanted = match self.is_with_login(&sent.flow) {
            true => number(received) * NUMBERS + tries.unwrap_or(0),
            false => number(received),
        };
        // A new process does not know how often the INVITE was repeated that it never saw; nor does anybody by an ACK to a
        // refusal, which one before us has forgotten.
        let is_refused = |s: &super::Server<'a>| {
            s.request.is_invite() && s.is_refused() && s.request.value("Call-ID") == call_id
        };
        let is_lost = self.life > 1 || self.servers.iter().any(is_refused);
        let may_be = is_lost && number(ack) / NUMBERS == number(received);
        let text = format!("an ACK with the number {}, not {wanted}", number(ack));
        self.expect(number(ack) == wanted || may_be, "§13.2.2.4", text);
    }
}
