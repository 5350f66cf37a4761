//! The next address: RFC 3263 §4.3. A name leads to several places; when one fails, the request goes to the next by a
//! branch of its own, and the caller notices nothing.
//!
//! ```text
//!   branch ──503, not reached, silence──► the same request, a new branch, the next address ──…──► none left: §16.7
//! ```
//! Silence is what has said nothing at all for `failover_after_ms`: Timer B would be half a minute, and nobody holds on so
//! long. A phone that wakes up after that is cancelled, and a branch like any other again: if it answers all the same, its
//! 2xx passes, and the others are cancelled.
//!
//! Addresses that get no requests just now (RFC 7339 §5.5, §5.9) are no detour: if there is nothing else, who has not answered
//! is waited for as if he were the last.

use offhook_journal::Event;
use offhook_locate::Hop;
use offhook_net::{IcmpError, Outbox};
use offhook_sip::Message;
use offhook_transaction::{ClientId, ClientState, ServerId};

use crate::context::{Cancel, Spare};
use crate::servers::hop_of;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

impl Switchboard {
    /// Whether this branch has another address to go to.
    pub(crate) fn has_spare(&self, server: ServerId, branch: ClientId) -> bool {
        let upstream = self.transactions.server(server).map(|record| &record.user);
        let rest = upstream.and_then(|u| u.rest.as_ref());
        rest.is_some_and(|rest| rest.spares.iter().any(|spare| spare.branch == branch))
    }

    /// Takes a branch that failed elsewhere, if there is a detour. `false`: this was its end.
    pub(crate) fn goes_on(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, branch): (ServerId, ClientId),
        detour: Detour<'_>,
        out: &mut Outbox,
    ) -> bool {
        let Detour { address_failed, flow_failed } = detour;
        let Some(device) = self.transactions.client(branch).map(|record| record.user.device) else {
            return false;
        };
        address_failed
            .is_some_and(|failure| self.try_next_address(settings, now_ms, (server, branch), failure, out))
            || flow_failed && self.try_other_flow(settings, now_ms, (server, device), out)
    }

    /// Sends the request of a branch that failed to its next address. `false`: there is none, or nobody waits any more.
    fn try_next_address(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, branch): (ServerId, ClientId),
        failure: Failure<'_>,
        out: &mut Outbox,
    ) -> bool {
        if !self.has_spare(server, branch) {
            // The last target of a trunk, or the only one: there is nowhere else to go, but whoever looks shall know.
            if self.transactions.client(branch).is_some_and(|record| record.user.trunk != 0) {
                self.note_dead(now_ms, branch, failure);
            }
            return false;
        }
        self.note_dead(now_ms, branch, failure);
        let goes = self.is_wanted(server, branch) && self.finds_next(settings, now_ms, (server, branch));
        let Some(spare) = self.take_spare(server, branch).filter(|_| goes) else { return false };
        let newest = |board: &Self| board.transactions.server(server).and_then(|r| r.user.branches);
        let before = newest(self);
        self.replay(settings, now_ms, server, |board, passage| {
            if let Some(target) = spare.target.list().first() {
                board.forward_to(passage, server, target, &spare.target, spare.max_breadth, out);
            }
        });
        let went_on = newest(self) != before;
        if went_on {
            self.leave_branch(server, branch, failure);
        }
        went_on
    }

    /// Whether anybody waits for what this branch says.
    fn is_wanted(&self, server: ServerId, branch: ClientId) -> bool {
        let wanted = self.transactions.client(branch).is_some_and(|r| r.user.cancel == Cancel::No);
        wanted && self.transactions.server(server).is_some_and(|r| r.user.fork.may_go_on())
    }

    /// Moves what is left of a target to the first of its addresses that may be taken now. `false`: there is none.
    fn finds_next(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, branch): (ServerId, ClientId),
    ) -> bool {
        let Some(mut spare) = self.take_spare(server, branch) else { return false };
        if !spare.is_ready {
            let may_be_taken = spare.target.next_address()
                && self.replay(settings, now_ms, server, |board, passage| {
                    board.holds_back(passage.arrival, &mut spare.target).is_none()
                }) == Some(true);
            if !may_be_taken {
                return false;
            }
            spare.is_ready = true;
        }
        self.with_rest(server, |rest| rest.spares.push(spare));
        true
    }

    /// A branch that could go to another address has had its time: if it has said nothing, its request goes there. It is
    /// not given up itself: what it says yet is answered.
    pub(crate) fn failover_due(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, id): (ServerId, ClientId),
        out: &mut Outbox,
    ) {
        let Some(record) = self.transactions.client(id) else { return };
        if record.user.heard {
            // Timer C has run out instead; nobody else is to be tried while somebody rings.
            let invite = matches!(record.state(), ClientState::Invite(_));
            self.forget_spare(server, id);
            if invite {
                self.timer_c(settings, now_ms, id, out);
            }
            return;
        }
        if self.is_wanted(server, id) && !self.finds_next(settings, now_ms, (server, id)) {
            return self.wait_on(settings, now_ms, (server, id));
        }
        self.branch_failed(settings, now_ms, id, Lost::Silent, out);
    }

    /// A branch stays where it is.
    pub(crate) fn forget_spare(&mut self, server: ServerId, branch: ClientId) {
        self.take_spare(server, branch);
    }

    fn take_spare(&mut self, server: ServerId, branch: ClientId) -> Option<Spare> {
        let rest = self.transactions.server_mut(server)?.user.rest.as_mut()?;
        let place = rest.spares.iter().position(|spare| spare.branch == branch)?;
        Some(rest.spares.swap_remove(place))
    }

    /// The branch counts no more. One that was only silent may still wake up: then it is cancelled.
    fn leave_branch(&mut self, server: ServerId, branch: ClientId, failure: Failure<'_>) {
        self.with_upstream(server, |upstream| upstream.fork.branch_replaced());
        if let Some(record) = self.transactions.client_mut(branch) {
            record.user.finished = true;
            // §9.1: only an INVITE is worth a CANCEL.
            if matches!((failure, record.state()), (Failure::Silent, ClientState::Invite(_))) {
                record.user.cancel = Cancel::Wanted;
            }
        }
    }

    /// A branch that was left because it said nothing has said something. While nobody is answered it is one like any other:
    /// its end is waited for, and it may be the one that takes the call (§16.7 steps 5 and 6).
    pub(crate) fn take_back(&mut self, server: ServerId, branch: ClientId) {
        let Some(upstream) = self.transactions.server_mut(server).map(|record| &mut record.user) else {
            return;
        };
        if upstream.answered {
            return;
        }
        upstream.fork.branch_opened();
        if let Some(record) = self.transactions.client_mut(branch) {
            record.user.finished = false;
        }
    }

    fn note_dead(&mut self, now_ms: u64, branch: ClientId, failure: Failure<'_>) {
        let Some(record) = self.transactions.client(branch) else { return };
        let hop = hop_of(&record.user.flow);
        let retry_after_s = match failure {
            Failure::Refused(message) => message.seconds(offhook_sip::Name::RetryAfter).ok().flatten(),
            _ => None,
        };
        self.take_for_dead(now_ms, hop, retry_after_s, failure.name());
    }

    /// A next hop has failed; `retry_after_s`: it said for how long.
    pub(crate) fn take_for_dead(
        &mut self,
        now_ms: u64,
        hop: Hop,
        retry_after_s: Option<u32>,
        why: &'static str,
    ) {
        if self.health.note_dead(now_ms, hop, why, retry_after_s) {
            let event = Event::TargetDead { target: hop.address, transport: hop.transport.name(), why };
            self.journal.note(now_ms, &event);
        }
    }
}

/// What a branch that failed may try yet.
#[derive(Clone, Copy)]
pub(crate) struct Detour<'r> {
    /// The next address of its name (RFC 3263 §4.3), for this one has failed in this way.
    address_failed: Option<Failure<'r>>,
    /// Another flow of its device (RFC 5626 §7).
    flow_failed: bool,
}

impl<'r> Detour<'r> {
    /// Nothing.
    pub(crate) const fn none() -> Self {
        Self { address_failed: None, flow_failed: false }
    }

    /// After a refusal.
    pub(crate) fn after(status: u16, refusal: &'r Message<'r>) -> Self {
        let is_invite = || refusal.cseq().is_ok_and(|cseq| cseq.method == b"INVITE");
        Self {
            address_failed: (status == 503).then_some(Failure::Refused(refusal)),
            flow_failed: status == 430 || status == 408 && is_invite(),
        }
    }

    /// Where no response came. `heard`: something else was said before.
    pub(crate) fn unanswered(lost: Lost, heard: bool, is_invite: bool) -> Self {
        let address_failed = match lost {
            Lost::Silent if heard => None,
            Lost::Silent => Some(Failure::Silent),
            Lost::NoConnection | Lost::Refused(_) => Some(Failure::Unreachable(lost.name())),
        };
        // RFC 4320 §4.2: when silence is noticed, a client of anything but INVITE has given up.
        Self { address_failed, flow_failed: !matches!(lost, Lost::Silent) || is_invite }
    }
}

/// Why a branch is over that nobody has answered.
#[derive(Clone, Copy)]
pub(crate) enum Lost {
    /// Its time is over.
    Silent,
    /// Its request could not be sent.
    NoConnection,
    /// The network says that it did not arrive.
    Refused(IcmpError),
}

impl Lost {
    /// The answer that stands for it: RFC 3261 §16.8, §16.9.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Silent => 408,
            Self::NoConnection | Self::Refused(_) => 503,
        }
    }

    /// In words, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Silent => "silence",
            Self::NoConnection => "no connection",
            Self::Refused(error) => error.name(),
        }
    }
}

/// How an address has failed.
#[derive(Clone, Copy)]
pub(crate) enum Failure<'r> {
    /// It has said nothing at all.
    Silent,
    /// Nothing could be sent to it: why.
    Unreachable(&'static str),
    /// It said 503.
    Refused(&'r Message<'r>),
}

impl Failure<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Silent => "silence",
            Self::Unreachable(why) => why,
            Self::Refused(_) => "503",
        }
    }
}
