//! How the trunks stand, for whoever asks (`offhook trunks`). Shards know what their targets have said; once a second each
//! of them tells it, and nobody waits for anybody.
//!
//! ```text
//!   answers, failures, calls ──► Watch, Health, Enrolments of a shard ──once a second──► its place in Standings
//!                                     all places ──look──► one standing for each trunk
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_locate::{Hop, Reach};
use offhook_route::{Target, Toward, Trunk};
use offhook_sip::Transport;

use crate::settings::Settings;
use crate::switchboard::Switchboard;

/// What all shards have told about the trunks. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Standings(Arc<[ArcSwap<Told>]>);

/// What one shard has told.
#[derive(Default, Debug)]
struct Told {
    addresses: Vec<(Place, AddressStanding)>,
    registrations: Vec<(usize, RegistrationStanding)>,
    /// Calls by the index of their trunk.
    calls: Vec<u64>,
}

/// The index of a trunk, and that of a target of it.
type Place = (usize, usize);

/// A trunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrunkStanding {
    /// Its name.
    pub name: String,
    /// Calls that have gone out by it since the start.
    pub calls: u64,
    /// Its targets, in the order of the file.
    pub targets: Vec<TargetStanding>,
    /// Our registration there, if there is to be one.
    pub registration: Option<RegistrationStanding>,
}

/// A target of a trunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetStanding {
    /// As the configuration has it.
    pub to: String,
    /// Its share.
    pub weight: u32,
    /// Lower ones come first.
    pub priority: u32,
    /// Where it is; nothing while its name leads nowhere.
    pub addresses: Vec<AddressStanding>,
}

/// One address of a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressStanding {
    /// How it is reached.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// Whether it lives.
    pub health: Liveness,
    /// Its last answer to anything: status, and when, ms since 1970.
    pub answer: Option<(u16, u64)>,
    /// Calls that were sent there since the start, by whatever rule.
    pub calls: u64,
}

/// Whether somebody is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Liveness {
    /// Nothing was sent there yet, or what failed is long ago.
    Unknown,
    /// It has answered, and has not failed since.
    Up {
        /// Since when, ms since 1970.
        since_ms: u64,
    },
    /// It fails, and is passed over while another one is there.
    Down {
        /// Since when, ms since 1970.
        since_ms: u64,
        /// When it failed last, ms since 1970.
        failed_ms: u64,
        /// How it failed first.
        why: &'static str,
    },
}

/// A registration of ours (RFC 3261 §10.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistrationStanding {
    /// What is registered.
    pub aor: String,
    /// Until when it is granted, ms since 1970; `None`: it is not.
    pub until_ms: Option<u64>,
    /// Where it was asked for last.
    pub target: Option<SocketAddr>,
    /// When it is asked for next, ms since 1970; `None`: no more, the server stops.
    pub next_ms: Option<u64>,
    /// Why the last attempt failed, if it did, and when, ms since 1970.
    pub failure: Option<(String, u64)>,
}

impl Standings {
    /// Nothing was told yet.
    pub(crate) fn new(shards: usize) -> Self {
        Self((0..shards.max(1)).map(|_| ArcSwap::default()).collect())
    }

    /// How these trunks stand, which are those of the configuration.
    pub fn look(&self, trunks: &[Trunk]) -> Vec<TrunkStanding> {
        let told: Vec<Arc<Told>> = self.0.iter().map(ArcSwap::load_full).collect();
        let one = |(index, trunk): (usize, &Trunk)| TrunkStanding {
            name: trunk.name.clone(),
            calls: told.iter().filter_map(|told| told.calls.get(index)).sum(),
            targets: trunk
                .targets
                .iter()
                .enumerate()
                .map(|(at, target)| standing_of(target, &addresses(&told, (index, at))))
                .collect(),
            registration: registration(&told, index),
        };
        trunks.iter().enumerate().map(one).collect()
    }
}

fn standing_of(target: &Target, addresses: &[AddressStanding]) -> TargetStanding {
    TargetStanding {
        to: target.toward.to_string(),
        weight: target.weight,
        priority: target.priority,
        addresses: addresses.to_vec(),
    }
}

/// What the shards say of one target, put together.
fn addresses(told: &[Arc<Told>], place: Place) -> Vec<AddressStanding> {
    let mut all: Vec<AddressStanding> = Vec::new();
    for (_, seen) in told.iter().flat_map(|told| &told.addresses).filter(|(of, _)| *of == place) {
        let same =
            |known: &&mut AddressStanding| (known.transport, known.address) == (seen.transport, seen.address);
        match all.iter_mut().find(same) {
            Some(known) => known.join(seen),
            None => all.push(*seen),
        }
    }
    all
}

fn registration(told: &[Arc<Told>], trunk: usize) -> Option<RegistrationStanding> {
    let mut all = told.iter().flat_map(|told| &told.registrations);
    all.find(|(of, _)| *of == trunk).map(|(_, registration)| registration.clone())
}

impl AddressStanding {
    /// With what another shard says: who has heard of it last is right.
    fn join(&mut self, other: &Self) {
        self.health = match (self.last_word(), other.last_word()) {
            (None, _) => other.health,
            (_, None) => self.health,
            (Some(_), Some(_)) if let Some(both) = self.health.join(other.health) => both,
            (Some(ours), Some(theirs)) => {
                if ours < theirs {
                    other.health
                } else {
                    self.health
                }
            }
        };
        let later = |(_, at_ms): &(u16, u64)| *at_ms;
        self.answer = self.answer.into_iter().chain(other.answer).max_by_key(later);
        self.calls += other.calls;
    }

    /// When it was heard of last, ms; `None`: nothing is known.
    fn last_word(&self) -> Option<u64> {
        match self.health {
            Liveness::Unknown => None,
            Liveness::Up { since_ms } => Some(self.answer.map_or(since_ms, |(_, at_ms)| at_ms)),
            Liveness::Down { failed_ms, .. } => Some(failed_ms),
        }
    }
}

impl Liveness {
    /// Where both say the same: since it was so for the first of them.
    fn join(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Up { since_ms: a }, Self::Up { since_ms: b }) => Some(Self::Up { since_ms: a.min(b) }),
            (Self::Down { failed_ms: a, .. }, Self::Down { failed_ms: b, .. }) => {
                let first = if self.since_ms() <= other.since_ms() { self } else { other };
                let Self::Down { since_ms, why, .. } = first else { return None };
                Some(Self::Down { since_ms, failed_ms: a.max(b), why })
            }
            _ => None,
        }
    }

    /// Since when it is so, ms since 1970.
    pub fn since_ms(self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Up { since_ms } | Self::Down { since_ms, .. } => Some(since_ms),
        }
    }

    /// A word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up { .. } => "up",
            Self::Down { .. } => "down",
        }
    }
}

impl Switchboard {
    /// Tells how the trunks stand, and watches where their targets are now.
    pub(crate) fn tell_standings(&mut self, settings: &Settings, now_ms: u64) {
        let trunks = settings.routing.trunks();
        let Some(place) = settings.standings.0.get(usize::from(self.shard)).filter(|_| !trunks.is_empty())
        else {
            return;
        };
        let targets = trunks.iter().enumerate().flat_map(|(index, trunk)| {
            trunk.targets.iter().enumerate().map(move |(at, target)| ((index, at), target))
        });
        let hops: Vec<(Place, Hop)> = targets
            .flat_map(|(place, target)| self.hops_of(target).into_iter().map(move |hop| (place, hop)))
            .collect();
        self.health.watch.set(hops.iter().map(|(_, hop)| *hop).collect(), trunks.len());
        place.store(Arc::new(Told {
            addresses: hops.iter().map(|(place, hop)| (*place, self.health.standing_of(*hop))).collect(),
            registrations: self.enrolments.standings(settings, now_ms),
            calls: self.health.watch.calls().to_vec(),
        }));
    }

    /// Where a target is, as far as is known; nothing is asked for.
    pub(crate) fn hops_of(&self, target: &Target) -> Vec<Hop> {
        match &target.toward {
            Toward::Address(hop) => vec![Hop { transport: hop.transport, address: hop.address }],
            Toward::Name(wanted) => {
                let found = self.names.last_found(wanted).map(|located| located.order(0)).unwrap_or_default();
                found.into_iter().filter(|hop| Reach::Private.take(hop.address.ip()).is_some()).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(health: Liveness, answer: Option<(u16, u64)>, calls: u64) -> AddressStanding {
        let address = ([192, 0, 2, 9], 5060).into();
        AddressStanding { transport: Transport::Udp, address, health, answer, calls }
    }

    fn joined(one: AddressStanding, other: AddressStanding) -> AddressStanding {
        let [mut forth, mut back] = [one, other];
        forth.join(&other);
        back.join(&one);
        assert_eq!(forth, back, "the order of the shards says nothing");
        forth
    }

    #[test]
    fn who_has_heard_of_it_last_is_right() {
        let up = seen(Liveness::Up { since_ms: 10 }, Some((200, 50)), 2);
        let down =
            |failed_ms| seen(Liveness::Down { since_ms: 20, failed_ms, why: "silence" }, Some((503, 15)), 3);
        let both = joined(up, down(40));
        assert_eq!((both.health, both.answer, both.calls), (up.health, Some((200, 50)), 5));
        assert_eq!(joined(up, down(60)).health, down(60).health);
        let unknown = seen(Liveness::Unknown, None, 0);
        assert_eq!(joined(up, unknown), up);
    }

    #[test]
    fn what_all_say_holds_since_the_first_of_them() {
        let up = |since_ms, at_ms| seen(Liveness::Up { since_ms }, Some((200, at_ms)), 0);
        assert_eq!(joined(up(10, 20), up(15, 30)), up(10, 30));
        let down = |since_ms, failed_ms, why| seen(Liveness::Down { since_ms, failed_ms, why }, None, 0);
        assert_eq!(joined(down(10, 20, "503"), down(12, 30, "silence")), down(10, 30, "503"));
    }
}
