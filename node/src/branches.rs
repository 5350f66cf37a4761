//! The branches of a request: linked to it, each with its time, one in the place of another.
//!
//! ```text
//!   Upstream ── branches ──► newest ── next ──► … ── next ──► oldest
//! ```

use offhook_transaction::{ClientId, ClientState, ServerId};

use crate::context::{Downstream, Spare};
use crate::relay::Passage;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};
use crate::told::Told;

impl Switchboard {
    /// A branch is open, and its copy on its way.
    pub(crate) fn link_branch(&mut self, server: ServerId, branch: ClientId, told: Option<Box<Told<'_>>>) {
        self.with_upstream(server, |upstream| {
            upstream.branches = Some(branch);
            upstream.fork.branch_opened();
        });
        if let Some(steps) = told.and_then(|told| told.into_steps()) {
            self.note_steps(server, branch, steps);
        }
    }

    /// How long a branch may take that has just been opened: until its next address is tried, or else as
    /// [`Self::give_time`] says.
    pub(crate) fn limit_branch(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (server, client): (ServerId, ClientId),
        (target, texts, max_breadth): (&Target, &Targets, Option<u32>),
        invite: bool,
    ) {
        let arrival = passage.arrival;
        let rest = texts.with_addresses(target);
        let has_spare = rest.is_some();
        if let Some(rest) = rest {
            let spare = Spare { branch: client, target: rest, is_ready: false, max_breadth };
            self.with_rest(server, |rest| rest.spares.push(spare));
        }
        self.give_time(arrival.settings, arrival.now_ms, (server, client), (has_spare, invite));
    }

    /// The time of a branch: until its next address is tried, until its turn is over, or Timer C (§16.6 step 11).
    fn give_time(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, branch): (ServerId, ClientId),
        (has_spare, invite): (bool, bool),
    ) {
        if has_spare {
            self.transactions.set_user_timer(now_ms, branch, settings.failover_after_ms);
        } else if invite {
            self.let_ring(settings, now_ms, (server, branch), 0);
        }
    }

    /// A branch has the time of its turn if others wait for theirs, else Timer C; so much of it is over.
    pub(crate) fn let_ring(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, branch): (ServerId, ClientId),
        over_ms: u32,
    ) {
        let ring_ms = self.ring_ms(server);
        if let Some(record) = self.transactions.client_mut(branch) {
            record.user.in_turn = ring_ms.is_some();
        }
        let patience_ms = ring_ms.unwrap_or(settings.timer_c_ms as u32);
        self.transactions.set_user_timer(now_ms, branch, patience_ms.saturating_sub(over_ms));
    }

    /// A branch that was to go to another address stays: there is none that may be taken.
    pub(crate) fn wait_on(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, branch): (ServerId, ClientId),
    ) {
        let Some(record) = self.transactions.client(branch) else { return };
        if matches!(record.state(), ClientState::Invite(_)) {
            self.let_ring(settings, now_ms, (server, branch), settings.failover_after_ms);
        }
    }

    /// The new branch, which sends the same request to the same place, stands where the old one stood.
    pub(crate) fn take_over(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, old, new): (ServerId, ClientId, ClientId),
        invite: bool,
    ) {
        if let Some(record) = self.transactions.client_mut(old) {
            record.user.finished = true;
        }
        let mut has_spare = false;
        self.with_rest(server, |rest| has_spare = rest.hand_on(old, new));
        self.with_history(server, |history| history.hand_on(old, new));
        self.link_branch(server, new, None);
        self.with_upstream(server, |upstream| upstream.fork.branch_replaced());
        self.give_time(settings, now_ms, (server, new), (has_spare, invite));
    }

    /// A branch is over: those that are left stay linked.
    pub(crate) fn unlink_branch(&mut self, over: ClientId, branch: &Downstream) {
        let Some(server) = branch.server else { return };
        let Some(upstream) = self.transactions.server_mut(server).map(|record| &mut record.user) else {
            return;
        };
        if upstream.branches == Some(over) {
            upstream.branches = branch.next;
            return;
        }
        let mut newer = upstream.branches;
        while let Some(record) = newer.and_then(|id| self.transactions.client_mut(id)) {
            if record.user.next == Some(over) {
                record.user.next = branch.next;
                return;
            }
            newer = record.user.next;
        }
    }
}
