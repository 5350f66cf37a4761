//! A domain far away that is found by its name: servers of every kind, and name servers with troubles (RFC 3263, RFC 2782).

use std::net::SocketAddr;

use offhook_simnet::{Link, NameServer, Node, NodeId, Rng, Trouble, World, Zone};
use offhook_sip::Transport;

use crate::lines::door;
use crate::oracle::{Neighbour, Takes, Toward};
use crate::phone::{Line, Phone, Serves, Spell};
use crate::scene::{DOMAINS, LAST_CALL_MS};

/// The domain that people call.
pub(crate) const FAR: &str = "far.example";

/// Nobody lives there.
const EMPTY_HOUSE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 190)), 5060);

/// How the name of a next hop is written down in the DNS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// NAPTR, SRV, A.
    Services,
    /// SRV, A.
    Servers,
    /// A alone.
    Addresses,
}

/// A place that the name leads to.
#[derive(Clone, Copy, Debug)]
struct Place {
    transport: Transport,
    address: SocketAddr,
    priority: u16,
    weight: u16,
}

/// The far domain, and what is said of it.
pub(crate) struct Far {
    places: Vec<Place>,
    form: Form,
    /// It stands in a rule. Otherwise who calls it is sent where its name leads.
    pub(crate) by_rule: bool,
    pub(crate) stateless: bool,
    pub(crate) names: NameServer,
    pub(crate) nodes: Vec<NodeId>,
    /// Exchanges are found by name too, and this is the priority of a house beside each of them where nobody lives.
    empty_house: Option<u16>,
    /// Those that are far indeed.
    slow: Vec<(NodeId, Link)>,
}

impl Far {
    /// Puts its servers into the world.
    pub(crate) fn new(world: &mut World, (dice, links): (&mut Rng, bool)) -> Self {
        let by_rule = dice.permille(700);
        // What comes by WebSocket has state on every route, and finds out which servers are dead: then the messages of others
        // that have none go elsewhere.
        let stateless = by_rule && !links && dice.permille(300);
        let form = [Form::Services, Form::Servers, Form::Addresses][dice.below(3) as usize];
        let (places, nodes, slow, names) = (Vec::new(), Vec::new(), Vec::new(), NameServer::new());
        let empty_house = [None, Some(5), Some(20)][dice.below(3) as usize];
        let mut far = Self { places, form, by_rule, stateless, names, nodes, empty_house, slow };
        for number in 0..dice.between(1, 4) {
            far.add_server(world, dice, number);
        }
        far.names = far.name_server(world, dice);
        far
    }

    /// The name that leads there.
    pub(crate) fn host(&self) -> &'static str {
        if self.by_rule { "hub.far.example" } else { FAR }
    }

    /// What an exchange knows of it.
    pub(crate) fn neighbour(&self) -> Neighbour {
        Neighbour {
            takes: Takes::Domain(FAR.to_owned()),
            toward: Toward::Name(format!("sip:{}", self.host())),
            places: self.places.iter().map(|place| place.address).collect(),
            stateless: self.stateless,
            has_login: false,
            group: None,
            trunk: "",
            route: if self.by_rule { "far" } else { "uri" },
        }
    }

    /// The rule of an exchange that sends there.
    pub(crate) fn rule(&self) -> String {
        if !self.by_rule {
            return String::new();
        }
        let mode = if self.stateless { "mode = \"stateless\"\n" } else { "" };
        format!(
            "[[route]]\nname = \"far\"\nmatch = {{ domain = \"{FAR}\" }}\nto = \"sip:{}\"\n{mode}",
            self.host()
        )
    }

    /// Where another exchange is: its name, and all that this leads to.
    pub(crate) fn exchange(&self, index: usize, domain: &str) -> (String, Vec<SocketAddr>) {
        let empty = self.empty_house.map(|_| EMPTY_HOUSE);
        let places = [Some(door(index, Transport::Udp)), empty].into_iter().flatten();
        (format!("sip:hub.{domain}"), places.collect())
    }

    fn write_exchanges(&self, zone: &mut Zone) {
        for (index, domain) in DOMAINS.iter().enumerate() {
            let (srv, proxy) = (format!("_sip._udp.hub.{domain}"), format!("proxy.{domain}"));
            let local = door(index, Transport::Udp);
            zone.srv(&srv, (10, 1, local.port()), &proxy);
            zone.address(&proxy, local.ip());
            if let Some(priority) = self.empty_house {
                let empty = format!("empty.{domain}");
                zone.srv(&srv, (priority, 1, EMPTY_HOUSE.port()), &empty);
                zone.address(&empty, EMPTY_HOUSE.ip());
            }
        }
    }

    /// Makes the way to an exchange long, for those that are far.
    pub(crate) fn keep_away(&self, world: &mut World, exchange: NodeId) {
        self.slow.iter().for_each(|(node, link)| world.link(*node, exchange, link.clone()));
    }

    fn add_server(&mut self, world: &mut World, dice: &mut Rng, number: u64) {
        // A refusal that is lost on the datagrams' side of a proxy without state is repeated by nobody on a stream's side.
        let by_udp = self.form == Form::Addresses || dice.permille(700) || self.stateless;
        let transport = if by_udp { Transport::Udp } else { Transport::Tcp };
        let port = if self.form == Form::Addresses { 5060 } else { 5060 + dice.below(3) as u16 };
        let mut address = SocketAddr::new([203, 0, 113, 201 + number as u8].into(), port);
        match dice.below(8) {
            // It leads to ourselves, or to a house where nobody lives, or to one where nobody listens.
            0 => address = door(0, transport),
            1 => {}
            2 => {
                let deaf = SocketAddr::new(address.ip(), 9).to_string();
                world.add(Node::mute("deaf").listen(Transport::Udp, &deaf));
            }
            kind => {
                let line = self.line(dice, world.now_ms(), (number, address, transport), kind);
                let node = world.add(Phone::new(line, dice.next_u64()).into_node());
                self.nodes.push(node);
                if kind == 5 {
                    let far_ms = dice.between(500, 4_500);
                    self.slow.push((node, Link::new().delay_ms(far_ms, far_ms + 200)));
                }
            }
        }
        let (priority, weight) = (10 * dice.below(3) as u16, dice.below(4) as u16);
        self.places.push(Place { transport, address, priority, weight });
    }

    /// A server that takes calls: always, or after a while.
    fn line(
        &self,
        dice: &mut Rng,
        now_ms: u64,
        (number, address, transport): (u64, SocketAddr, Transport),
        kind: u64,
    ) -> Line {
        let busy_ms = if kind < 5 { dice.between(10_000, LAST_CALL_MS) } else { 0 };
        let serves = Serves {
            domain: FAR.to_owned(),
            spells: vec![Spell::busy_until(now_ms + busy_ms)],
            is_alone: self.stateless,
            asks: None,
            retry_after_s: dice.permille(300).then(|| dice.between(1, 40) as u32),
        };
        Line {
            name: format!("far{number}"),
            user: "far".to_owned(),
            domain: FAR.to_owned(),
            password: String::new(),
            address,
            proxy: door(0, transport),
            transport,
            q: "1.0",
            serves: Some(serves),
            is_secure: false,
            forwards: Vec::new(),
            poses: Vec::new(),
            slow_ms: 0,
        }
    }

    fn name_server(&self, world: &World, dice: &mut Rng) -> NameServer {
        let mut zone = Zone::new([5, 20, 60, 3_600][dice.below(4) as usize]);
        self.places.iter().enumerate().for_each(|(number, place)| self.write(&mut zone, number, *place));
        self.write_exchanges(&mut zone);
        let began_ms = world.now_ms() - world.elapsed_ms();
        // A proxy without state sends the messages of a call one way only if names lead one way.
        let troubles = if self.stateless { 0 } else { dice.below(3) };
        for _ in 0..troubles {
            let from_ms = began_ms + dice.below(LAST_CALL_MS);
            let trouble = match dice.below(6) {
                0 => Trouble::Fails,
                1 => Trouble::Denies,
                2 => Trouble::Truncates,
                3 => Trouble::Loops,
                _ => Trouble::Silent(dice.between(1_000, 9_000)),
            };
            zone.trouble(from_ms, from_ms + dice.between(1_000, 20_000), trouble);
        }
        let delay_ms = if dice.permille(150) { dice.between(500, 4_000) } else { dice.below(100) };
        NameServer::new().zone(zone).delay_ms(delay_ms)
    }

    fn write(&self, zone: &mut Zone, number: usize, place: Place) {
        let host = self.host();
        let server = match self.form {
            Form::Addresses => host.to_owned(),
            Form::Services | Form::Servers => format!("s{number}.{host}"),
        };
        zone.address(&server, place.address.ip());
        let srv = format!("_sip._{}.{host}", place.transport.name());
        if self.form != Form::Addresses {
            zone.srv(&srv, (place.priority, place.weight, place.address.port()), &server);
        }
        let is_first = || !self.places[..number].iter().any(|before| before.transport == place.transport);
        if self.form == Form::Services && is_first() {
            let (order, service) = match place.transport {
                Transport::Udp => (20, "SIP+D2U"),
                _ => (10, "SIP+D2T"),
            };
            zone.naptr(host, order, service, &srv);
        }
    }
}
