//! A provider that takes calls to numbers and sends calls in: one or two machines, which ask who calls them (RFC 3261 §22).

use std::net::SocketAddr;

use offhook_simnet::{NodeId, Rng, World};
use offhook_sip::Transport;

use crate::asks::{Asks, PASSWORD, USER};
use crate::lines::door;
use crate::oracle::{Neighbour, Takes, Toward};
use crate::phone::{Errand, Line, Phone, Serves, Spell};
use crate::scene::LAST_CALL_MS;

/// What stands in front of the numbers that go there.
pub(crate) const PREFIX: &str = "0";

const DOMAIN: &str = "provider.example";

/// The provider, and what the exchange knows of it.
pub(crate) struct Provider {
    places: Vec<(u32, SocketAddr)>,
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) registers: bool,
    /// The exchange is there for half an hour at most unless it asks for longer.
    expires_s: u32,
}

impl Provider {
    /// Puts its machines into the world.
    pub(crate) fn new(world: &mut World, dice: &mut Rng) -> Self {
        let (registers, expires_s) = (dice.permille(700), 1_800 * dice.between(1, 2) as u32);
        let mut provider = Self { places: Vec::new(), nodes: Vec::new(), registers, expires_s };
        let as_proxy = dice.permille(400);
        let uses_max = if dice.permille(100) { 0 } else { dice.between(1, 3) as u32 };
        for number in 0..dice.between(1, 2) {
            let address = SocketAddr::new([203, 0, 113, 151 + number as u8].into(), 5060);
            provider.places.push((dice.below(2) as u32, address));
            // The second one may be dead.
            if number == 0 || dice.permille(700) {
                let line = line(dice, world.now_ms(), address, (as_proxy, uses_max));
                let mut phone = Phone::new(line, dice.next_u64());
                // One that takes no proof ends no call either.
                let takes_proofs = phone.line.serves.as_ref().is_some_and(|serves| serves.takes_proofs());
                for _ in 0..if takes_proofs { dice.below(3) } else { 0 } {
                    let at_ms = world.now_ms() + dice.between(2_000, LAST_CALL_MS);
                    let user = ["alice", "bob", "carol", "dave"][dice.below(4) as usize];
                    phone.plan(at_ms, Errand::Call(format!("sip:{user}@a.example")));
                }
                provider.nodes.push(world.add(phone.into_node()));
            }
        }
        provider
    }

    /// The trunk and its rule.
    pub(crate) fn rule(&self, trusted: &str) -> String {
        let target = |(priority, address): &(u32, SocketAddr)| {
            format!("{{ to = \"sip:{address}\", priority = {priority} }}")
        };
        let targets: Vec<_> = self.places.iter().map(target).collect();
        let (targets, registers, expires_s) = (targets.join(", "), self.registers, self.expires_s);
        format!(
            "[[trunk]]\nname = \"provider\"\ntargets = [{targets}]\ndomain = \"{DOMAIN}\"\n\
             peers = [\"203.0.113.144/28\"]\nuser = \"{USER}\"\npassword = \"{PASSWORD}\"\n\
             register = {registers}\nregister_expires_s = {expires_s}\n{trusted}\
             [[route]]\nname = \"numbers\"\nmatch = {{ prefix = \"{PREFIX}\" }}\ntrunk = \"provider\"\n"
        )
    }

    /// What the exchange knows of it.
    pub(crate) fn neighbour(&self) -> Neighbour {
        let row = self.places.iter().map(|(priority, address)| (*priority, (Transport::Udp, *address)));
        Neighbour {
            takes: Takes::Numbers { prefix: PREFIX, host: DOMAIN },
            toward: Toward::Row(row.collect()),
            places: self.places.iter().map(|(_, address)| *address).collect(),
            stateless: false,
            has_login: true,
            group: None,
            trunk: "provider",
            route: "numbers",
        }
    }
}

fn line(dice: &mut Rng, now_ms: u64, address: SocketAddr, (as_proxy, uses_max): (bool, u32)) -> Line {
    let busy_ms = if dice.permille(300) { dice.between(10_000, LAST_CALL_MS) } else { 0 };
    let asks = Asks::new(as_proxy, uses_max, 600 * dice.between(1, 6) as u32);
    let serves = Serves {
        domain: DOMAIN.to_owned(),
        spells: vec![Spell::busy_until(now_ms + busy_ms)],
        is_alone: false,
        retry_after_s: None,
        asks: Some(asks),
    };
    Line {
        name: format!("provider{}", address.ip().to_string().rsplit('.').next().unwrap_or_default()),
        user: "provider".to_owned(),
        domain: DOMAIN.to_owned(),
        password: String::new(),
        address,
        proxy: door(0, Transport::Udp),
        transport: Transport::Udp,
        q: "1.0",
        serves: Some(serves),
        is_secure: false,
        forwards: Vec::new(),
        poses: Vec::new(),
        slow_ms: 0,
    }
}
