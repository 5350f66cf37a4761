//! Turns by q: RFC 3261 §16.6, last paragraph, and the manual's `who-rings.md`.
//!
//! ```text
//!   turn ──all have refused──────────────────────────────────► the next turn
//!     └──ring_s──► CANCEL to who has rung ──487, or 2·T1──────────┘
//!                  └ who has never said a word is left as he is ──┘
//! ```
//! Whether anybody waits behind a turn is not known here: what the exchange does tells.

use super::Oracle;
use super::transactions::{Asking, Cancelling, Serving, T1_MS};
use crate::sniffer::Cause;

/// So long after their CANCEL others have their turn, ms.
const GIVES_WAY_MS: u64 = 2 * T1_MS;

impl Oracle<'_> {
    /// A CANCEL to a branch because others wait for their turn.
    pub(super) fn ends_its_turn(&mut self, client: usize) -> bool {
        let is_time = matches!(self.steps[self.index].cause, Cause::Time);
        let c = &mut self.clients[client];
        let is_turn = [c.turn_ms, c.turn_perhaps_ms].contains(&Some(self.now_ms));
        // Its turn was over before it rang at last: so it is if others wait for theirs.
        let is_due = (is_time && is_turn || c.is_perhaps_silent) && c.cancel == Cancelling::No;
        let ends = is_due && c.state == Asking::Proceeding && !c.finished;
        if ends {
            c.patience_ms = Some(self.now_ms + super::transactions::TIMEOUT_MS);
        }
        ends
    }

    /// Something was sent that is right only if the turn of all branches is over: if it may be, it is.
    pub(super) fn turns_are_over(&mut self, server: usize) {
        let s = &self.servers[server];
        let open: Vec<usize> = s.branches.iter().copied().filter(|&b| !self.clients[b].finished).collect();
        let all =
            s.is_invite() && s.state == Serving::Proceeding && open.iter().all(|&b| self.may_be_over(b));
        let is_explained =
            open.is_empty() || self.turn.settle.contains(&server) || self.goes_on_itself(server);
        if !all || is_explained {
            return;
        }
        for branch in open {
            if self.clients[branch].state == Asking::Calling {
                self.was_silent(branch);
                let c = &mut self.clients[branch];
                (c.is_left, c.cancel, c.patience_ms) = (true, Cancelling::Wanted, None);
            }
            self.finished(branch, 408, None);
            let c = &mut self.clients[branch];
            c.gave_way = !c.is_left;
        }
    }

    /// A branch says nothing in its turn, while another one rings on or has taken the call: if others wait behind it, its silence
    /// is noticed now, and else with Timer B (§17.1.1.2).
    pub(super) fn turns_may_be_over(&mut self, shard: u8) {
        for client in self.asking.clone() {
            let c = &self.clients[client];
            let is_its = c.shard == shard && !c.finished && !c.is_left && !c.is_perhaps_silent;
            if is_its && c.state == Asking::Calling && self.may_be_over(client) {
                self.clients[client].is_perhaps_silent = true;
                self.is_perhaps_unanswered(client);
                self.fails_alone(client, None);
            }
        }
    }

    fn goes_on_itself(&self, server: usize) -> bool {
        let of = |list: &[usize]| list.iter().any(|&client| self.clients[client].server == Some(server));
        of(&self.turn.next) || of(&self.turn.retries) || self.turn.moved.contains(&server)
    }

    fn may_be_over(&self, branch: usize) -> bool {
        let c = &self.clients[branch];
        let is_past = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= self.now_ms);
        match c.state {
            Asking::Calling => is_past(c.turn_ms) && c.places.is_empty(),
            Asking::Proceeding => is_past(c.cancelled_ms.map(|at_ms| at_ms + GIVES_WAY_MS)),
            Asking::Completed | Asking::Accepted => false,
        }
    }

    /// A branch has ended long after its CANCEL.
    pub(super) fn is_nobodys_end(&mut self, client: usize) {
        let c = &self.clients[client];
        let server = c.server.filter(|_| c.cancelled_ms.is_some());
        self.turn.late.extend(server);
    }

    /// Nobody has his turn so late: RFC 3261 §9.1 lets a cancelled branch be given up after 64·T1, and others need not wait for
    /// that.
    pub(super) fn nobody_has_waited(&mut self, late: &[usize], went_on: &[usize]) {
        for server in late {
            let has_waited = went_on.contains(server) && !self.servers[*server].moved.is_moved();
            self.expect(!has_waited, "§16.6, who-rings.md", "others have waited for who was cancelled");
        }
    }
}
