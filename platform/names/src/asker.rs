//! The thread that asks.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use offhook_journal::{Event, Journal};
use offhook_locate::{Finding, Nowhere, Wanted};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::cache::Cache;
use crate::options::{NamesError, Options};
use crate::search::Desk;
use crate::servers::Servers;

/// Requests that wait for the thread to take them up. It only takes them up, so more is a thread that hangs.
const WAITING_MAX: usize = 4_096;

/// Searches under way. Each has few questions at once; servers that are slow must not make us hold more than this.
const SEARCHES_MAX: usize = 1_024;

/// How often the journal is given a chance to speak.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Where shards ask. Copies ask the same thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Names {
    waiting: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    shard: u8,
    wanted: Wanted,
}

impl Names {
    /// Starts the thread. `deliver` is called there for each finding, with the shard that asked; `clock` tells
    /// milliseconds of the Unix epoch.
    ///
    /// The thread sleeps and holds nothing until the first name is asked for: most servers of one house never do.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(
        options: Options,
        journal: Journal,
        clock: impl Fn() -> u64 + Send + 'static,
        deliver: impl Fn(u8, Finding) + Send + 'static,
    ) -> Result<(Self, JoinHandle<()>), NamesError> {
        let (waiting, mut requests) = mpsc::channel(WAITING_MAX);
        let run = move || {
            let Some(first) = requests.blocking_recv() else { return };
            let (runtime, servers) = match open(&options) {
                Ok(opened) => opened,
                Err(error) => return refuse_all(&error, (first, requests), journal, &clock, &deliver),
            };
            let cache = RefCell::new(Cache::new(&options));
            let (journal, clock) = (RefCell::new(journal), Box::new(clock));
            let desk = Desk { options, servers, cache, journal, clock };
            let office = Office { desk: Rc::new(desk), under_way: Rc::default(), deliver: Rc::new(deliver) };
            runtime.block_on(LocalSet::new().run_until(office.work(first, requests)));
        };
        let thread = thread::Builder::new().name("names".into()).spawn(run)?;
        Ok((Self { waiting }, thread))
    }

    /// Asks for a shard. Never waits; `false` if too many wait already.
    pub fn ask(&self, shard: u8, wanted: Wanted) -> bool {
        self.waiting.try_send(Request { shard, wanted }).is_ok()
    }
}

fn open(options: &Options) -> Result<(Runtime, Servers), NamesError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let servers = Servers::new(options)?;
    drop(inside);
    Ok((runtime, servers))
}

/// There is nobody to ask: every name stays unanswered, and the journal knows why.
fn refuse_all(
    error: &NamesError,
    (first, mut others): (Request, mpsc::Receiver<Request>),
    mut journal: Journal,
    clock: &impl Fn() -> u64,
    deliver: &impl Fn(u8, Finding),
) {
    let mut next = Some(first);
    while let Some(Request { shard, wanted }) = next {
        let (question, error) = (wanted.to_string(), error.to_string());
        journal.note(clock(), &Event::NameUnanswered { question: &question, error: &error });
        journal.flush(clock());
        deliver(shard, Finding::nowhere(wanted, Nowhere::Unanswered, 0));
        next = others.blocking_recv();
    }
}

/// What lives on the thread.
struct Office<F> {
    desk: Rc<Desk>,
    /// Who waits for what.
    under_way: Rc<RefCell<HashMap<Wanted, Vec<u8>>>>,
    deliver: Rc<F>,
}

impl<F: Fn(u8, Finding) + 'static> Office<F> {
    async fn work(self, first: Request, mut requests: mpsc::Receiver<Request>) {
        self.take_up(first);
        let mut flush = tokio::time::interval(FLUSH_EVERY);
        flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.take_up(request),
                    None => return,
                },
                _ = flush.tick() => self.desk.journal.borrow_mut().flush((self.desk.clock)()),
            }
        }
    }

    fn take_up(&self, Request { shard, wanted }: Request) {
        let mut under_way = self.under_way.borrow_mut();
        if let Some(shards) = under_way.get_mut(&wanted) {
            if !shards.contains(&shard) {
                shards.push(shard);
            }
            return;
        }
        if under_way.len() >= SEARCHES_MAX {
            return (self.deliver)(shard, Finding::nowhere(wanted, Nowhere::Unanswered, 0));
        }
        under_way.insert(wanted.clone(), vec![shard]);
        drop(under_way);
        let (desk, under_way, deliver) = (self.desk.clone(), self.under_way.clone(), self.deliver.clone());
        tokio::task::spawn_local(async move {
            let finding = desk.look(wanted).await;
            let shards = under_way.borrow_mut().remove(&finding.wanted).unwrap_or_default();
            for shard in shards {
                deliver(shard, finding.clone());
            }
        });
    }
}
