//! What few copies need beside what RFC 3261 asks for: session timers, identity, history. Most requests pass through a
//! server that was asked for none of it, and bring nothing that would have to be taken away: they pay for one look.

use offhook_proxy::asserted::{self, Statement};
use offhook_proxy::forward::Extras;
use offhook_proxy::history::Past;
use offhook_proxy::session_timer::Demand;
use offhook_transaction::{ClientId, ServerId};

use crate::history::Passed;
use crate::relay::Passage;
use crate::session_timer;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};

/// What a copy is told.
pub(crate) struct Told<'p> {
    session_timer: Option<Demand>,
    statement: Option<Statement<'p>>,
    passed: Option<Passed>,
}

impl Told<'_> {
    /// As the copy needs it.
    pub(crate) fn extras<'s>(&'s self, passage: &Passage<'s, 's, 's>) -> Extras<'s> {
        Extras {
            session_timer: self.session_timer,
            statement: self.statement,
            story: self.passed.as_ref().map(|passed| passed.story(passage)),
        }
    }

    /// What the next copy is told of this one.
    pub(crate) fn into_past(self) -> Option<Past> {
        self.passed.map(Passed::into_past)
    }
}

impl Switchboard {
    /// What the copy for this target is told; without a transaction (`server`) no session timer is asked for.
    #[inline]
    pub(crate) fn told<'p>(
        &self,
        passage: &Passage<'p, 'p, 'p>,
        server: Option<ServerId>,
        target: &Target,
        texts: &Targets,
    ) -> Option<Box<Told<'p>>> {
        if !passage.arrival.settings.tells && !asserted::is_mentioned(passage.arrival.message) {
            return None;
        }
        self.tell(passage, server, target, texts)
    }

    /// A branch is open, and its copy on its way.
    pub(crate) fn link_branch(&mut self, server: ServerId, branch: ClientId, told: Option<Box<Told<'_>>>) {
        self.with_upstream(server, |upstream| {
            upstream.branches = Some(branch);
            upstream.fork.branch_opened();
        });
        if let Some(copy) = told.and_then(|told| told.into_past()) {
            self.note_copy(server, branch, copy);
        }
    }

    #[inline(never)]
    fn tell<'p>(
        &self,
        passage: &Passage<'p, 'p, 'p>,
        server: Option<ServerId>,
        target: &Target,
        texts: &Targets,
    ) -> Option<Box<Told<'p>>> {
        Some(Box::new(Told {
            // RFC 4028 §8: "Stateless proxies MUST NOT attempt to request session timers."
            session_timer: server.and_then(|_| session_timer::demand(passage).ok().flatten()),
            statement: self.statement(passage, target.flow.remote.ip()),
            passed: self.history_of(passage, server, target, texts),
        }))
    }
}
