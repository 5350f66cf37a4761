//! What the servers have said, by question.
//!
//! ```text
//!   told ──TTL──► old: asked again, and used only if nobody answers ──stale_max_s──► forgotten
//!            └─ nobody answered: not asked again for RECHECK_MS
//! ```

use std::collections::HashMap;

use offhook_locate::{Answer, Question};

use crate::options::Options;

/// After a failure nothing is asked again for this long, ms: RFC 8767 §5 (failure recheck timer), which wants half a
/// minute where there is an old answer to go on with.
const RECHECK_MS: u64 = 30_000;

/// The same where there is none, ms: RFC 9520 §3.2 wants a second at least. A caller tries again after some seconds.
const FAILED_MS: u64 = 2_000;

/// What an old answer is given out for, seconds: RFC 8767 §4.
const STALE_TTL_S: u32 = 30;

/// The answers.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: HashMap<Question, Entry>,
    ttl_s: (u32, u32),
    stale_max_ms: u64,
    entries_max: usize,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    fresh_until_ms: u64,
    /// Until then nobody is asked, because nobody answered.
    recheck_ms: u64,
}

/// What is known about a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// An answer that holds, or may be used for a while because nobody answered just now.
    Holds(Answer),
    /// An answer that is too old, but better than none.
    Old(Answer),
    /// Nothing.
    Nothing,
}

impl Cache {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            entries: HashMap::new(),
            ttl_s: (options.ttl_min_s, options.ttl_max_s.max(options.ttl_min_s)),
            stale_max_ms: u64::from(options.stale_max_s) * 1000,
            entries_max: options.answers_max.max(1),
        }
    }

    pub(crate) fn look(&self, now_ms: u64, question: &Question) -> Known {
        let Some(entry) = self.entries.get(question) else { return Known::Nothing };
        if now_ms < entry.fresh_until_ms {
            return Known::Holds(entry.with_ttl(left_s(entry.fresh_until_ms, now_ms)));
        }
        if !self.is_usable(entry, now_ms) {
            return if now_ms < entry.recheck_ms { Known::Holds(Answer::Failed) } else { Known::Nothing };
        }
        let old = entry.with_ttl(STALE_TTL_S);
        if now_ms < entry.recheck_ms { Known::Holds(old) } else { Known::Old(old) }
    }

    /// A server has answered.
    pub(crate) fn learn(&mut self, now_ms: u64, question: &Question, answer: Answer) -> Answer {
        let (min_s, max_s) = self.ttl_s;
        let bounded = |ttl_s: u32| ttl_s.clamp(min_s, max_s);
        let (answer, ttl_s) = match answer {
            Answer::Records { records, ttl_s } => {
                (Answer::Records { records, ttl_s: bounded(ttl_s) }, bounded(ttl_s))
            }
            Answer::Nothing { ttl_s } => (Answer::Nothing { ttl_s: bounded(ttl_s) }, bounded(ttl_s)),
            Answer::Failed => return self.fail(now_ms, question),
        };
        let fresh_until_ms = now_ms + u64::from(ttl_s) * 1000;
        self.make_room(now_ms, question);
        let entry = Entry { answer: answer.clone(), fresh_until_ms, recheck_ms: 0 };
        self.entries.insert(question.clone(), entry);
        answer
    }

    /// Nobody has answered: what was said before holds on, if it is not too old.
    pub(crate) fn fail(&mut self, now_ms: u64, question: &Question) -> Answer {
        let stale_max_ms = self.stale_max_ms;
        if let Some(entry) = self.entries.get_mut(question)
            && is_usable(entry, now_ms, stale_max_ms)
        {
            entry.recheck_ms = now_ms + RECHECK_MS;
            return entry.with_ttl(STALE_TTL_S);
        }
        self.make_room(now_ms, question);
        let entry = Entry { answer: Answer::Failed, fresh_until_ms: 0, recheck_ms: now_ms + FAILED_MS };
        self.entries.insert(question.clone(), entry);
        Answer::Failed
    }

    fn is_usable(&self, entry: &Entry, now_ms: u64) -> bool {
        is_usable(entry, now_ms, self.stale_max_ms)
    }

    /// Forgets what is too old, then anything: what is needed is asked again.
    fn make_room(&mut self, now_ms: u64, question: &Question) {
        if self.entries.len() < self.entries_max || self.entries.contains_key(question) {
            return;
        }
        let stale_max_ms = self.stale_max_ms;
        self.entries.retain(|_, entry| is_usable(entry, now_ms, stale_max_ms));
        while self.entries.len() >= self.entries_max {
            let Some(any) = self.entries.keys().next().cloned() else { return };
            self.entries.remove(&any);
        }
    }
}

fn is_usable(entry: &Entry, now_ms: u64, stale_max_ms: u64) -> bool {
    entry.answer != Answer::Failed && now_ms < entry.fresh_until_ms + stale_max_ms
}

fn left_s(until_ms: u64, now_ms: u64) -> u32 {
    u32::try_from((until_ms - now_ms).div_ceil(1000)).unwrap_or(u32::MAX)
}

impl Entry {
    fn with_ttl(&self, ttl_s: u32) -> Answer {
        match &self.answer {
            Answer::Records { records, .. } => Answer::Records { records: records.clone(), ttl_s },
            Answer::Nothing { .. } => Answer::Nothing { ttl_s },
            Answer::Failed => Answer::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use offhook_locate::{Abilities, Domain, Kind, Reach, Record};

    use super::*;
    use crate::anchors::Anchors;

    fn cache(stale_max_s: u32, answers_max: usize) -> Cache {
        let abilities = Abilities { transports: Vec::new(), ipv4: true, ipv6: false, reach: Reach::Private };
        Cache::new(&Options {
            servers: Vec::new(),
            dnssec: false,
            anchors: Anchors::default(),
            timeout_ms: 1,
            ttl_min_s: 5,
            ttl_max_s: 3_600,
            stale_max_s,
            answers_max,
            abilities,
        })
    }

    fn question(name: &str) -> Question {
        Question { kind: Kind::A, name: Domain::parse(name.as_bytes()).expect("a name") }
    }

    fn address(ttl_s: u32) -> Answer {
        Answer::Records { records: vec![Record::Address([192, 0, 2, 1].into())], ttl_s }
    }

    #[test]
    fn an_answer_holds_for_its_time() {
        let (mut cache, q) = (cache(0, 9), question("a.example"));
        cache.learn(0, &q, address(60));
        assert_eq!(cache.look(59_000, &q), Known::Holds(address(1)));
        assert_eq!(cache.look(60_000, &q), Known::Nothing);
    }

    /// RFC 8767 §4 and common sense: TTLs of strangers are taken within bounds.
    #[test]
    fn times_are_bounded() {
        let mut cache = cache(0, 9);
        assert_eq!(cache.learn(0, &question("a.example"), address(0)), address(5));
        assert_eq!(cache.learn(0, &question("b.example"), address(u32::MAX)), address(3_600));
    }

    /// RFC 2308 §5: that there is nothing is remembered too.
    #[test]
    fn absence_is_remembered() {
        let (mut cache, q) = (cache(0, 9), question("a.example"));
        cache.learn(0, &q, Answer::Nothing { ttl_s: 30 });
        assert_eq!(cache.look(10_000, &q), Known::Holds(Answer::Nothing { ttl_s: 20 }));
    }

    /// RFC 8767 §4, §5: an old answer is used while nobody answers, for 30 s at a time, and nobody is asked meanwhile.
    #[test]
    fn old_answers_help_while_servers_are_dead() {
        let (mut cache, q) = (cache(3_600, 9), question("a.example"));
        cache.learn(0, &q, address(60));
        assert_eq!(cache.look(61_000, &q), Known::Old(address(30)), "it is to be asked again");
        assert_eq!(cache.fail(63_000, &q), address(30));
        assert_eq!(cache.look(64_000, &q), Known::Holds(address(30)), "not asked so soon again");
        assert_eq!(cache.look(94_000, &q), Known::Old(address(30)));
        cache.learn(95_000, &q, address(60));
        assert_eq!(cache.look(95_000, &q), Known::Holds(address(60)));
        assert_eq!(cache.look(155_000 + 3_600_000, &q), Known::Nothing, "too old even for that");
    }

    /// RFC 9520 §3.2: a failure is not repeated at once.
    #[test]
    fn a_failure_is_remembered_for_a_moment() {
        let (mut cache, q) = (cache(3_600, 9), question("a.example"));
        assert_eq!(cache.fail(0, &q), Answer::Failed);
        assert_eq!(cache.look(1_000, &q), Known::Holds(Answer::Failed));
        assert_eq!(cache.look(3_000, &q), Known::Nothing);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut cache = cache(0, 10);
        for n in 0..1_000 {
            cache.learn(n, &question(&format!("n{n}.example")), address(60));
            assert!(cache.entries.len() <= 10);
        }
        assert_eq!(cache.look(1_000, &question("n999.example")), Known::Holds(address(60)));
    }
}
