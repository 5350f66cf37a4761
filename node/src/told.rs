//! What few copies need beside what RFC 3261 asks for: session timers, identity, history. Most requests pass through a
//! server that was asked for none of it, and bring nothing that would have to be taken away: they pay for one look.

use offhook_proxy::asserted::{self, Statement};
use offhook_proxy::forward::Extras;
use offhook_proxy::history::Step;
use offhook_proxy::session_timer::Demand;
use offhook_transaction::{ClientId, ServerId};

use crate::history::Passed;
use crate::relay::Passage;
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
    pub(crate) fn into_steps(self) -> Option<Vec<Step<ClientId>>> {
        self.passed.map(Passed::into_steps)
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

    #[inline(never)]
    fn tell<'p>(
        &self,
        passage: &Passage<'p, 'p, 'p>,
        server: Option<ServerId>,
        target: &Target,
        texts: &Targets,
    ) -> Option<Box<Told<'p>>> {
        // RFC 4028 §8: "Stateless proxies MUST NOT attempt to request session timers."
        let session_timer = server.and(passage.demand);
        let statement = self.statement(passage, target.flow.remote.ip());
        let passed = self.history_of(passage, server, target, texts);
        let says_something = session_timer.is_some() || statement.is_some() || passed.is_some();
        says_something.then(|| Box::new(Told { session_timer, statement, passed }))
    }
}
