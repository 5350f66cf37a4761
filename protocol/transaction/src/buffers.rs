//! A pool of byte blocks in size classes, for messages that outlive their receive buffer.
//!
//! Classes go up by quarters of a power of two (64, 80, 96, 112, 128, 160, …, 65536), as the common allocators' do: at
//! most a fifth of a block is unused. A given-back block waits for the next taker of its class; each class keeps a
//! bounded number, so after a burst the rest returns to the allocator, and in steady state the allocator is not asked.

/// Bytes in a block of the pool. A handle is 16 bytes: the length in use stands at the head of the block.
///
/// Give it back with [`Buffers::give_back`]; one that is dropped returns its memory, but the pool goes on counting it.
#[derive(Default, Debug)]
pub struct Buffer {
    block: Box<[u8]>,
}

impl Buffer {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self.block.split_first_chunk::<HEAD_BYTES>() {
            Some((head, body)) => body.get(..u32::from_le_bytes(*head) as usize).unwrap_or_default(),
            None => &[],
        }
    }

    /// How many bytes are in use.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether no byte is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `bytes` behind the first `keep` ones, if the block has room; otherwise nothing changes.
    #[must_use]
    pub fn replace_from(&mut self, keep: usize, bytes: &[u8]) -> bool {
        let keep = keep.min(self.len());
        let Some((head, body)) = self.block.split_first_chunk_mut::<HEAD_BYTES>() else {
            return bytes.is_empty();
        };
        let end = keep + bytes.len();
        let (Some(place), Ok(len)) = (body.get_mut(keep..end), u32::try_from(end)) else { return false };
        place.copy_from_slice(bytes);
        *head = len.to_le_bytes();
        true
    }
}

/// The pool.
#[derive(Debug)]
pub struct Buffers {
    idle: [Vec<Box<[u8]>>; CLASSES],
    live: usize,
    live_bytes: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { idle: [const { Vec::new() }; CLASSES], live: 0, live_bytes: 0 }
    }
}

impl Buffers {
    /// What each class may keep unused, in bytes: at 512 bytes each, enough for a thousand transactions that end at
    /// once before as many others begin. All 41 classes together then keep at most 21 MB.
    pub const IDLE_BYTES_PER_CLASS_MAX: usize = 512 * 1024;

    /// The largest block kept, the size of the largest datagram. Larger ones come from the allocator and go back to it.
    pub const POOLED_BYTES_MAX: usize = 65_536;

    /// A copy of these bytes.
    pub fn take(&mut self, bytes: &[u8]) -> Buffer {
        self.take_with_room(&[bytes], 0)
    }

    /// A copy of these pieces, one after another, with room for so many bytes more.
    pub fn take_with_room(&mut self, pieces: &[&[u8]], room: usize) -> Buffer {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        if bytes + room == 0 {
            return Buffer::default();
        }
        let mut buffer = Buffer { block: self.block(HEAD_BYTES + bytes + room) };
        let mut end = 0;
        let mut fits = buffer.clear();
        for piece in pieces {
            fits &= buffer.replace_from(end, piece);
            end += piece.len();
        }
        debug_assert!(fits, "the block was chosen for these pieces");
        buffer
    }

    /// Takes a buffer back; an empty one is welcome, too.
    pub fn give_back(&mut self, buffer: Buffer) {
        let bytes = buffer.block.len();
        if bytes == 0 {
            return;
        }
        self.live = self.live.saturating_sub(1);
        self.live_bytes = self.live_bytes.saturating_sub(bytes);
        let Some(idle) = class_of(bytes).and_then(|class| self.idle.get_mut(class)) else { return };
        if (idle.len() + 1) * bytes <= Self::IDLE_BYTES_PER_CLASS_MAX {
            idle.push(buffer.block);
        }
    }

    /// How many buffers are out.
    pub fn live(&self) -> usize {
        self.live
    }

    /// How many bytes the blocks have that are out.
    pub fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// How many bytes wait for reuse.
    pub fn idle_bytes(&self) -> usize {
        self.idle.iter().flatten().map(|block| block.len()).sum()
    }

    fn block(&mut self, bytes: usize) -> Box<[u8]> {
        let class = class_of(bytes);
        let reused = class.and_then(|class| self.idle.get_mut(class)).and_then(Vec::pop);
        let block = reused.unwrap_or_else(|| vec![0; class.map_or(bytes, class_bytes)].into_boxed_slice());
        self.live += 1;
        self.live_bytes += block.len();
        block
    }
}

impl Buffer {
    fn clear(&mut self) -> bool {
        match self.block.first_chunk_mut::<HEAD_BYTES>() {
            Some(head) => *head = [0; HEAD_BYTES],
            None => return false,
        }
        true
    }
}

/// The length in use, as a `u32`.
const HEAD_BYTES: usize = size_of::<u32>();

/// The smallest class: 2^6 bytes.
const SMALLEST_LOG2: usize = 6;

/// 64, and four steps for each of the ten doublings up to 65,536.
const CLASSES: usize = 41;

/// The smallest class whose blocks have so many bytes.
fn class_of(bytes: usize) -> Option<usize> {
    if bytes > Buffers::POOLED_BYTES_MAX {
        return None;
    }
    let Some(last) = bytes.checked_sub(1).filter(|&last| last >> SMALLEST_LOG2 > 0) else { return Some(0) };
    let log2 = last.ilog2() as usize;
    let quarter = (last >> (log2 - 2)) & 3;
    Some((log2 - SMALLEST_LOG2) * 4 + quarter + 1)
}

/// How many bytes the blocks of a class have.
fn class_bytes(class: usize) -> usize {
    match class.checked_sub(1) {
        None => 1 << SMALLEST_LOG2,
        Some(step) => (5 + step % 4) << (SMALLEST_LOG2 - 2 + step / 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_go_up_by_quarters() {
        let sizes: Vec<usize> = (0..CLASSES).map(class_bytes).collect();
        assert_eq!(sizes[..10], [64, 80, 96, 112, 128, 160, 192, 224, 256, 320]);
        assert_eq!(sizes[CLASSES - 1], Buffers::POOLED_BYTES_MAX);
        assert!(sizes.is_sorted());
    }

    #[test]
    fn each_size_gets_the_smallest_class_that_holds_it() {
        for bytes in 0..=Buffers::POOLED_BYTES_MAX {
            let class = class_of(bytes).unwrap();
            assert!(class_bytes(class) >= bytes, "{bytes}");
            assert!(class == 0 || class_bytes(class - 1) < bytes, "{bytes}");
        }
        assert_eq!(class_of(Buffers::POOLED_BYTES_MAX + 1), None);
    }

    #[test]
    fn bytes_come_back_as_they_went_in() {
        let mut pool = Buffers::default();
        for len in [0, 1, 59, 60, 61, 450, 65_531, 65_532, 65_533, 200_000] {
            let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let buffer = pool.take(&bytes);
            assert_eq!(buffer.as_slice(), bytes);
            pool.give_back(buffer);
            assert_eq!((pool.live(), pool.live_bytes()), (0, 0));
        }
    }

    #[test]
    fn a_reused_block_shows_nothing_of_its_past() {
        let mut pool = Buffers::default();
        let secret = pool.take(b"Authorization: Digest");
        let address = secret.block.as_ptr();
        pool.give_back(secret);
        let next = pool.take(b"200");
        assert_eq!((next.as_slice(), next.block.as_ptr()), (&b"200"[..], address));
    }

    #[test]
    fn the_tail_is_replaced_while_there_is_room() {
        let mut pool = Buffers::default();
        let mut buffer = pool.take_with_room(&[b"key", b"request"], 8);
        assert_eq!(buffer.as_slice(), b"keyrequest");
        assert!(buffer.replace_from(10, b"100"));
        assert!(buffer.replace_from(10, b"180!"));
        assert_eq!(buffer.as_slice(), b"keyrequest180!");
        assert!(buffer.replace_from(3, b""));
        assert_eq!(buffer.as_slice(), b"key");
        assert!(!buffer.replace_from(3, &[0; 100]), "no room");
        assert_eq!(buffer.as_slice(), b"key");
        assert!(!Buffer::default().replace_from(0, b"x"));
        pool.give_back(buffer);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut pool = Buffers::default();
        let many: Vec<Buffer> = (0..5_000).map(|_| pool.take(&[0; 500])).collect();
        assert_eq!((pool.live(), pool.live_bytes()), (5_000, 5_000 * 512));
        many.into_iter().for_each(|buffer| pool.give_back(buffer));
        assert_eq!(pool.idle_bytes(), Buffers::IDLE_BYTES_PER_CLASS_MAX);
        assert_eq!(pool.live(), 0);
    }
}
