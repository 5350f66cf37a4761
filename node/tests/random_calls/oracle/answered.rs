//! A response comes, or time passes: RFC 3261 §17.1, §16.7, §16.8, §16.9.

use offhook_net::{Flow, Ticket};

use super::packet::{Packet, via_key};
use super::standing::Life;
use super::transactions::{Asking, Cancelling, Resend, Serving, T4_MS, TIMEOUT_MS, TIMER_C_MS};
use super::ways::Place;
use super::{Client, GRAIN_MS, Oracle};

impl<'a> Oracle<'a> {
    pub(super) fn answered(&mut self, shard: u8, response: Packet<'a>) {
        let (branch, _) = via_key(response.via());
        if self.passed.contains(branch) && response.values("Via").nth(1).is_some() {
            self.turn.pass = Some(response);
            return;
        }
        let Some(&index) = self.by_branch.get(&(branch, response.method)) else { return };
        let client = &self.clients[index];
        if client.shard != shard || !self.asking.contains(&index) {
            return;
        }
        self.note_alive(index, response.status);
        self.clients[index].heard.push(response.status);
        self.take_back(index);
        let client = &self.clients[index];
        let for_us = client.server.is_some() && response.values("Via").nth(1).is_none();
        let given_up = client.finished && client.waits() && !client.is_left && !client.gave_way;
        if for_us || given_up {
            return;
        }
        self.turn.optional = !client.lives_at(self.now_ms);
        match response.method {
            "INVITE" => self.invite_answered(index, response),
            _ => self.other_answered(index, response),
        }
    }

    /// Figure 6. RFC 4320 §4.1: no provisional response but 100 goes on, and that one is everybody's own.
    fn other_answered(&mut self, index: usize, response: Packet<'a>) {
        let now_ms = self.now_ms;
        let client = &mut self.clients[index];
        if !client.waits() {
            return;
        }
        if response.status < 200 {
            client.state = Asking::Proceeding;
            if let Some(resend) = &mut client.resend {
                resend.in_proceeding();
            }
            return;
        }
        client.state = Asking::Completed;
        client.resend = None;
        client.ends_ms = Some(if client.is_udp() { now_ms + T4_MS } else { now_ms });
        self.finished(index, response.status, Some(response));
    }

    /// RFC 6026 Figure 5.
    fn invite_answered(&mut self, index: usize, response: Packet<'a>) {
        let now_ms = self.now_ms;
        let client = &mut self.clients[index];
        match (client.state, response.status) {
            (Asking::Calling | Asking::Proceeding, ..200) => self.rings(index, response),
            (Asking::Calling | Asking::Proceeding, 200..300) => {
                client.state = Asking::Accepted;
                (client.resend, client.patience_ms) = (None, None);
                client.ends_ms = Some(now_ms + TIMEOUT_MS);
                self.finished(index, response.status, Some(response));
            }
            (Asking::Accepted, 200..300) => {
                let server = client.server.filter(|s| self.servers[*s].state == Serving::Accepted);
                self.wants_relay(server, response);
            }
            (Asking::Calling | Asking::Proceeding, _) => {
                client.state = Asking::Completed;
                (client.resend, client.patience_ms) = (None, None);
                client.ends_ms = Some(if client.is_udp() { now_ms + TIMEOUT_MS } else { now_ms });
                self.end_cancel_with(index);
                self.turn.ack = Some((index, response.clone()));
                self.finished(index, response.status, Some(response));
            }
            (Asking::Completed, 300..) => self.turn.ack = Some((index, response)),
            (Asking::Completed | Asking::Accepted, _) => {}
        }
    }

    /// §16.7 steps 2, 3 and 5; §9.1.
    fn rings(&mut self, index: usize, response: Packet<'a>) {
        let has_other_place = self.has_other_place(index);
        let client = &mut self.clients[index];
        let is_first = client.state == Asking::Calling;
        client.state = Asking::Proceeding;
        (client.resend, client.ends_ms) = (None, None);
        match client.cancel {
            Cancelling::Wanted => self.cancel_branch(index),
            Cancelling::No if response.status > 100 || has_other_place => {
                client.patience_ms = Some(self.now_ms + TIMER_C_MS);
                if has_other_place {
                    let may_be_none =
                        |place: &Place| place.is_open || place.is_silent || place.life == Life::Unsure;
                    let may_go_on = !is_first || client.places.iter().all(may_be_none);
                    client.turn_perhaps_ms = client.turn_ms.filter(|_| may_go_on);
                    client.turn_ms = self.facts.ring_ms.map(|ms| self.now_ms + ms);
                }
            }
            _ => {}
        }
        let server = self.clients[index].server;
        let server =
            server.filter(|s| response.status > 100 && self.servers[*s].state == Serving::Proceeding);
        self.wants_relay(server, response);
    }

    fn wants_relay(&mut self, server: Option<usize>, response: Packet<'a>) {
        let Some(server) = server.filter(|s| self.serving.contains(s)) else { return };
        self.turn.optional |= !self.servers[server].lives_at(self.now_ms);
        self.turn.relay = Some((server, response));
    }

    /// A branch has ended: §16.7 steps 5, 6 and 10.
    pub(super) fn finished(&mut self, index: usize, status: u16, response: Option<Packet<'a>>) {
        self.clients[index].finished = true;
        // Its turn is over, and it was counted then: only who takes the call is heard yet.
        if self.clients[index].gave_way && status >= 300 {
            return;
        }
        if let Some(response) = response.as_ref().filter(|r| self.is_asked_of_us(index, r)) {
            if self.answers_challenge(index, response) {
                return self.turn.retries.push(index);
            }
            // It was answered before: the caller has no use for it (§21.4.4).
            if self.clients[index].tries > Some(0) {
                return self.finished(index, 403, None);
            }
        }
        if self.is_registration(index) && response.is_none() {
            self.note_dead(index, None);
        }
        self.question_ends(index, status, response.as_ref());
        if let Some(response) = &response {
            self.sends_on(index, response);
        }
        let retry_after_s = response.as_ref().and_then(|r| r.value("Retry-After").parse().ok());
        if status == 503 && self.goes_on(index, retry_after_s) {
            return;
        }
        if status == 408 && response.is_none() {
            self.fails_alone(index, None);
        }
        let Some(server) = self.clients[index].server.filter(|s| self.serving.contains(s)) else { return };
        // §17.2.1: who has been refused hears nothing more.
        if self.servers[server].is_refused() {
            return;
        }
        let s = &mut self.servers[server];
        if !s.lives_at(self.now_ms) {
            self.turn.optional = true;
        }
        s.finals.push((status, response.clone()));
        let is_2xx = (200..300).contains(&status);
        let decides = is_2xx || (status >= 600 && !s.over);
        s.over |= decides || (status == 408 && !s.is_invite());
        let passes = is_2xx && (s.state == Serving::Proceeding || s.state == Serving::Accepted);
        if decides {
            self.cancel_branches(server);
        }
        if let (true, Some(response)) = (passes, response) {
            return self.wants_relay(Some(server), response);
        }
        let s = &self.servers[server];
        let all = s.branches.iter().all(|branch| self.clients[*branch].finished);
        // At the very end of its time a request that is no INVITE may be answered still, or not any more.
        let lives = s.ends_ms.is_none_or(|ends_ms| ends_ms + GRAIN_MS >= self.now_ms);
        if all && s.state == Serving::Proceeding && !is_2xx && lives {
            self.turn.settle.push(server);
        }
    }

    pub(super) fn cancel_branches(&mut self, server: usize) {
        if self.servers[server].is_invite() {
            for branch in self.servers[server].branches.clone() {
                self.cancel_branch(branch);
            }
        }
    }

    /// §9.1: only what has said something and has not ended can be cancelled, and only once.
    fn cancel_branch(&mut self, index: usize) {
        let client = &mut self.clients[index];
        match (client.state, client.cancel) {
            _ if client.finished && !client.is_left => {}
            (Asking::Proceeding, Cancelling::No | Cancelling::Wanted) => {
                client.patience_ms = Some(self.now_ms + TIMEOUT_MS);
                if !self.turn.cancels.contains(&index) {
                    self.turn.cancels.push(index);
                }
            }
            (Asking::Calling, Cancelling::No) => client.cancel = Cancelling::Wanted,
            _ => {}
        }
    }

    /// A CANCEL has nothing to do any more when its INVITE is gone.
    fn end_cancel_with(&mut self, index: usize) {
        let ends_ms = self.clients[index].ends_ms;
        if let Cancelling::Sent(cancel) = self.clients[index].cancel {
            let cancel = &mut self.clients[cancel];
            cancel.ends_ms = match (cancel.ends_ms, ends_ms) {
                (Some(own_ms), Some(ends_ms)) => Some(own_ms.min(ends_ms)),
                (own_ms, _) => own_ms,
            };
        }
    }

    /// §16.9: a request could not be sent.
    pub(super) fn failed(&mut self, shard: u8, ticket: Ticket) {
        let its = |&&i: &&usize| self.clients[i].ticket == ticket && self.clients[i].shard == shard;
        let Some(&index) = self.asking.iter().find(its) else { return };
        self.turn.redial = Some(index);
        let step = &self.steps[self.index];
        // Dialled again, it has not failed yet.
        let again = step.sent.iter().any(|sent| sent.bytes == self.clients[index].request.bytes);
        let client = &mut self.clients[index];
        let fails = match (client.request.is_invite(), client.state) {
            (true, state) => matches!(state, Asking::Calling | Asking::Completed),
            (false, state) => state != Asking::Completed,
        };
        if !again && fails {
            let known = client.finished;
            self.ends_now(index);
            if !known {
                self.was_silent(index);
                self.finished(index, 503, None);
            }
        }
    }

    /// A branch ends without a response, and nothing was heard of it before.
    pub(super) fn was_silent(&mut self, index: usize) {
        if self.clients[index].state == Asking::Calling {
            self.note_unanswered(index);
            self.fails_alone(index, None);
        }
    }

    /// §18.4, §17.1.4: what nobody was there to take has failed, if nothing was heard before.
    pub(super) fn not_arrived(&mut self, shard: u8, to: &Flow, quoted: &[u8]) {
        let its = |&&i: &&usize| {
            let client = &self.clients[i];
            let (flow, is_new) = (client.flow, client.state == Asking::Calling);
            let same_way = flow.transport == to.transport && flow.remote == to.remote;
            client.shard == shard && is_new && same_way && client.request.bytes.starts_with(quoted)
        };
        let Some(&index) = self.asking.iter().find(its) else { return };
        let known = self.clients[index].finished;
        self.ends_now(index);
        if !known {
            self.was_silent(index);
            self.finished(index, 503, None);
        }
    }

    pub(super) fn ends_now(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.ends_ms = Some(self.now_ms);
        (client.resend, client.patience_ms) = (None, None);
        self.end_cancel_with(index);
    }

    /// Timers B, C and F, and the 100s.
    pub(super) fn time_passed(&mut self, shard: u8) {
        let now_ms = self.now_ms;
        for index in self.asking.clone() {
            let client: &Client<'_> = &self.clients[index];
            let due = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
            if client.shard != shard || (client.finished && !client.is_left && !client.gave_way) {
                continue;
            }
            if due(client.patience_ms) && client.waits() {
                self.settle_places(index);
            }
            let client = &self.clients[index];
            if due(client.patience_ms)
                && client.waits()
                && self.has_other_place(index)
                && self.time_is_over(index)
            {
                continue;
            }
            let client = &self.clients[index];
            let silent = client.waits() && due(client.ends_ms);
            let impatient = due(client.patience_ms) && client.waits();
            if !silent && impatient && client.cancel == Cancelling::No && client.state == Asking::Proceeding {
                self.cancel_branch(index);
            } else if silent || impatient {
                self.ends_now(index);
                if !self.clients[index].is_left && !self.clients[index].gave_way {
                    self.was_silent(index);
                    self.finished(index, 408, None);
                    self.is_nobodys_end(index);
                }
            }
        }
        for index in self.serving.clone() {
            let server = &mut self.servers[index];
            if server.shard == shard && server.waits_until_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                server.waits_until_ms = None;
                // What has no transaction is lost: its sender repeats it.
                if server.is_kept() {
                    self.turn.answers.push((index, 504));
                }
                continue;
            }
            if server.shard == shard && server.trying_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                server.trying_ms = None;
                if server.state == Serving::Proceeding && server.last.is_none() && server.lives_at(now_ms) {
                    self.turn.trying.push(index);
                }
            }
        }
    }

    /// A request that is repeated by Timer A or E.
    pub(super) fn resend_of(&self, is_udp: bool, cap_ms: u64) -> Option<Resend> {
        is_udp.then(|| Resend::new(self.now_ms, cap_ms))
    }
}
