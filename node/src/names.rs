//! What a shard knows about names: the findings of searches that others carry out. Reading is a look into its own table;
//! what is not there is asked for, and the request waits ([`crate::parked`]).

use std::collections::HashMap;
use std::sync::Arc;

use offhook_locate::{Finding, Located, Nowhere, Wanted};
use offhook_net::Outbox;

/// Names that a shard remembers.
const NAMES_MAX: usize = 4_096;

/// How long a failure to ask holds, ms: callers that try again meanwhile have their answer at once.
const FAILED_MS: u64 = 2_000;

/// A search that has not come back after this time is asked for again, ms.
const ASK_AGAIN_MS: u64 = 5_000;

/// The names of one shard.
#[derive(Default, Debug)]
pub(crate) struct Names {
    entries: HashMap<Wanted, Entry>,
    /// What is to be asked at the end of the batch.
    asks: Vec<Wanted>,
}

#[derive(Debug)]
struct Entry {
    found: Option<Result<Arc<Located>, Nowhere>>,
    /// Believed until then.
    until_ms: u64,
    /// Asked for again from then on, if anybody still wants it.
    soon_ms: u64,
    /// When it was last asked for.
    asked_ms: Option<u64>,
}

/// What is known about a name.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Found(Arc<Located>),
    Nowhere(Nowhere),
    /// It has been asked for.
    NotYet,
}

impl Names {
    /// What is known. A name that is in use is asked for again before its time is over, so that nobody waits for it.
    pub(crate) fn look(&mut self, now_ms: u64, wanted: &Wanted) -> Known {
        let Some(entry) = self.entries.get_mut(wanted) else {
            self.make_room(now_ms);
            let entry = Entry { found: None, until_ms: 0, soon_ms: 0, asked_ms: Some(now_ms) };
            self.entries.insert(wanted.clone(), entry);
            self.asks.push(wanted.clone());
            return Known::NotYet;
        };
        if now_ms >= entry.soon_ms && entry.asked_ms.is_none_or(|at_ms| now_ms >= at_ms + ASK_AGAIN_MS) {
            entry.asked_ms = Some(now_ms);
            self.asks.push(wanted.clone());
        }
        match &entry.found {
            Some(Ok(located)) if now_ms < entry.until_ms => Known::Found(located.clone()),
            Some(Err(why)) if now_ms < entry.until_ms => Known::Nowhere(*why),
            _ => Known::NotYet,
        }
    }

    /// What was found last, however old that is. Nothing is asked for.
    pub(crate) fn last_found(&self, wanted: &Wanted) -> Option<&Located> {
        self.entries.get(wanted)?.found.as_ref()?.as_deref().ok()
    }

    /// A search has come back.
    pub(crate) fn learn(&mut self, now_ms: u64, finding: &Finding) {
        let for_ms = match finding.found {
            Err(Nowhere::Unanswered) => FAILED_MS,
            _ => u64::from(finding.ttl_s.max(1)) * 1000,
        };
        if !self.entries.contains_key(&finding.wanted) {
            self.make_room(now_ms);
        }
        let entry = Entry {
            found: Some(finding.found.clone()),
            until_ms: now_ms + for_ms,
            soon_ms: now_ms + for_ms - for_ms / 10,
            asked_ms: None,
        };
        self.entries.insert(finding.wanted.clone(), entry);
    }

    /// Hands over what is to be asked.
    pub(crate) fn ask(&mut self, out: &mut Outbox) {
        self.asks.drain(..).for_each(|wanted| out.ask(wanted));
    }

    /// Forgets what is over, then anything.
    fn make_room(&mut self, now_ms: u64) {
        if self.entries.len() < NAMES_MAX {
            return;
        }
        self.entries.retain(|_, entry| now_ms < entry.until_ms);
        while self.entries.len() >= NAMES_MAX {
            let Some(any) = self.entries.keys().next().cloned() else { return };
            self.entries.remove(&any);
        }
    }
}

#[cfg(test)]
mod tests {
    use offhook_locate::Domain;

    use super::*;

    fn wanted(name: &str) -> Wanted {
        let host = Domain::parse(name.as_bytes()).expect("a name");
        Wanted { host, port: None, transport: None, secure: false, number: None }
    }

    fn found(name: &str, ttl_s: u32) -> Finding {
        let host = Domain::parse(name.as_bytes()).expect("a name");
        Finding::found(
            wanted(name),
            Located { host, servers: Vec::new(), uris: Vec::new(), ttl_s, dropped: 0 },
        )
    }

    fn asked(names: &mut Names) -> usize {
        std::mem::take(&mut names.asks).len()
    }

    #[test]
    fn a_name_is_asked_for_once() {
        let (mut names, a) = (Names::default(), wanted("a.example"));
        assert!(matches!(names.look(0, &a), Known::NotYet));
        assert!(matches!(names.look(1_000, &a), Known::NotYet));
        assert_eq!(asked(&mut names), 1);
        names.learn(1_500, &found("a.example", 100));
        assert!(matches!(names.look(2_000, &a), Known::Found(_)));
        assert_eq!(asked(&mut names), 0);
    }

    #[test]
    fn a_name_in_use_is_asked_for_before_its_time_is_over() {
        let (mut names, a) = (Names::default(), wanted("a.example"));
        names.learn(0, &found("a.example", 100));
        assert!(matches!(names.look(89_000, &a), Known::Found(_)));
        assert_eq!(asked(&mut names), 0);
        assert!(matches!(names.look(91_000, &a), Known::Found(_)), "nobody waits");
        assert!(matches!(names.look(92_000, &a), Known::Found(_)));
        assert_eq!(asked(&mut names), 1);
        assert!(matches!(names.look(100_000, &a), Known::NotYet));
    }

    #[test]
    fn a_failure_holds_for_a_moment() {
        let (mut names, a) = (Names::default(), wanted("a.example"));
        names.learn(0, &Finding::nowhere(a.clone(), Nowhere::Unanswered, 0));
        assert!(matches!(names.look(1_999, &a), Known::Nowhere(Nowhere::Unanswered)));
        assert!(matches!(names.look(2_000, &a), Known::NotYet));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut names = Names::default();
        for n in 0..2 * NAMES_MAX {
            names.look(0, &wanted(&format!("n{n}.example")));
            assert!(names.entries.len() <= NAMES_MAX);
        }
    }
}
