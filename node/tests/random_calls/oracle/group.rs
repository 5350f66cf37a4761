//! Groups of targets that share requests by weight: what has one key goes to one target, and when others fail or come back
//! it stays there (the manual's `routes.md`). So of two targets each key always prefers the same one.

use std::collections::{BTreeMap, BTreeSet};

use super::packet::{Packet, user_and_host};
use super::standing::Life;
use super::ways::{Hop, Place};
use super::{Neighbour, Oracle};

/// By what requests are spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    CallId,
    Aor,
    Source,
}

impl Key {
    /// As the configuration says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CallId => "call-id",
            Self::Aor => "aor",
            Self::Source => "source",
        }
    }
}

/// Targets that share requests.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) key: Key,
    pub(crate) weights: BTreeMap<Hop, u32>,
    /// So often each is asked whether it lives, ms.
    pub(crate) check_ms: u64,
}

/// One choice among equals: the weight of who was taken, and all their weights.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    pub(crate) taken: u32,
    pub(crate) among: Vec<u32>,
}

/// Whom each key prefers to whom.
#[derive(Default, Debug)]
pub(super) struct Spread {
    preferred: BTreeMap<String, BTreeSet<(Hop, Hop)>>,
    pub(super) draws: Vec<Draw>,
}

impl<'a> Oracle<'a> {
    /// A target was taken from these places.
    pub(super) fn is_spread(
        &mut self,
        neighbour: &Neighbour,
        (request, source): (&Packet<'a>, String),
        (hop, places): (Hop, &[Place]),
    ) {
        let (Some(group), Some(taken)) = (&neighbour.group, places.iter().find(|place| place.hop == hop))
        else {
            return;
        };
        let key = match group.key {
            Key::CallId => request.value("Call-ID").to_owned(),
            Key::Aor => format!("{:?}", user_and_host(request.uri())),
            Key::Source => source,
        };
        let equal = places.iter().filter(|place| (place.rank, place.life) == (taken.rank, taken.life));
        let equal = equal.filter(|place| !place.is_silent || place.hop == hop);
        let others: Vec<Hop> = equal.map(|place| place.hop).filter(|other| *other != hop).collect();
        if taken.life == Life::Unsure {
            return;
        }
        if !self.spread.preferred.contains_key(&key) && places.iter().all(|place| place.life != Life::Unsure)
        {
            let among = others.iter().chain([&hop]).filter_map(|hop| group.weights.get(hop).copied());
            let taken = group.weights.get(&hop).copied().unwrap_or(0);
            self.spread.draws.push(Draw { taken, among: among.collect() });
        }
        let preferred = self.spread.preferred.entry(key.clone()).or_default();
        let before = others.iter().find(|other| preferred.contains(&(**other, hop))).copied();
        preferred.extend(others.iter().map(|other| (hop, *other)));
        self.expect(
            before.is_none(),
            "routes.md",
            format!("{key} prefers {hop:?} to {before:?}, and once it did not"),
        );
    }
}
