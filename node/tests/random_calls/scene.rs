//! One random evening: exchanges, phones, links and what people will do, all from one seed.

use std::net::SocketAddr;
use std::sync::Arc;

use offhook_ladder::{Site, User};
use offhook_net::Listener;
use offhook_simnet::{Link, NameServer, Nat, NatKind, Node, NodeId, Realm, Rng, World};
use offhook_sip::Transport;

use crate::exchange::{OPEN, Plan, parse};
use crate::extras::Extras;
use crate::far::{FAR, Far};
use crate::forwarding::Forwarding;
use crate::lines::{self, door};
use crate::oracle::{Facts, Follows, Neighbour, Takes, Toward};
use crate::phone::{Errand, Line, Phone};
use crate::posing::Posing;
use crate::row::Row;
use crate::sniffer::{Log, Sniffer};
use crate::trunk::Provider;

/// No call begins before this, ms.
const FIRST_CALL_MS: u64 = 1_000;
/// No call begins after this, ms.
pub(crate) const LAST_CALL_MS: u64 = 60_000;
/// By then everything is over: three phones that ring in turn until Timer C, their CANCELs without effect, the longest
/// call, and 64·T1 of lingering.
pub(crate) const QUIET_MS: u64 = 1_010_000;

/// The slowest link, and the slowest phone, ms.
pub(crate) const SLOW_MS_MAX: u64 = 9_000;

/// Where who only dials has his end; his Contact says another port.
const DEAF_PORT: u16 = 9;

/// What the exchanges serve.
pub(crate) const DOMAINS: [&str; 2] = ["a.example", "b.example"];

const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// The world with everybody in it.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) exchanges: Vec<Place>,
    pub(crate) phones: Vec<NodeId>,
    /// A restart of an exchange, or broken streams: then what was under way may be lost.
    pub(crate) disturbed: bool,
    /// Streams broke: what was meant to be sent by them is not in the trace.
    pub(crate) torn: bool,
    /// An exchange died and came back.
    pub(crate) killed: bool,
    /// A phone is gone, and with it what it knew.
    pub(crate) forgotten: bool,
    /// Links lose, double and swap nothing.
    pub(crate) perfect: bool,
    /// Servers of a domain far away.
    pub(crate) far: Option<Far>,
    /// Where numbers go to.
    pub(crate) provider: Option<Provider>,
    /// Servers that share calls.
    pub(crate) row: Option<Row>,
    forwarding: Option<Forwarding>,
    posing: Option<Posing>,
    dice: Rng,
    extras: Extras,
}

/// An exchange in the world.
pub(crate) struct Place {
    pub(crate) node: NodeId,
    pub(crate) plan: Arc<Plan>,
    pub(crate) shards: u8,
    pub(crate) facts: Facts,
    pub(crate) log: Log,
    names: NameServer,
    lives: u32,
}

impl Scene {
    /// The evening of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut scene = Self {
            world: World::new(seed),
            exchanges: Vec::new(),
            phones: Vec::new(),
            disturbed: false,
            torn: false,
            killed: is_killed(seed),
            forgotten: false,
            perfect: false,
            far: None,
            provider: None,
            row: None,
            forwarding: None,
            posing: None,
            dice: Rng::new(seed ^ 0x5eed),
            extras: Extras::of(seed),
        };
        let link = scene.link();
        scene.world.default_link(link);
        if scene.extras.names {
            scene.far = Some(Far::new(&mut scene.world, (&mut scene.extras.dice, scene.extras.links)));
        }
        if scene.extras.trunks {
            scene.provider = Some(Provider::new(&mut scene.world, &mut scene.extras.dice));
        }
        scene.posing = scene.extras.identity.take().map(Posing::new);
        scene.forwarding = scene.extras.forwarding.take().map(Forwarding::new);
        scene.row = scene.extras.row.take().map(|dice| Row::new(&mut scene.world, dice));
        scene.pose_servers();
        let domains: &[&str] = if seed % 4 == 3 { &DOMAINS } else { &DOMAINS[..1] };
        let auth = scene.dice.permille(500);
        for (index, domain) in domains.iter().enumerate() {
            scene.add_exchange(index, domain, domains, auth);
        }
        for (index, domain) in domains.iter().enumerate() {
            scene.add_phones(index, domain);
        }
        scene.plan_the_evening(domains);
        scene
    }

    /// Everybody who takes calls.
    pub(crate) fn people(&self) -> impl Iterator<Item = NodeId> {
        let far = self.far.iter().flat_map(|far| &far.nodes);
        let provider = self.provider.iter().flat_map(|provider| &provider.nodes);
        let row = self.row.iter().flat_map(|row| &row.nodes);
        self.phones.iter().chain(far).chain(provider).chain(row).copied()
    }

    /// Whether exchanges ask servers for ever whether they live.
    pub(crate) fn has_trunks(&self) -> bool {
        self.provider.is_some() || self.row.is_some()
    }

    /// The machines of trunks say who they are, too.
    fn pose_servers(&mut self) {
        let Some(posing) = &mut self.posing else { return };
        let provider = self.provider.iter().flat_map(|provider| &provider.nodes);
        for &node in provider.chain(self.row.iter().flat_map(|row| &row.nodes)) {
            self.world.endpoint_mut::<Phone>(node).line.poses = posing.of("+49301234");
        }
    }

    /// A phone that wants TLS on every hop asks for it, sometimes: where no name must be looked up for that.
    fn secured(&mut self, phone: NodeId, target: String) -> String {
        let line = &self.world.endpoint::<Phone>(phone).line;
        let is_near = target.ends_with(&format!("@{}", line.domain)) || target.ends_with("@row.example");
        match line.is_secure && is_near && self.extras.calls_securely() {
            true => target.replacen("sip:", "sips:", 1),
            false => target,
        }
    }

    /// Plays it to the end.
    pub(crate) fn play(&mut self) {
        let seed = self.world.seed();
        if is_killed(seed) {
            self.world.run_until(self.dice.between(2_000, LAST_CALL_MS));
            self.restart_an_exchange();
        }
        if is_told_of_the_dead(seed) {
            self.world.hosts_answer();
        }
        if seed % 11 == 10 {
            self.world.run_until(self.world.elapsed_ms() + self.dice.between(2_000, LAST_CALL_MS));
            self.restart_a_phone();
        }
        if seed % 7 == 6 {
            self.world.run_until(self.world.elapsed_ms() + self.dice.between(2_000, LAST_CALL_MS));
            self.break_streams();
        }
        self.world.run_until(QUIET_MS);
    }

    fn link(&mut self) -> Link {
        let dice = &mut self.dice;
        let (min_ms, jitter_ms) = (dice.below(20), dice.below(60));
        // A third of the evenings have a perfect network.
        if dice.permille(333) {
            self.perfect = true;
            return Link::new().delay_ms(min_ms, min_ms);
        }
        let link = Link::new().delay_ms(min_ms, min_ms + jitter_ms).loss(dice.below(120) as u32);
        link.duplicate(dice.below(60) as u32).reorder(dice.below(200) as u32)
    }

    fn add_exchange(&mut self, index: usize, domain: &str, domains: &[&str], auth: bool) {
        let listener = |&transport: &Transport| {
            let local = door(index, transport);
            Listener { transport, local, prefix_bits: 24, advertise: None }
        };
        let more = if self.extras.links { &lines::MORE[..] } else { &[] };
        let listeners: Vec<_> = lines::PLAIN.iter().chain(more).map(listener).collect();
        let users =
            USERS.iter().map(|name| User { name: (*name).to_owned(), password: password(name, domain) });
        let site = Site {
            domain: domain.to_owned(),
            listeners: listeners.clone(),
            users: users.collect(),
            now_ms: self.world.now_ms(),
            seed: self.world.seed(),
        };
        let mut text = if auth { String::new() } else { OPEN.to_owned() };
        let has_provider = self.provider.is_some();
        let follows = self.forwarding.as_mut().map_or(Follows::Own, |all| all.follows(has_provider));
        // Longer than Timer C is no time at all.
        let ring_s = self.extras.ring_s.unwrap_or(600);
        let history = self.extras.tells_history();
        text += &format!(
            "[proxy]\nring_s = {ring_s}\nhistory_info = {history}\nfollow_redirects = \"{}\"\n",
            follows.name()
        );
        text += &self.posing.as_ref().map(Posing::rule).unwrap_or_default();
        let (trusts_provider, trusts_row) = self.posing.as_ref().map(Posing::trusts).unwrap_or_default();
        let mut neighbours = Vec::new();
        for (other, domain) in domains.iter().enumerate().filter(|(other, _)| *other != index) {
            // What is sent on and comes by again would have state once, and once none.
            let stateless = self.dice.permille(300) && self.forwarding.is_none();
            let (domain, address) = ((*domain).to_owned(), door(other, Transport::Udp));
            let mode = if stateless { "mode = \"stateless\"\n" } else { "" };
            // Names may lead elsewhere for a while, and what has no state must not.
            let by_name = self.far.as_ref().filter(|_| !stateless && self.extras.is_next_by_name());
            let (to, toward, places) = match by_name.map(|far| far.exchange(other, &domain)) {
                Some((name, places)) => (name.clone(), Toward::Name(name), places),
                None => {
                    let row = vec![(0, (Transport::Udp, address))];
                    (format!("sip:{address}"), Toward::Row(row), vec![address])
                }
            };
            text += &format!(
                "[[route]]\nname = \"next\"\nmatch = {{ domain = \"{domain}\" }}\nto = \"{to}\"\n{mode}"
            );
            let takes = Takes::Domain(domain);
            let (group, has_login, trunk, route) = (None, false, "", "next");
            neighbours.push(Neighbour { takes, toward, places, stateless, has_login, group, trunk, route });
        }
        if let Some(far) = &self.far {
            text += &far.rule();
            neighbours.push(far.neighbour());
        }
        if let Some(provider) = self.provider.as_ref().filter(|_| index == 0) {
            text += &provider.rule(trusts_provider);
            neighbours.push(provider.neighbour());
        }
        if let Some(row) = &self.row {
            text += &row.rule(trusts_row);
            neighbours.push(row.neighbour());
        }
        let places_of = |trunk: &str| {
            let known = neighbours.iter().find(|neighbour| neighbour.trunk == trunk);
            known.map(|neighbour| neighbour.places.clone()).unwrap_or_default()
        };
        let (provider, row) = (places_of("provider"), places_of("row"));
        let trust = self.posing.as_ref().map(|posing| posing.trust(&provider, &row)).unwrap_or_default();
        let names = self.far.as_ref().map(|far| far.names.clone()).unwrap_or_default();
        let shards = self.dice.between(1, 3) as u8;
        let plan = Plan::new(&parse(&text), &site, shards);
        let plan = Arc::new(if is_killed(site.seed) { plan.on_disk(site.now_ms) } else { plan });
        let places = listeners.iter().map(|listener| (listener.transport, listener.local));
        let facts = Facts {
            places: places.collect(),
            domain: domain.to_owned(),
            open: !auth,
            neighbours,
            follows,
            history,
            ring_ms: self.extras.ring_s.map(|ring_s| ring_s * 1000),
            trust,
        };
        let name = format!("proxy-{domain}");
        let log = Log::default();
        let engines = engines((&plan, shards, &names), &log, self.began_ms(), 1);
        let node = self.world.add(Node::shards(&name, engines).listeners(&listeners));
        if let Some(far) = &self.far {
            far.keep_away(&mut self.world, node);
        }
        self.exchanges.push(Place { node, plan, shards, facts, log, names, lives: 1 });
    }

    fn add_phones(&mut self, exchange: usize, domain: &str) {
        for user in USERS {
            let count = if self.dice.permille(400) { self.dice.between(2, 4) } else { 1 };
            for number in 0..count {
                self.add_phone(exchange, domain, user, number);
            }
        }
    }

    fn add_phone(&mut self, exchange: usize, domain: &str, user: &str, number: u64) {
        let index = self.phones.len();
        let behind_nat = self.dice.permille(200);
        let (network, realm) = if behind_nat {
            let nat = Nat::new(NatKind::Symmetric, &format!("203.0.113.{}", index + 1));
            ("192.168.1", self.world.add_nat(nat))
        } else {
            ("192.0.2", Realm::PUBLIC)
        };
        let address: SocketAddr = format!("{network}.{}:5060", index + 10).parse().expect("an address");
        let q = ["1.0", "1.0", "0.7", "0.3"][self.dice.below(4) as usize];
        let transport = if self.dice.permille(250) { Transport::Tcp } else { Transport::Udp };
        let transport = self.extras.transport(transport);
        let domains = if self.exchanges.len() > 1 { &DOMAINS[..] } else { &DOMAINS[..1] };
        let forwarding = self.forwarding.as_mut();
        let forwards = forwarding.map(|all| all.of_phone(&USERS, domain, domains)).unwrap_or_default();
        let is_secure = self.extras.is_secure(transport);
        let mut poses = self.posing.as_mut().map(|posing| posing.of(user)).unwrap_or_default();
        poses.extend(self.extras.way_of_phone());
        let line = Line {
            name: format!("{user}{exchange}{number}"),
            user: user.to_owned(),
            domain: domain.to_owned(),
            password: password(user, domain),
            address,
            proxy: door(exchange, transport),
            transport,
            q,
            serves: None,
            is_secure,
            forwards,
            poses,
            slow_ms: if self.dice.permille(100) { self.dice.between(500, SLOW_MS_MAX) } else { 0 },
        };
        let is_far = self.dice.permille(50);
        let keeps_alive = behind_nat;
        let mut phone = Phone::new(line, self.dice.next_u64());
        let now_ms = self.world.now_ms();
        phone.plan(now_ms + self.dice.below(1_000), Errand::Register);
        phone.plan(now_ms + self.dice.between(2_000, LAST_CALL_MS), Errand::Register);
        if keeps_alive {
            phone.plan(now_ms, Errand::KeepAlive);
        }
        let node = self.world.add(phone_node(phone).behind(realm));
        if is_far {
            let far_ms = self.dice.between(300, 2_500);
            self.world.link(node, self.exchanges[exchange].node, Link::new().delay_ms(far_ms, far_ms + 200));
        }
        self.phones.push(node);
    }

    fn plan_the_evening(&mut self, domains: &[&str]) {
        let now_ms = self.world.now_ms();
        for _ in 0..self.dice.between(3, 14) {
            let phone = self.phones[self.dice.below(self.phones.len() as u64) as usize];
            let who = if self.dice.permille(50) { "nobody" } else { USERS[self.dice.below(4) as usize] };
            let domain = domains[self.dice.below(domains.len() as u64) as usize];
            let domain = if self.extras.is_far_called() { FAR } else { domain };
            let (who, domain) = match self.extras.is_number_called() {
                true => ("0123", domains[0]),
                false => (who, domain),
            };
            let target = format!("sip:{who}@{domain}");
            let target = self.row.as_mut().and_then(Row::next_call).unwrap_or(target);
            let target = self.secured(phone, target);
            // Some call before anybody is registered.
            let at_ms = now_ms + self.dice.between(FIRST_CALL_MS, LAST_CALL_MS);
            let errand = match self.dice.below(8) {
                0 => Errand::Ask("MESSAGE", target),
                1 => Errand::Ask("OPTIONS", target),
                _ => Errand::Call(target),
            };
            self.world.endpoint_mut::<Phone>(phone).plan(at_ms, errand);
        }
        if let Some((at_ms, errand)) = self.row.as_mut().and_then(Row::late_call) {
            let phone = self.phones[self.phones.len() - 1];
            self.world.endpoint_mut::<Phone>(phone).plan(now_ms + at_ms, errand);
        }
    }

    fn restart_an_exchange(&mut self) {
        self.disturbed = true;
        let which = self.dice.below(self.exchanges.len() as u64) as usize;
        let Place { node, plan, shards, facts, log, names, lives } = self.exchanges.remove(which);
        self.world.crash(node);
        self.world.run_for(self.dice.below(3_000));
        let plan = plan.after_the_kill(self.world.now_ms());
        let lives = lives + 1;
        let engines = engines((&plan, shards, &names), &log, self.began_ms(), lives);
        self.world.replace_shards(node, engines);
        self.exchanges.push(Place { node, plan, shards, facts, log, names, lives });
    }

    /// Unix time of the world's beginning.
    fn began_ms(&self) -> u64 {
        self.world.now_ms() - self.world.elapsed_ms()
    }

    /// A phone loses its power, and comes back at another port, with nothing in mind. What still rings or talks there
    /// never ends for those who were in it.
    fn restart_a_phone(&mut self) {
        (self.disturbed, self.torn, self.forgotten) = (true, true, true);
        let which = self.dice.below(self.phones.len() as u64) as usize;
        let node = self.phones.remove(which);
        let mut line = self.world.endpoint::<Phone>(node).line.clone();
        self.world.crash(node);
        self.world.run_for(self.dice.below(5_000));
        line.address.set_port(5070);
        line.name = format!("{}again", line.name);
        // Behind a translator the other port would need another door: it stays away.
        if !line.address.ip().to_string().starts_with("192.0.2") {
            return;
        }
        let mut phone = Phone::new(line, self.dice.next_u64());
        let now_ms = self.world.now_ms();
        phone.plan(now_ms, Errand::Register);
        phone.plan(
            now_ms + self.dice.between(1_000, 20_000),
            Errand::Call(format!("sip:alice@{}", phone.line.domain)),
        );
        self.phones.push(self.world.add(phone_node(phone)));
    }

    fn break_streams(&mut self) {
        self.disturbed = true;
        self.torn = true;
        for phone in self.phones.clone() {
            if self.dice.permille(500) {
                for exchange in &self.exchanges {
                    self.world.reset_streams(phone, exchange.node);
                }
            }
        }
    }
}

fn engines(
    (plan, shards, names): (&Arc<Plan>, u8, &NameServer),
    log: &Log,
    began_ms: u64,
    life: u32,
) -> Vec<Sniffer> {
    let one = |number| {
        let mut exchange = plan.shard(number);
        exchange.names = names.clone();
        Sniffer::new(exchange, log, began_ms, number, life)
    };
    (0..shards).map(one).collect()
}

/// In some evenings a host whose phone or exchange is gone says so.
fn is_told_of_the_dead(seed: u64) -> bool {
    seed % 11 == 10 || seed % 30 == 29
}

/// In some evenings an exchange dies, and comes back.
fn is_killed(seed: u64) -> bool {
    seed % 10 == 9
}

/// A phone in the world. Nobody dials a browser, nor most of those who come by TLS.
fn phone_node(phone: Phone) -> Node {
    let Line { name, address, transport, .. } = phone.line.clone();
    let text = address.to_string();
    let node = Node::endpoint(&name, phone).listen(Transport::Udp, &text).listen(Transport::Tcp, &text);
    match transport {
        Transport::Udp | Transport::Tcp => node,
        _ => node.listen(transport, &SocketAddr::new(address.ip(), DEAF_PORT).to_string()),
    }
}

fn password(user: &str, domain: &str) -> String {
    format!("{user} of {domain}")
}
