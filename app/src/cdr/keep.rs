//! The thread that makes call detail records of what the shards have noted. It looks once a second; calls never wait for
//! it.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use offhook_cdr::{Assembler, CdrError, FileFormat, FileOptions, Options, Policy, Spool, SpoolFolder, Turn};
use offhook_config::{CdrFiles, Config};
use offhook_journal::{Event, EventKind, Journal};
use offhook_net::Clock;
use offhook_store::Store;

/// How often the spools are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1_000);

/// How often it is told that they cannot be kept, ms.
const TELL_EVERY_MS: u64 = 60_000;

/// The folder of spools and files in the data directory.
pub const FOLDER: &str = "cdr";

/// The spools of a server, if records are wanted.
pub struct Spools(Option<SpoolFolder>);

impl Spools {
    /// Begins a run.
    pub fn open(config: &Config, shards: usize) -> anyhow::Result<Self> {
        if !config.cdr.enabled {
            return Ok(Self(None));
        }
        let folder = config.data_dir.join(FOLDER);
        let spools = SpoolFolder::open(&folder, config.cdr.spool_bytes_max, shards);
        Ok(Self(Some(spools.with_context(|| format!("cannot open {}", folder.display()))?)))
    }

    /// The spool of a shard.
    pub fn spool(&self, shard: u8) -> Spool {
        self.0.as_ref().map_or_else(Spool::off, |folder| folder.spool(shard))
    }
}

/// How many calls are open by each trunk, as of the last look. Cloning shares it.
#[derive(Clone, Default)]
pub struct TrunkCalls(Arc<ArcSwap<Vec<(String, u64)>>>);

impl TrunkCalls {
    /// By this trunk.
    pub fn of(&self, trunk: &str) -> u64 {
        self.0.load().iter().find(|(name, _)| name == trunk).map_or(0, |(_, calls)| *calls)
    }

    fn note(&self, assembler: &Assembler) {
        let named = |(name, calls): (&[u8], u64)| (String::from_utf8_lossy(name).into_owned(), calls);
        let counts: Vec<_> = assembler.calls_by_trunk().map(named).collect();
        if **self.0.load() != counts {
            self.0.store(Arc::new(counts));
        }
    }
}

/// The thread while the server runs.
pub struct Keeper(Option<(SyncSender<()>, JoinHandle<()>)>, Option<TrunkCalls>);

impl Keeper {
    /// Starts it.
    pub fn start(
        spools: &Spools,
        store: &Store,
        config: &Config,
        journal: Journal,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let Some(folder) = &spools.0 else { return Ok(Self(None, None)) };
        let assembler = Assembler::open(store.connect()?, folder.clone(), options(config))?;
        let (alive, ended) = sync_channel(0);
        let calls = TrunkCalls::default();
        let told = calls.clone();
        let keep = move || {
            let mut keeping = Keeping { assembler, calls, journal, clock, tell_at_ms: 0 };
            loop {
                keeping.turn();
                match ended.recv_timeout(LOOK_EVERY) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return keeping.turn(),
                }
            }
        };
        let thread =
            thread::Builder::new().name("cdr".into()).spawn(keep).context("cannot start a thread")?;
        Ok(Self(Some((alive, thread)), Some(told)))
    }

    /// How many calls are open by each trunk, if that is known.
    pub fn trunk_calls(&self) -> Option<TrunkCalls> {
        self.1.clone()
    }

    /// Has it read the last facts, when no shard is left, and waits for it.
    pub fn finish(self) -> anyhow::Result<()> {
        let Some((alive, thread)) = self.0 else { return Ok(()) };
        drop(alive);
        thread.join().map_err(|_| anyhow::anyhow!("the thread of the call records has panicked"))
    }
}

struct Keeping {
    assembler: Assembler,
    calls: TrunkCalls,
    journal: Journal,
    clock: Clock,
    /// When a failure is told again, ms: it comes with every turn while a disk is full.
    tell_at_ms: u64,
}

impl Keeping {
    fn turn(&mut self) {
        let now_ms = self.clock.now_ms();
        // Facts have the time of the machine's clock.
        match self.assembler.turn(self.clock.machine_ms()) {
            Ok(turn) => {
                self.tell_at_ms = 0;
                self.tell(now_ms, turn);
            }
            Err(_) if now_ms < self.tell_at_ms => self.journal.count(EventKind::StoreFailed),
            Err(error) => {
                self.tell_at_ms = now_ms.saturating_add(TELL_EVERY_MS);
                let error = error.to_string();
                self.journal.note(now_ms, &Event::StoreFailed { what: "keep call records", error: &error });
            }
        }
        self.calls.note(&self.assembler);
        self.journal.flush(now_ms);
    }

    fn tell(&mut self, now_ms: u64, turn: Turn) {
        if turn.lost > 0 || turn.damaged_bytes > 0 {
            let event = Event::CdrLost { facts: turn.lost, damaged_bytes: turn.damaged_bytes };
            self.journal.note(now_ms, &event);
        }
        if turn.forgotten {
            let open_calls = self.assembler.open_calls() as u64;
            self.journal.note(now_ms, &Event::CdrForgotten { open_calls });
        }
        if turn.cut_short > 0 {
            let limit = self.assembler.open_calls() as u64;
            self.journal
                .note(now_ms, &Event::LimitReached { which: "cdr.open_calls_max", limit, source: None });
        }
    }
}

fn options(config: &Config) -> Options {
    let cdr = &config.cdr;
    let format = match cdr.files {
        CdrFiles::JsonLines => Some(FileFormat::JsonLines),
        CdrFiles::Csv => Some(FileFormat::Csv),
        CdrFiles::None => None,
    };
    Options {
        policy: Policy { call_max_ms: cdr.call_max_s * 1_000, calls_max: cdr.open_calls_max },
        files: format.map(|format| FileOptions { format, bytes_max: cdr.file_bytes_max }),
        keep_days: cdr.keep_days,
    }
}

/// Whether an error is one of the data directory.
pub fn is_data(error: &anyhow::Error) -> bool {
    error.is::<CdrError>()
}
