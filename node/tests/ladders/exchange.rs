//! The exchange that ladders are played against: real shards, with accounts and bindings in memory.
//!
//! Whoever is named in the first ladder of a scene has an account; `forgetful` has another password there than his phone
//! believes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_accounts::Directory;
use offhook_cdr::{Fact, Joiner, MemorySpool, Policy, Record};
use offhook_config::Config;
use offhook_journal::{Counters, EventKind, Journal};
use offhook_ladder::{Ladder, Site, Stage, User};
use offhook_locate::Finding;
use offhook_location::{Limits, Location};
use offhook_net::{ConnectionId, Engine, Flow, IcmpError, Outbox, Ticket};
use offhook_node::{Drain, Held, Resources, Secrets, Settings, Shard, TrunkStanding, Whereabouts};
use offhook_seal::Ring;
use offhook_simnet::NameServer;
use offhook_sip::Transport;
use offhook_undelivered::Desk;
use tempfile::TempDir;

use crate::ledger;
use crate::message_room::MessageRoom;

/// A call without BYE and session timer is given up after this.
pub(crate) const CALL_MAX_MS: u64 = 3_600_000;

/// Nobody is challenged.
pub(crate) const OPEN: &str = "[access]\nauthenticate_register = false\nauthenticate_calls = false\n";

/// Plays a ladder against an exchange with defaults: everybody is challenged.
pub(crate) fn ladder(text: &str) -> Stage {
    scene("").run(text)
}

/// A ladder where nobody is challenged, so that the flow itself is seen.
pub(crate) fn open_ladder(text: &str) -> Stage {
    scene(OPEN).run(text)
}

/// A scene with this configuration, to be changed further before it runs.
pub(crate) fn scene(configuration: &str) -> Ladder {
    let config = parse(configuration);
    Ladder::new(move |site| Arc::new(Plan::new(&config, site, 1)).shard(0))
}

/// A scene with an exchange that asks this name server.
pub(crate) fn scene_with_names(configuration: &str, names: NameServer) -> Ladder {
    let config = parse(configuration);
    Ladder::new(move |site| Exchange { names, ..Arc::new(Plan::new(&config, site, 1)).shard(0) })
}

/// A scene with an exchange that whoever comes from this address by TLS shows a certificate.
pub(crate) fn scene_with_certificate(configuration: &str, ip: IpAddr, der: Vec<u8>) -> Ladder {
    let config = parse(configuration);
    Ladder::new(move |site| Exchange {
        certificate: Some((ip, der)),
        ..Arc::new(Plan::new(&config, site, 1)).shard(0)
    })
}

/// The same with an exchange that asks this name server.
pub(crate) fn scene_with_proof(configuration: &str, names: NameServer, (ip, domain): (&str, &str)) -> Ladder {
    let config = parse(configuration);
    let certificate = rcgen::generate_simple_self_signed([domain.to_owned()]).expect("a certificate").cert;
    let (ip, der): (IpAddr, _) = (ip.parse().expect("an address"), certificate.der().to_vec());
    Ladder::new(move |site| Exchange {
        names,
        certificate: Some((ip, der)),
        ..Arc::new(Plan::new(&config, site, 1)).shard(0)
    })
}

/// A scene with an exchange whose bindings are on disk, so that it can be killed and started again.
pub(crate) fn scene_on_disk(configuration: &str) -> Ladder {
    let config = parse(configuration);
    Ladder::new(move |site| Arc::new(Plan::new(&config, site, 1).on_disk(site.now_ms)).shard(0))
}

/// A scene with an exchange of several shards.
pub(crate) fn scene_of_shards(configuration: &str, shards: u8) -> Ladder {
    let config = parse(configuration);
    Ladder::with_shards(move |site| {
        let plan = Arc::new(Plan::new(&config, site, shards));
        (0..shards).map(move |number| plan.shard(number))
    })
}

/// A scene where accounts have other names: alias, domain, user.
pub(crate) fn scene_with_aliases(
    configuration: &str,
    aliases: &'static [(&'static str, &'static str, &'static str)],
) -> Ladder {
    let config = parse(configuration);
    Ladder::new(move |site| {
        let plan = Plan::new(&config, site, 1);
        let directory = Directory::clone(&plan.directory.load()).with_aliases(aliases.iter().copied());
        plan.directory.store(Arc::new(directory));
        Arc::new(plan).shard(0)
    })
}

/// A scene with an exchange that keeps messages for those who cannot be reached, and can be killed.
pub(crate) fn scene_with_messages(configuration: &str) -> Ladder {
    let config = parse(configuration);
    Ladder::new(move |site| {
        Arc::new(Plan::new(&config, site, 1).on_disk(site.now_ms).with_messages(&config, site.now_ms))
            .shard(0)
    })
}

/// The same with an exchange that asks this name server.
pub(crate) fn scene_with_messages_and_names(configuration: &str, names: NameServer) -> Ladder {
    let config = parse(configuration);
    Ladder::new(move |site| {
        let plan = Plan::new(&config, site, 1).on_disk(site.now_ms).with_messages(&config, site.now_ms);
        Exchange { names, ..Arc::new(plan).shard(0) }
    })
}

/// The configuration of an exchange in the simulated network.
pub(crate) fn parse(configuration: &str) -> Config {
    // Authentication may be off on loopback only; the simulated network is not, so that rule is met by form.
    let listen = "[[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:5060\"\n";
    // All that is there is offered, unless the test says otherwise.
    let digest = "[digest]\nalgorithms = [\"SHA-256\", \"MD5\"]\n";
    let digest = if configuration.contains("[digest]") { "" } else { digest };
    // Where the test speaks of abuse it says so: elsewhere phones are terser and quicker than phones are.
    let abuse = "[abuse]\nexempt = [\"0.0.0.0/0\", \"::/0\"]\n";
    let abuse = if configuration.contains("[abuse]") { "" } else { abuse };
    Config::parse(&format!("{configuration}\n{digest}{abuse}{listen}"), "scene")
        .expect("the scene's configuration is sound")
}

/// What all shards of an exchange share, and what outlives them.
pub(crate) struct Plan {
    settings: Arc<Settings>,
    directory: Arc<ArcSwap<Directory>>,
    shards: u8,
    /// No two exchanges have the same keys.
    keys: u8,
    /// Counts its lives: each has its own entropy.
    life: u8,
    /// The keys of what travels in messages.
    pub(crate) seals: Arc<ArcSwap<Ring>>,
    /// Its bindings, and where they are if not in memory alone.
    pub(crate) location: Location,
    folder: Option<TempDir>,
    /// What it has noted about calls, in all its lives.
    facts: MemorySpool,
    /// How it stops.
    pub(crate) drain: Arc<Drain>,
    whereabouts: Whereabouts,
    messages: Option<MessageRoom>,
}

/// An address of the exchange's machine where it does not listen.
const SILENT: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 99));

impl Plan {
    /// An exchange of so many shards, nobody registered.
    pub(crate) fn new(config: &Config, site: &Site, shards: u8) -> Self {
        let settings = Settings::new(config, &site.listeners, usize::from(shards));
        let mut settings = settings.with_own_addresses(vec![SILENT]);
        if config.all_domains().next().is_none() {
            let locals = settings.identity.locals().to_vec();
            settings.identity = offhook_proxy::Identity::new(vec![site.domain.clone()], locals);
        }
        let password = |user: &User| match user.name.as_str() {
            "forgetful" => "forgotten".to_owned(),
            _ => user.password.clone(),
        };
        // The same people have accounts in further domains, with other passwords.
        let others =
            config.all_domains().map(|domain| domain.as_str()).filter(|domain| *domain != site.domain);
        let others: Vec<_> = others.collect();
        let here = site.users.iter().map(|user| (&user.name, &*site.domain, password(user)));
        let there = site.users.iter().flat_map(|user| {
            others.iter().map(|domain| (&user.name, *domain, format!("{} of {domain}", password(user))))
        });
        let accounts: Vec<_> = here.chain(there).collect();
        let accounts = accounts.iter().map(|(name, domain, password)| (name.as_str(), *domain, &**password));
        Self {
            settings: Arc::new(settings),
            directory: Arc::new(ArcSwap::from_pointee(Directory::of_passwords(accounts))),
            shards,
            keys: site.domain.bytes().next().unwrap_or_default(),
            life: 3,
            seals: Arc::new(ArcSwap::from_pointee(Ring::of_one([4; 32]))),
            location: Location::in_memory(Limits::default()),
            folder: None,
            facts: MemorySpool::default(),
            drain: Arc::new(Drain::new(usize::from(shards))),
            whereabouts: Whereabouts::new(usize::from(shards)),
            messages: None,
        }
    }

    /// The same that keeps messages.
    fn with_messages(self, config: &Config, now_ms: u64) -> Self {
        let messages = Some(MessageRoom::open(config.messages.clone(), self.shards, now_ms));
        Self { messages, ..self }
    }

    /// The same with bindings that outlive it.
    pub(crate) fn on_disk(self, now_ms: u64) -> Self {
        let folder = self.folder.unwrap_or_else(|| TempDir::new().expect("a temporary folder"));
        drop(self.location);
        let location = Location::open(folder.path(), Limits::default(), now_ms).expect("bindings on disk");
        Self { location, folder: Some(folder), ..self }
    }

    /// What is there after all shards were killed: accounts, keys, and bindings from the disk.
    pub(crate) fn after_the_kill(self: Arc<Self>, now_ms: u64) -> Arc<Self> {
        let plan = Arc::into_inner(self).expect("all shards are dead");
        assert!(plan.folder.is_some(), "bindings in memory do not outlive an exchange: scene_on_disk");
        let drain = Arc::new(Drain::new(usize::from(plan.shards)));
        let whereabouts = Whereabouts::new(usize::from(plan.shards));
        let mut plan = plan.on_disk(now_ms);
        plan.messages = plan.messages.map(|messages| messages.after_the_kill(now_ms));
        Arc::new(Self { life: plan.life + 1, drain, whereabouts, ..plan })
    }

    /// The records of all calls, as far as they are over at this time.
    pub(crate) fn records(&self, now_ms: u64) -> Vec<Record> {
        let mut joiner = Joiner::new(Policy { call_max_ms: CALL_MAX_MS, calls_max: 1_000 });
        let mut run = 0;
        for (life, shard, payload) in self.facts.facts() {
            if life > run {
                let (began_ms, _) = Fact::read(&payload).expect("a fact");
                joiner.run_began(life, began_ms);
                run = life;
            }
            assert!(joiner.take(life, shard.into(), &payload), "a fact that makes no sense");
        }
        if run < self.life.into() {
            joiner.run_began(self.life.into(), now_ms.saturating_sub(CALL_MAX_MS));
        }
        joiner.pass_time(now_ms);
        joiner.take_records()
    }

    /// One of its shards.
    pub(crate) fn shard(self: &Arc<Self>, number: u8) -> Exchange {
        let journal = Journal::silent();
        let counters = journal.counters();
        let resources = Resources {
            location: self.location.clone(),
            directory: Arc::clone(&self.directory),
            journal,
            spool: self.facts.spool(self.life.into(), number),
            undelivered: self
                .messages
                .as_ref()
                .map_or_else(Desk::off, |messages| messages.office.desk(number)),
            secrets: Secrets {
                cookies: [self.keys; 16],
                nonces: [self.keys; 32],
                hashes: [self.life; 16],
                gruus: [self.keys; 32],
            },
            seals: Arc::clone(&self.seals),
            drain: Arc::clone(&self.drain),
            whereabouts: self.whereabouts.clone(),
        };
        let shard = Shard::new(number, Arc::clone(&self.settings), resources).expect("a shard in memory");
        Exchange { shard, counters, plan: Arc::clone(self), names: NameServer::new(), certificate: None }
    }
}

/// A shard under observation. In service it survives a panic of its own; here the test does not.
pub(crate) struct Exchange {
    shard: Shard,
    counters: Arc<Counters>,
    pub(crate) plan: Arc<Plan>,
    /// Whom it asks.
    pub(crate) names: NameServer,
    /// Who comes by TLS with a client certificate (DER).
    pub(crate) certificate: Option<(IpAddr, Vec<u8>)>,
}

impl Exchange {
    /// Whether no transaction and no byte of a message is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.shard.is_empty()
    }

    /// What it keeps at the moment.
    pub(crate) fn held(&self) -> Held {
        self.shard.held()
    }

    /// How often something happened.
    pub(crate) fn count(&self, kind: EventKind) -> u64 {
        self.counters.of(kind)
    }

    /// How its trunks stand.
    pub(crate) fn trunks(&self) -> Vec<TrunkStanding> {
        self.plan.settings.standings.look(self.plan.settings.routing.trunks())
    }

    /// What the keeper's thread does in service.
    fn keep_messages(&mut self, now_ms: u64, out: &mut Outbox) {
        let plan = Arc::clone(&self.plan);
        while plan.messages.as_ref().is_some_and(|messages| messages.turn(now_ms)) {
            self.watch(|shard| shard.rung(now_ms, out));
        }
    }

    /// How many messages wait in it.
    pub(crate) fn messages(&self) -> usize {
        self.plan.messages.as_ref().map_or(0, MessageRoom::len)
    }

    fn watch<R>(&mut self, step: impl FnOnce(&mut Shard) -> R) -> R {
        let result = step(&mut self.shard);
        assert_eq!(self.count(EventKind::PanicCaught), 0, "the exchange has caught a panic of its own");
        result
    }
}

impl Engine for Exchange {
    fn receive(&mut self, now_ms: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        let certificate =
            self.certificate.as_ref().filter(|(ip, _)| *ip == from.remote.ip()).map(|(_, der)| der.clone());
        if let (Transport::Tls, Some(der)) = (from.transport, certificate) {
            self.watch(|shard| shard.peer_certified(now_ms, from, &der));
        }
        self.watch(|shard| shard.receive(now_ms, from, message, out));
    }

    fn unframeable(&mut self, now_ms: u64, from: &Flow, head: &[u8], out: &mut Outbox) {
        self.watch(|shard| shard.unframeable(now_ms, from, head, out));
    }

    fn send_failed(&mut self, now_ms: u64, ticket: Ticket, out: &mut Outbox) {
        self.watch(|shard| shard.send_failed(now_ms, ticket, out));
    }

    fn icmp_error(&mut self, now_ms: u64, to: &Flow, error: IcmpError, quoted: &[u8], out: &mut Outbox) {
        self.watch(|shard| shard.icmp_error(now_ms, to, error, quoted, out));
    }

    fn connection_closed(&mut self, now_ms: u64, connection: ConnectionId, out: &mut Outbox) {
        self.watch(|shard| shard.connection_closed(now_ms, connection, out));
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        for finding in self.names.take_due(now_ms) {
            self.located(now_ms, &finding, out);
        }
        self.watch(|shard| shard.tick(now_ms, out));
        self.keep_messages(now_ms, out);
    }

    fn located(&mut self, now_ms: u64, finding: &Finding, out: &mut Outbox) {
        self.watch(|shard| shard.located(now_ms, finding, out));
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        let keeper = self.plan.messages.as_ref().map(MessageRoom::next_ms);
        [self.shard.deadline_ms(), self.names.next_ms(), keeper].into_iter().flatten().min()
    }

    fn note_wait(&mut self, waited_ms: u32) {
        self.shard.note_wait(waited_ms);
    }

    fn note_clock(&mut self, ahead_ms: i64) {
        self.shard.note_clock(ahead_ms);
    }

    fn commit(&mut self, now_ms: u64, out: &mut Outbox) {
        self.keep_messages(now_ms, out);
        self.watch(|shard| shard.commit(now_ms, out));
        self.keep_messages(now_ms, out);
        out.asked().iter().for_each(|wanted| self.names.ask(now_ms, wanted));
    }
}

/// What a test may ask of the exchange on a stage.
pub(crate) trait Observed {
    /// The exchange (its first shard).
    fn exchange(&self) -> &Exchange;

    /// The exchange dies as of `kill -9`, and starts again: bindings, accounts and keys are what is left.
    fn kill_and_restart(&mut self);

    /// The records of all calls that are over.
    fn records(&self) -> Vec<Record>;

    /// What this header said when a phone last sent it.
    fn last_header(&self, phone: &str, name: &str) -> String;

    /// 64·T1 and all lingering later nothing has come, and no transaction, no byte of a message and no count is left.
    fn leaves_nothing(self);
}

impl Observed for Stage {
    fn exchange(&self) -> &Exchange {
        self.world().engine(self.proxy())
    }

    fn kill_and_restart(&mut self) {
        let (proxy, plan) = (self.proxy(), Arc::clone(&self.exchange().plan));
        self.world_mut().crash(proxy);
        let plan = plan.after_the_kill(self.world().now_ms());
        self.restart(plan.shard(0));
    }

    fn records(&self) -> Vec<Record> {
        self.exchange().plan.records(self.world().now_ms())
    }

    fn last_header(&self, phone: &str, name: &str) -> String {
        let sent = self.world().trace().iter().rev().filter(|entry| entry.from == self.phone(phone));
        let texts = sent.filter_map(|entry| entry.message()).map(String::from_utf8_lossy);
        let found = texts.filter_map(|text| header_of(&text, name)).next();
        found.unwrap_or_else(|| panic!("{phone} has never sent {name}"))
    }

    fn leaves_nothing(mut self) {
        self.play("+80s");
        let wrong = ledger::wrong(self.world(), self.proxy(), &self.exchange().plan);
        assert!(wrong.is_empty(), "call detail records are not what happened:\n{}", wrong.join("\n"));
        for number in 0..self.exchange().plan.shards {
            let exchange: &Exchange = self.world().shard(self.proxy(), number);
            let held = exchange.held();
            assert!(exchange.is_empty(), "transactions or their memory are left in shard {number}: {held:?}");
            assert_eq!(exchange.plan.drain.at_work(), 0, "requests at work, though all are answered");
        }
    }
}

/// The first value of a header, as it stands in its line.
pub(crate) fn header_of(message: &str, name: &str) -> Option<String> {
    let mut lines = message.lines().take_while(|line| !line.is_empty());
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
}
