//! Brings messages to one target together, so that they can leave as one (see [`crate::sys::SendBatch`]). Their order is
//! kept; among targets it never meant anything.
//!
//! ```text
//!   targets   A B A C B A   ──►   A A A B B C
//! ```

use std::net::{IpAddr, SocketAddr};

/// Messages that are looked at together: a batch. Those behind come after it, so their order is kept too.
const WINDOW: usize = 64;

/// Numbers of groups and messages below [`WINDOW`]; this is none.
const NONE: u8 = u8::MAX;

/// Room for one window, used again for each.
pub(super) struct Gathering {
    /// By hash of the target: its newest group. A target that is pushed out begins a new one, behind the old one.
    newest: [u8; WINDOW],
    groups: [Group; WINDOW],
    /// By message: the next of its group.
    next: [u8; WINDOW],
    sorted: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Group {
    to: SocketAddr,
    first: u8,
    last: u8,
}

impl Default for Gathering {
    fn default() -> Self {
        let nobody = Group { to: SocketAddr::from(([0; 4], 0)), first: NONE, last: NONE };
        Self { newest: [NONE; WINDOW], groups: [nobody; WINDOW], next: [NONE; WINDOW], sorted: Vec::new() }
    }
}

impl Gathering {
    /// Sorts `messages` by target, a window at a time.
    pub(super) fn gather(&mut self, messages: &mut [usize], target: impl Fn(usize) -> SocketAddr) {
        for window in messages.chunks_mut(WINDOW).filter(|window| window.len() > 1) {
            let groups = self.group(window, &target);
            // All differ, or all are the same: they stand as they should.
            if groups > 1 && groups < window.len() {
                self.write(groups, window);
            }
        }
    }

    fn group(&mut self, window: &[usize], target: &impl Fn(usize) -> SocketAddr) -> usize {
        self.newest.fill(NONE);
        let mut groups = 0;
        for (index, message) in window.iter().enumerate() {
            let to = target(*message);
            let newest = &mut self.newest[slot(&to)];
            self.next[index] = NONE;
            match self.groups.get_mut(usize::from(*newest)) {
                Some(group) if group.to == to => {
                    self.next[usize::from(group.last)] = index as u8;
                    group.last = index as u8;
                }
                _ => {
                    *newest = groups as u8;
                    self.groups[groups] = Group { to, first: index as u8, last: index as u8 };
                    groups += 1;
                }
            }
        }
        groups
    }

    fn write(&mut self, groups: usize, window: &mut [usize]) {
        self.sorted.clear();
        for group in &self.groups[..groups] {
            let mut index = group.first;
            while let Some(message) = window.get(usize::from(index)) {
                self.sorted.push(*message);
                index = self.next[usize::from(index)];
            }
        }
        window.copy_from_slice(&self.sorted);
    }
}

/// A number below [`WINDOW`]. Who chooses addresses that fall together only keeps them from being joined.
fn slot(to: &SocketAddr) -> usize {
    let ip = match to.ip() {
        IpAddr::V4(ip) => u32::from(ip),
        IpAddr::V6(ip) => {
            let bits = u128::from(ip);
            (bits ^ bits >> 32 ^ bits >> 64 ^ bits >> 96) as u32
        }
    };
    (ip ^ u32::from(to.port())).wrapping_mul(0x9e37_79b1) as usize >> 26
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(targets: &[u8]) -> Vec<(u8, usize)> {
        let mut messages: Vec<usize> = (0..targets.len()).collect();
        Gathering::default().gather(&mut messages, |n| SocketAddr::from(([192, 0, 2, targets[n]], 5060)));
        messages.into_iter().map(|n| (targets[n], n)).collect()
    }

    #[test]
    fn equal_targets_come_together() {
        let expected = [(b'A', 0), (b'A', 2), (b'A', 5), (b'B', 1), (b'B', 4), (b'C', 3)];
        assert_eq!(gathered(b"ABACBA"), expected);
    }

    #[test]
    fn what_stands_well_stays() {
        for targets in [&b""[..], b"A", b"AAAA", b"ABCD"] {
            let expected: Vec<_> = targets.iter().copied().zip(0..).collect();
            assert_eq!(gathered(targets), expected);
        }
    }

    /// More messages than a window, more targets than slots: none is lost, and each target's order is kept.
    #[test]
    fn order_is_kept_whatever_falls_together() {
        let targets: Vec<u8> = (0..1000u32).map(|n| (n * n % 251) as u8).collect();
        let sorted = gathered(&targets);
        let mut seen: Vec<usize> = sorted.iter().map(|(_, n)| *n).collect();
        for target in 0..=255u8 {
            let mine: Vec<usize> = sorted.iter().filter(|(to, _)| *to == target).map(|(_, n)| *n).collect();
            assert!(mine.is_sorted(), "target {target}: {mine:?}");
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
    }
}
