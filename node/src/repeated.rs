//! INVITEs inside dialogs that were repeated with credentials: what follows from them (ACK, PRACK) must have the number of
//! the try that went through, and Record-Route, which remembers it of the first INVITE, cannot be changed any more.

use std::collections::VecDeque;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// INVITEs that are remembered. Few providers ask for credentials within a call at all; beyond this the oldest is
/// forgotten, and its ACK has the number of the first try.
const REPEATED_MAX: usize = 4_096;

/// The INVITEs of one shard.
#[derive(Debug)]
pub(crate) struct Repeated {
    key: [u8; 16],
    list: VecDeque<One>,
}

#[derive(Clone, Copy, Debug)]
struct One {
    name: u64,
    tries: u8,
    until_ms: u64,
}

impl Repeated {
    /// None yet.
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { key, list: VecDeque::new() }
    }

    /// An INVITE was repeated for so often; `for_ms`: as long as its answer may still be acknowledged.
    pub(crate) fn note(&mut self, now_ms: u64, for_ms: u64, invite: Invite<'_>, tries: u8) {
        self.list.retain(|one| now_ms < one.until_ms);
        if self.list.len() >= REPEATED_MAX {
            self.list.pop_front();
        }
        self.list.push_back(One { name: self.name(invite), tries, until_ms: now_ms + for_ms });
    }

    /// How often it was.
    pub(crate) fn tries(&self, now_ms: u64, invite: Invite<'_>) -> Option<u8> {
        if self.list.is_empty() {
            return None;
        }
        let name = self.name(invite);
        self.list.iter().rev().find(|one| one.name == name && now_ms < one.until_ms).map(|one| one.tries)
    }

    fn name(&self, (call_id, from_tag, number): Invite<'_>) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        for part in [call_id, from_tag] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.write_u32(number);
        hasher.finish()
    }
}

/// Call-ID, From tag and number, as its sender wrote them.
pub(crate) type Invite<'a> = (&'a [u8], &'a [u8], u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_try_counts_for_a_while() {
        let mut repeated = Repeated::new([1; 16]);
        let invite: Invite<'_> = (b"call", b"tag", 7);
        assert_eq!(repeated.tries(0, invite), None);
        repeated.note(0, 100, invite, 1);
        repeated.note(1, 100, invite, 2);
        assert_eq!(repeated.tries(2, invite), Some(2));
        assert_eq!(repeated.tries(2, (b"call", b"tag", 8)), None);
        assert_eq!(repeated.tries(101, invite), None);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut repeated = Repeated::new([1; 16]);
        for number in 0..REPEATED_MAX as u32 + 10 {
            repeated.note(0, 100, (b"call", b"tag", number), 1);
        }
        assert_eq!(repeated.list.len(), REPEATED_MAX);
        assert_eq!(repeated.tries(0, (b"call", b"tag", 9)), None, "the oldest went first");
        assert_eq!(repeated.tries(0, (b"call", b"tag", 10)), Some(1));
    }
}
