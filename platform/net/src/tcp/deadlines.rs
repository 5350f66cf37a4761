//! When to look at which connection.
//!
//! A connection's deadline moves with every message. Instead of moving an entry each time, one look is planned, and
//! when it comes the connection says whether its time is over or a new look is due. Only a deadline that moves nearer
//! needs a new entry; the old one is then stale and ignored.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::ConnectionId;

/// Looks are planned for multiples of this, milliseconds, so that thousands of connections wake the loop at most
/// 16 times a second. A limit is exceeded by up to this much.
const GRAIN_MS: u64 = 64;

/// The farthest look, milliseconds. It bounds how long a stale entry stays, so that a connection whose deadline jumps
/// to and fro has two or three entries, not hundreds.
const FARTHEST_MS: u64 = 60_000;

/// Entries are (due, index, generation), the earliest first.
#[derive(Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(u64, u32, u32)>>);

impl Deadlines {
    /// Plans a look for a deadline, unless one is `planned_ms` early enough; says for when.
    pub(super) fn push(
        &mut self,
        deadline_ms: u64,
        now_ms: u64,
        id: ConnectionId,
        planned_ms: Option<u64>,
    ) -> Option<u64> {
        let due_ms = deadline_ms.min(now_ms + FARTHEST_MS).next_multiple_of(GRAIN_MS);
        if planned_ms.is_some_and(|planned| planned <= due_ms) {
            return None;
        }
        self.0.push(Reverse((due_ms, id.index, id.generation)));
        Some(due_ms)
    }

    /// The next look that is due.
    pub(super) fn pop(&mut self, now_ms: u64) -> Option<(u64, ConnectionId)> {
        let Reverse((due_ms, index, generation)) = *self.0.peek()?;
        if due_ms > now_ms {
            return None;
        }
        self.0.pop();
        Some((due_ms, ConnectionId { index, generation }))
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.0.peek().map(|Reverse((due_ms, ..))| *due_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: ConnectionId = ConnectionId::new(0, 1, 1);
    const BOB: ConnectionId = ConnectionId::new(0, 2, 1);

    #[test]
    fn looks_come_in_the_order_of_their_time_and_never_early() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.push(6_401, 0, ALICE, None), Some(6_464));
        assert_eq!(deadlines.push(640, 0, BOB, None), Some(640));
        assert_eq!((deadlines.next_ms(), deadlines.pop(639)), (Some(640), None));
        assert_eq!(deadlines.pop(640), Some((640, BOB)));
        assert_eq!(deadlines.pop(100_000), Some((6_464, ALICE)));
        assert_eq!(deadlines.next_ms(), None);
    }

    #[test]
    fn a_later_deadline_needs_no_new_look() {
        let mut deadlines = Deadlines::default();
        let planned = deadlines.push(640, 0, ALICE, None);
        assert_eq!(deadlines.push(1_280, 0, ALICE, planned), None);
        assert_eq!(deadlines.push(320, 0, ALICE, planned), Some(320));
    }

    #[test]
    fn a_far_deadline_is_looked_at_on_the_way() {
        let due_ms = Deadlines::default().push(900_000, 0, ALICE, None).unwrap();
        assert!((FARTHEST_MS..FARTHEST_MS + GRAIN_MS).contains(&due_ms));
    }
}
