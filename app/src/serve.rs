//! `offhook serve`: the whole composition, and the life of a server from start to stop.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::ArcSwap;
use offhook_abuse::{Guard, Source};
use offhook_accounts::{Accounts, Directory};
use offhook_config::{Config, LogFormat, LogLevel};
use offhook_journal::{Event, Format, Journal, Level, LogThread};
use offhook_location::Location;
use offhook_names::Names;
use offhook_net::{Clock, Listener, Loop, NetCounters, ShardSockets, Stopper, TlsConfigs, WebSocketOptions};
use offhook_node::{Drain, Resources, Secrets, Settings, Shard, Whereabouts};
use offhook_store::Store;
use offhook_websocket::Policy;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::account::forget;
use crate::ban::keep::BanFile;
use crate::cdr::keep::{Keeper, Spools, TrunkCalls};
use crate::certificates::Certificates;
use crate::check;
use crate::cli::Common;
use crate::messages::keep::{Keeping, Room};
use crate::seals::{GRUUS_SECRET, Seals, entropy};
use crate::status::clerk::Status;
use crate::{account, ban, control, first_start, names, welcome};

/// How long a stop waits for calls that are being set up.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How long it takes to end those that ring longer: shards look once a second.
const END_MAX: Duration = Duration::from_millis(1_500);

/// How often changed accounts are looked for, and the drain.
const LOOK_EVERY: Duration = Duration::from_millis(1_000);
const DRAIN_LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the last log lines may take to be written.
const LOG_PATIENCE: Duration = Duration::from_millis(500);

/// Runs the server until it is told to stop.
pub fn run(common: &Common) -> anyhow::Result<()> {
    let started = Instant::now();
    let config = check::load(common)?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    let clock = Clock::start();

    let store = open_store(&config)?;
    let accounts = Arc::new(Accounts::open(&store)?);
    let location = Location::open(&config.data_dir, location_limits(&config), clock.now_ms())?;
    let listeners = offhook_net::resolve(&asked(&config))?;
    let shards = shard_count(&config);
    let connections_max = offhook_net::make_room_for(config.limits.connections_max);
    let connections_max = connections_max.context("cannot see how many files this process may open")?;
    let sockets = offhook_net::bind(&listeners, shards)?;
    let log = LogThread::start(std::io::stderr()).context("cannot start the log thread")?;
    let settings =
        Settings::new(&config, &listeners, shards).with_own_addresses(offhook_net::own_addresses()?);
    let secrets = secrets(&store)?;
    let mut house = House {
        guard: Guard::new(settings.abuse.policy, secrets.hashes, shards),
        settings,
        log,
        location,
        spools: Spools::open(&config, shards)?,
        messages: Room::open(&config, shards),
        drain: Arc::new(Drain::new(shards)),
        whereabouts: Whereabouts::new(shards),
        secrets,
        tls: None,
        seals: Arc::new(Seals::open(&store, &config, clock.now_ms())?),
        config,
    };
    let mut journal = house.journal();
    let certificates = Certificates::open(&house.config, &listeners, &mut journal, clock.now_ms())?;
    house.tls = certificates.as_ref().map(Certificates::configs);
    house.recover(&mut journal, clock.now_ms(), common);
    house.note_room(&mut journal, clock.now_ms(), connections_max);

    let asker = house.start_asker(&sockets, clock)?;
    // Passwords are made when nothing but this program can go wrong any more: they are shown only once.
    let newcomers = first_start::accounts(&accounts, check::first_domain(&house.config))?;
    let stopper = Stopper::new().context("cannot make an event descriptor")?;
    let directory = accounts.snapshot()?;
    let bells = sockets.first().map(ShardSockets::bells).context("a server has at least one shard")?;
    let names = asker.as_ref().map(|(names, _)| names);
    let open = |sockets| house.open_shard(sockets, (&directory, names), &stopper, signals.handle());
    let shards = sockets.into_iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
    let (threads, counters): (Vec<_>, Vec<_>) = shards.into_iter().unzip();
    let records = Keeper::start(&house.spools, &store, &house.config, house.journal(), clock)?;
    let messages = Keeping::start(&house.messages, &store, &house.config, bells, house.journal(), clock)?;
    let (alive, caretaker) = look_after(Arc::clone(&accounts), certificates, &house, clock)?;
    let desk = house.start_desk(accounts, (records.trunk_calls(), counters), &stopper, clock);

    welcome::print(&house.settings, &newcomers, common, &house.config.data_dir.display().to_string());
    journal.note(clock.now_ms(), &Event::ServerReady { listeners: &named(&listeners) });
    journal.flush(clock.now_ms());
    serve_until_told(&mut signals, &house.drain, &mut journal, clock);
    stopper.stop();
    drop(alive);
    let ended = threads.into_iter().try_for_each(join);
    asker.map_or(Ok(()), end_asker)?;
    records.finish()?;
    messages.finish()?;
    caretaker.join().map_err(|_| anyhow::anyhow!("the caretaker has panicked"))?;
    desk.map_or(Ok(()), |desk| desk.join().map_err(|_| anyhow::anyhow!("the control desk has panicked")))?;
    journal.note(clock.now_ms(), &Event::ServerStopped { uptime_s: started.elapsed().as_secs() });
    drop(journal);
    house.log.finish(LOG_PATIENCE);
    ended
}

fn open_store(config: &Config) -> anyhow::Result<Store> {
    account::expect_whole(config)?;
    Ok(Store::open(&config.data_dir)?)
}

/// What the parts of a running server have in common.
struct House {
    config: Config,
    settings: Settings,
    log: LogThread,
    location: Location,
    spools: Spools,
    messages: Room,
    drain: Arc<Drain>,
    whereabouts: Whereabouts,
    guard: Guard,
    secrets: Secrets,
    tls: Option<Arc<TlsConfigs>>,
    seals: Arc<Seals>,
}

impl House {
    fn journal(&self) -> Journal {
        let level = match self.config.log.level {
            LogLevel::Error => Level::Error,
            LogLevel::Warn => Level::Warn,
            LogLevel::Info => Level::Info,
            LogLevel::Debug => Level::Debug,
        };
        let format = match self.config.log.format {
            LogFormat::Text => Format::Text,
            LogFormat::Json => Format::Json,
        };
        Journal::new(level, format, self.log.sink())
    }

    /// Starts the thread that answers commands.
    fn start_desk(
        &self,
        accounts: Arc<Accounts>,
        (calls, shards): (Option<TrunkCalls>, Vec<Arc<NetCounters>>),
        stopper: &Stopper,
        clock: Clock,
    ) -> Option<JoinHandle<()>> {
        let (guard, settings) = (self.guard.clone(), self.settings.clone());
        let forgetting = forget::Clerk::new(accounts, self.location.clone());
        let status = Status::new(shards, clock.now_ms());
        let sources = control::Sources { guard, settings, calls, status, forgetting };
        control::start(&self.config.data_dir, sources, stopper, || self.journal(), clock)
    }

    /// Starts the thread that asks name servers, where there are any.
    fn start_asker(&self, sockets: &[ShardSockets], clock: Clock) -> anyhow::Result<Option<Asker>> {
        let Some(desk) = sockets.first().map(ShardSockets::names_desk) else { return Ok(None) };
        let options = names::options(&self.config, self.settings.abilities())?;
        names::start(options, self.journal(), clock, desk).map(Some)
    }

    /// Puts a shard on its sockets and starts its thread.
    fn open_shard(
        &self,
        sockets: ShardSockets,
        (directory, names): (&Arc<ArcSwap<Directory>>, Option<&Names>),
        stopper: &Stopper,
        signals: Handle,
    ) -> anyhow::Result<RunningShard> {
        let number = sockets.shard();
        let resources = Resources {
            location: self.location.clone(),
            directory: Arc::clone(directory),
            journal: self.journal(),
            spool: self.spools.spool(number as u8),
            undelivered: self.messages.desk(number as u8),
            secrets: self.secrets.clone(),
            seals: self.seals.ring(),
            drain: Arc::clone(&self.drain),
            whereabouts: self.whereabouts.clone(),
        };
        let shard = Shard::new(number as u8, Arc::new(self.settings.clone()), resources)?
            .guarded_by(self.guard.clone());
        let shards = shard_count(&self.config);
        let mut shard_loop =
            Loop::with_tls(sockets, shard, net_limits(&self.config, shards), self.tls.clone())?
                .with_websocket(websocket(&self.config));
        if let Some(names) = names.cloned() {
            shard_loop = shard_loop.asking(move |shard, wanted| names.ask(shard, wanted));
        }
        let (stopper, counters) = (stopper.clone(), shard_loop.counters());
        let run = move || {
            let _alarm = Alarm(signals);
            shard_loop.run(&stopper).map_err(anyhow::Error::from)
        };
        let thread = thread::Builder::new().name(format!("shard-{number}")).spawn(run);
        Ok((thread.context("cannot start a shard")?, counters))
    }

    /// The system may allow fewer descriptors than the configuration allows connections.
    fn note_room(&self, journal: &mut Journal, now_ms: u64, connections_max: usize) {
        if connections_max < self.config.limits.connections_max {
            let limit = connections_max as u64;
            let which = "the connections that the limit of open files (RLIMIT_NOFILE) leaves room for,";
            journal.note(now_ms, &Event::LimitReached { which, limit, source: None });
        }
    }

    /// Finds what the process before has left.
    fn recover(&self, journal: &mut Journal, now_ms: u64, common: &Common) {
        if let Some(file) = &common.config {
            journal.note(now_ms, &Event::ConfigLoaded { file: &file.display().to_string() });
        }
        let report = self.location.report();
        if report.bindings > 0 || report.torn_bytes > 0 {
            let event =
                Event::LocationRecovered { bindings: report.bindings as u64, torn_bytes: report.torn_bytes };
            journal.note(now_ms, &event);
        }
        if report.damaged_bytes > 0 || report.damaged_files > 0 {
            let (damaged_bytes, damaged_files) = (report.damaged_bytes, report.damaged_files.into());
            journal.note(now_ms, &Event::LocationDamaged { damaged_bytes, damaged_files });
        }
        let may_be = |source: Source| self.settings.counts(source.first_address());
        match ban::keep::restore(&self.config.data_dir, &self.guard, now_ms, may_be) {
            Ok(restored) => restored.tell(journal, now_ms),
            Err(error) => {
                let error = error.to_string();
                journal.note(now_ms, &Event::StoreFailed { what: "read the bans", error: &error });
            }
        }
    }
}

/// The thread of a shard, and what it counts.
type RunningShard = (JoinHandle<anyhow::Result<()>>, Arc<NetCounters>);

/// The thread that asks name servers, and how it is spoken to.
type Asker = (offhook_names::Names, JoinHandle<()>);

/// Its last questions end with it.
fn end_asker((names, thread): Asker) -> anyhow::Result<()> {
    drop(names);
    thread.join().map_err(|_| anyhow::anyhow!("the thread that asks name servers has panicked"))
}

/// Wakes who waits for signals when a shard ends, in whatever way: a server with a dead shard would go on deaf.
struct Alarm(Handle);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn join(thread: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a shard has panicked")))
}

/// Looks after the accounts, the files of certificates and the keys until the other end of the channel is gone: whoever
/// changes accounts or certificates, in this process or another, is heard within a second or two.
fn look_after(
    accounts: Arc<Accounts>,
    mut certificates: Option<Certificates>,
    house: &House,
    clock: Clock,
) -> anyhow::Result<(SyncSender<()>, JoinHandle<()>)> {
    let (alive, ended) = sync_channel(0);
    let (seals, guard, mut journal) = (Arc::clone(&house.seals), house.guard.clone(), house.journal());
    let location = house.location.clone();
    let mut bans = BanFile::of(&house.config.data_dir);
    let log_clock = house.log.clock();
    let look = move || {
        // Where phones were registered before the start, nobody is banned.
        let now_ms = clock.now_ms();
        location.dump(now_ms, |_, binding| guard.proved(now_ms, binding.flow.remote.ip()));
        drop(location);
        while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            log_clock.note_ahead(clock.machine_ahead_ms());
            if let Err(error) = accounts.refresh() {
                let event = Event::StoreFailed { what: "read the accounts again", error: &error.to_string() };
                journal.note(clock.now_ms(), &event);
            }
            if let Some(certificates) = &mut certificates {
                certificates.look(&mut journal, clock.now_ms());
            }
            seals.refresh(clock.now_ms(), &mut journal);
            control::note_ended(&guard, &mut journal, clock.now_ms());
            bans.look(&guard, &mut journal, clock.now_ms());
            journal.flush(clock.now_ms());
        }
        bans.look(&guard, &mut journal, clock.now_ms());
    };
    let thread =
        thread::Builder::new().name("caretaker".into()).spawn(look).context("cannot start a thread")?;
    Ok((alive, thread))
}

/// Waits for a signal, says so, and waits until calls that are being set up have been answered; another signal ends that.
fn serve_until_told(signals: &mut Signals, drain: &Drain, journal: &mut Journal, clock: Clock) {
    let signal = signals.forever().next();
    let why = match signal {
        Some(SIGINT) => "interrupted (SIGINT)",
        Some(_) => "told to end (SIGTERM)",
        None => "a shard has ended",
    };
    journal.note(clock.now_ms(), &Event::ServerStopping { why });
    journal.flush(clock.now_ms());
    if signal.is_none() {
        return;
    }
    drain.ask();
    if wait_until_idle(signals, drain, DRAIN_MAX) {
        drain.end();
        wait_until_idle(signals, drain, END_MAX);
    }
}

/// Whether requests are still at work when the time is over, and nobody has said that they may be left.
fn wait_until_idle(signals: &mut Signals, drain: &Drain, patience: Duration) -> bool {
    let end = Instant::now() + patience;
    while drain.at_work() > 0 && Instant::now() < end {
        if signals.pending().next().is_some() {
            return false;
        }
        thread::sleep(DRAIN_LOOK_EVERY);
    }
    drain.at_work() > 0
}

fn secrets(store: &Store) -> anyhow::Result<Secrets> {
    let kept = |name: &str| -> anyhow::Result<[u8; 32]> {
        let fresh = entropy()?;
        Ok(store.secret(name, || fresh)?)
    };
    let half = |whole: [u8; 32]| {
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        half
    };
    Ok(Secrets {
        cookies: half(kept("cookies")?),
        nonces: kept("nonces")?,
        gruus: kept(GRUUS_SECRET)?,
        hashes: half(entropy()?),
    })
}

pub fn asked(config: &Config) -> Vec<offhook_net::Ask> {
    let ask =
        |l: &offhook_config::Listen| (l.transport, l.address, l.advertise.as_ref().map(ToString::to_string));
    config.listen.iter().map(ask).collect()
}

fn named(listeners: &[Listener]) -> String {
    let names: Vec<String> =
        listeners.iter().map(|l| format!("{} {}", l.transport.name(), l.local)).collect();
    names.join(", ")
}

/// Half the cores, at least one: a shard that is awake does more than two that wake each other.
fn shard_count(config: &Config) -> usize {
    match config.engine.shards {
        0 => thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
        chosen => chosen,
    }
}

fn location_limits(config: &Config) -> offhook_location::Limits {
    offhook_location::Limits {
        bindings_per_aor_max: config.registrar.bindings_per_aor_max,
        ..offhook_location::Limits::default()
    }
}

fn websocket(config: &Config) -> WebSocketOptions {
    let keys = &config.websocket;
    let origins = keys.origins.iter().map(|origin| origin.pattern().clone()).collect();
    let policy = Policy { path: keys.path.as_ref().map(|path| path.as_str().to_owned()), origins };
    WebSocketOptions { policy: Arc::new(policy), ping_every_ms: keys.ping_interval_s * 1000 }
}

fn net_limits(config: &Config, shards: usize) -> offhook_net::Limits {
    let limits = &config.limits;
    offhook_net::Limits {
        connections_max: limits.connections_max.div_ceil(shards),
        connections_per_source_max: limits.connections_per_source_max,
        message_ms: limits.message_arrival_s * 1000,
        idle_ms: limits.connection_idle_s * 1000,
        ..offhook_net::Limits::default()
    }
}
