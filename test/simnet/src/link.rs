//! What happens to a packet on the way from one node to another.

use std::collections::{BTreeMap, BTreeSet};

use crate::{NodeId, Rng};

/// How much later than the others a reordered datagram comes, at most.
const HOLD_BACK_MAX_MS: u64 = 30;

/// One direction of a path. The default is perfect and takes no time, so that timers show their exact values.
///
/// Datagrams keep their order even with jitter, unless [`Link::reorder`] picks one. Streams never lose nor reorder:
/// there, a loss costs one [`Link::RETRANSMIT_MS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    delay_min_ms: u64,
    delay_max_ms: u64,
    loss_permille: u32,
    duplicate_permille: u32,
    reorder_permille: u32,
}

impl Link {
    /// What a lost segment adds to a stream's delay: the usual minimum of TCP's retransmission timer.
    pub const RETRANSMIT_MS: u64 = 200;

    /// A perfect link without delay.
    pub fn new() -> Self {
        Self::default()
    }

    /// Each packet takes between `min` and `max` milliseconds.
    pub fn delay_ms(self, min: u64, max: u64) -> Self {
        Self { delay_min_ms: min, delay_max_ms: max.max(min), ..self }
    }

    /// This many of a thousand packets are lost.
    pub fn loss(self, permille: u32) -> Self {
        Self { loss_permille: permille, ..self }
    }

    /// This many of a thousand datagrams arrive twice.
    pub fn duplicate(self, permille: u32) -> Self {
        Self { duplicate_permille: permille, ..self }
    }

    /// This many of a thousand datagrams are overtaken by others sent up to 30 ms later.
    pub fn reorder(self, permille: u32) -> Self {
        Self { reorder_permille: permille, ..self }
    }

    fn delay(&self, rng: &mut Rng) -> u64 {
        rng.between(self.delay_min_ms, self.delay_max_ms)
    }
}

type Direction = (NodeId, NodeId);
type Mutator = Box<dyn FnMut(&mut Rng, &mut Vec<u8>)>;

/// All links, which of them are cut, and who tampers with what passes.
#[derive(Default)]
pub(crate) struct Links {
    pub(crate) default: Link,
    special: BTreeMap<Direction, Link>,
    cut: BTreeSet<Direction>,
    last_arrival_ms: BTreeMap<Direction, u64>,
    mutators: BTreeMap<Direction, Mutator>,
}

impl Links {
    pub(crate) fn set(&mut self, direction: Direction, link: Link) {
        self.special.insert(direction, link);
    }

    pub(crate) fn set_cut(&mut self, direction: Direction, cut: bool) {
        if cut {
            self.cut.insert(direction);
        } else {
            self.cut.remove(&direction);
        }
    }

    pub(crate) fn set_mutator(&mut self, direction: Direction, mutator: Mutator) {
        self.mutators.insert(direction, mutator);
    }

    pub(crate) fn is_cut(&self, direction: Direction) -> bool {
        self.cut.contains(&direction)
    }

    pub(crate) fn mutate(&mut self, direction: Direction, rng: &mut Rng, bytes: &mut Vec<u8>) {
        if let Some(mutator) = self.mutators.get_mut(&direction) {
            mutator(rng, bytes);
        }
    }

    /// When the copies of one datagram arrive: none if it is lost, two if it is duplicated.
    pub(crate) fn datagram(&mut self, direction: Direction, now_ms: u64, rng: &mut Rng) -> Vec<u64> {
        let link = self.special.get(&direction).unwrap_or(&self.default).clone();
        if rng.permille(link.loss_permille) {
            return Vec::new();
        }
        let copies = if rng.permille(link.duplicate_permille) { 2 } else { 1 };
        (0..copies).map(|_| self.one_arrival(direction, &link, now_ms, rng)).collect()
    }

    /// How long one segment of a stream takes, lost tries included.
    pub(crate) fn segment_delay_ms(&self, direction: Direction, rng: &mut Rng) -> u64 {
        let link = self.special.get(&direction).unwrap_or(&self.default);
        let mut delay_ms = link.delay(rng);
        // A link that loses everything is a cut, which streams know otherwise; here we only bound the tries.
        let tries = (0..10).take_while(|_| rng.permille(link.loss_permille)).count() as u64;
        delay_ms += tries * Link::RETRANSMIT_MS;
        delay_ms
    }

    fn one_arrival(&mut self, direction: Direction, link: &Link, now_ms: u64, rng: &mut Rng) -> u64 {
        let at_ms = now_ms + link.delay(rng);
        if rng.permille(link.reorder_permille) {
            return at_ms + rng.between(1, HOLD_BACK_MAX_MS);
        }
        let last = self.last_arrival_ms.entry(direction).or_default();
        *last = at_ms.max(*last);
        *last
    }
}
