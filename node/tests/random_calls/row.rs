//! A row of servers that share the calls to a domain, each by its weight. They are asked whether they live before anybody
//! calls (RFC 3261 §11), for they fall silent, are busy, and come back.

use std::net::SocketAddr;

use offhook_simnet::{NodeId, Rng, World};
use offhook_sip::Transport;

use crate::lines::door;
use crate::oracle::{Group, Hop, Key, Neighbour, Takes, Toward};
use crate::phone::{Errand, Ill, Line, Phone, Serves, Spell};
use crate::scene::LAST_CALL_MS;

/// The domain that they answer for.
const DOMAIN: &str = "row.example";

/// Some call when what was dead has been so for longer than a server remembers of whom nobody calls, ms.
const LATE_MS: (u64, u64) = (605_000, 690_000);

/// One server of the row, as the exchange knows it.
#[derive(Clone, Copy, Debug)]
struct Seat {
    hop: Hop,
    priority: u32,
    weight: u32,
}

/// The row, and what the exchanges know of it.
pub(crate) struct Row {
    seats: Vec<Seat>,
    pub(crate) nodes: Vec<NodeId>,
    key: Key,
    check_s: u64,
    dice: Rng,
}

impl Row {
    /// Puts its servers into the world.
    pub(crate) fn new(world: &mut World, mut dice: Rng) -> Self {
        let key = [Key::CallId, Key::Aor, Key::Source][dice.below(3) as usize];
        let check_s = dice.between(10, 60);
        let mut row = Self { seats: Vec::new(), nodes: Vec::new(), key, check_s, dice };
        for number in 0..row.dice.between(2, 4) {
            row.add_server(world, number);
        }
        row
    }

    fn add_server(&mut self, world: &mut World, number: u64) {
        let dice = &mut self.dice;
        // Where a server stands decides what it gets, so it stands anywhere (RFC 2544).
        let ip = [198, 18, 1 + 60 * number as u8 + dice.below(60) as u8, dice.between(1, 254) as u8];
        let address = SocketAddr::new(ip.into(), 5060);
        let transport = if dice.permille(800) { Transport::Udp } else { Transport::Tcp };
        let priority = u32::from(dice.permille(200));
        let weight = dice.between(1, 5) as u32;
        self.seats.push(Seat { hop: (transport, address), priority, weight });
        // At some addresses there is nobody.
        if dice.permille(900) {
            let (spells, retry_after_s) = (spells(dice, world.now_ms()), dice.between(1, 40) as u32);
            let retry_after_s = dice.permille(300).then_some(retry_after_s);
            let serves =
                Serves { domain: DOMAIN.to_owned(), spells, is_alone: false, asks: None, retry_after_s };
            let line = line(number, address, (transport, serves));
            let phone = Phone::new(line, dice.next_u64());
            self.nodes.push(world.add(phone.into_node()));
        }
    }

    /// Whom the next call goes to, if it goes there. Some are called again.
    pub(crate) fn next_call(&mut self) -> Option<String> {
        self.dice.permille(400).then(|| format!("sip:{}@{DOMAIN}", self.dice.below(8)))
    }

    /// When somebody calls who has waited long, if anybody does, and whom.
    pub(crate) fn late_call(&mut self) -> Option<(u64, Errand)> {
        let at_ms = self.dice.between(LATE_MS.0, LATE_MS.1);
        let target = format!("sip:{}@{DOMAIN}", self.dice.below(8));
        self.dice.permille(700).then_some((at_ms, Errand::Call(target)))
    }

    /// The trunk and its rule.
    pub(crate) fn rule(&self, trusted: &str) -> String {
        let target = |Seat { hop: (transport, address), priority, weight }: &Seat| {
            let transport = transport.name();
            format!(
                "{{ to = \"sip:{address};transport={transport}\", priority = {priority}, weight = {weight} }}"
            )
        };
        let targets: Vec<_> = self.seats.iter().map(target).collect();
        let (targets, key, check_s) = (targets.join(", "), self.key.name(), self.check_s);
        format!(
            "[[trunk]]\nname = \"row\"\ntargets = [{targets}]\ndomain = \"{DOMAIN}\"\nspread = \"{key}\"\n\
             health_check_s = {check_s}\n{trusted}\
             [[route]]\nname = \"row\"\nmatch = {{ domain = \"{DOMAIN}\" }}\ntrunk = \"row\"\n"
        )
    }

    /// What an exchange knows of it.
    pub(crate) fn neighbour(&self) -> Neighbour {
        let row = self.seats.iter().map(|seat| (seat.priority, seat.hop));
        let weights = self.seats.iter().map(|seat| (seat.hop, seat.weight));
        Neighbour {
            takes: Takes::Domain(DOMAIN.to_owned()),
            toward: Toward::Row(row.collect()),
            places: self.seats.iter().map(|seat| seat.hop.1).collect(),
            stateless: false,
            has_login: false,
            group: Some(Group { key: self.key, weights: weights.collect(), check_ms: self.check_s * 1000 }),
            trunk: "row",
            route: "row",
        }
    }
}

/// When a server is not well, and how: some never, some for good.
fn spells(dice: &mut Rng, now_ms: u64) -> Vec<Spell> {
    let count = dice.below(4);
    let mut spell = || {
        let from_ms = now_ms + dice.below(LAST_CALL_MS);
        let lasts_ms = if dice.permille(150) { 900_000 } else { dice.between(2_000, 40_000) };
        let what = [Ill::Silent, Ill::Silent, Ill::Busy, Ill::Full, Ill::Lost][dice.below(5) as usize];
        Spell { from_ms, until_ms: from_ms + lasts_ms, what }
    };
    (0..count).map(|_| spell()).collect()
}

fn line(number: u64, address: SocketAddr, (transport, serves): (Transport, Serves)) -> Line {
    Line {
        name: format!("row{number}"),
        user: "row".to_owned(),
        domain: DOMAIN.to_owned(),
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
