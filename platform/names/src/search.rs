//! One search from its first question to its finding.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use offhook_journal::{Event, Journal};
use offhook_locate::{
    Answer, EnumNext, EnumSearch, Finding, Located, Next, Number, Question, Search, Wanted,
};

use crate::cache::{Cache, Known};
use crate::options::Options;
use crate::servers::Servers;

/// How long a question with an old answer may wait for a new one, ms: RFC 8767 §5 (client response timer). The question
/// goes on, and who asks next has its answer.
const OLD_AFTER_MS: u64 = 1_800;

/// What all searches share. They run on one thread.
pub(crate) struct Desk {
    pub options: Options,
    pub servers: Servers,
    pub cache: RefCell<Cache>,
    pub journal: RefCell<Journal>,
    pub clock: Box<dyn Fn() -> u64>,
}

impl Desk {
    /// Looks for the servers of a name.
    pub(crate) async fn look(self: &Rc<Self>, wanted: Wanted) -> Finding {
        if let Some(number) = wanted.number.clone() {
            return self.look_number(number, wanted).await;
        }
        let mut next = Search::begin(wanted.clone(), &self.options.abilities);
        loop {
            match next {
                Next::Ask(search) => {
                    let answers = join_all(search.questions().iter().map(|q| self.answer(q))).await;
                    next = search.answered(&answers);
                }
                Next::Found(located) => {
                    self.note_lies(&wanted, located.dropped);
                    return Finding::found(wanted, located);
                }
                Next::Nowhere { why, ttl_s } => return Finding::nowhere(wanted, why, ttl_s),
            }
        }
    }

    /// Looks for the addresses of a telephone number: RFC 6116.
    async fn look_number(self: &Rc<Self>, number: Number, wanted: Wanted) -> Finding {
        let mut next = EnumSearch::begin(number, &wanted.host);
        loop {
            match next {
                EnumNext::Ask(search) => {
                    let answer = self.answer(search.question()).await;
                    next = search.answered(&answer);
                }
                EnumNext::Found { uris, ttl_s } => {
                    let located = Located::of_number(wanted.host.clone(), uris, ttl_s);
                    return Finding::found(wanted, located);
                }
                EnumNext::Nowhere { why, ttl_s } => return Finding::nowhere(wanted, why, ttl_s),
            }
        }
    }

    async fn answer(self: &Rc<Self>, question: &Question) -> Answer {
        let known = self.cache.borrow().look((self.clock)(), question);
        match known {
            Known::Holds(answer) => answer,
            Known::Nothing => Rc::clone(self).ask(question.clone()).await,
            Known::Old(old) => {
                let asking = tokio::task::spawn_local(Rc::clone(self).ask(question.clone()));
                match tokio::time::timeout(Duration::from_millis(OLD_AFTER_MS), asking).await {
                    Ok(Ok(answer)) => answer,
                    // Too slow; the question stays under way.
                    _ => old,
                }
            }
        }
    }

    async fn ask(self: Rc<Self>, question: Question) -> Answer {
        let said = self.servers.ask(&question).await;
        let now_ms = (self.clock)();
        match said {
            Ok(answer) => self.cache.borrow_mut().learn(now_ms, &question, answer),
            Err(error) => {
                let answer = self.cache.borrow_mut().fail(now_ms, &question);
                let question = question.to_string();
                let event = match answer {
                    Answer::Failed => Event::NameUnanswered { question: &question, error: &error },
                    _ => Event::NameStale { question: &question, error: &error },
                };
                self.journal.borrow_mut().note(now_ms, &event);
                answer
            }
        }
    }

    fn note_lies(&self, wanted: &Wanted, dropped: usize) {
        if dropped > 0 {
            let name = wanted.to_string();
            let event = Event::NameStrange { name: &name, dropped: dropped as u64 };
            self.journal.borrow_mut().note((self.clock)(), &event);
        }
    }
}
