//! What a server transaction remembers of its messages, in one block of the pool:
//!
//! ```text
//!     │ key │ request, if kept │ last response │ room │
//! ```
//!
//! While the request is kept, provisional responses follow each other in the room behind it without another block.
//! When the request is let go, the rest moves to a block that fits.

use crate::{Buffer, Buffers};

#[derive(Debug)]
pub(crate) struct Held {
    block: Buffer,
    request_len: u32,
    key_len: u16,
    /// The status code of the last response kept, 0 if there is none.
    status: u16,
}

impl Held {
    pub(crate) fn new(buffers: &mut Buffers, key: &[u8]) -> Self {
        let key_len = u16::try_from(key.len()).unwrap_or(u16::MAX);
        let key = key.get(..usize::from(key_len)).unwrap_or_default();
        Self { block: buffers.take(key), request_len: 0, key_len, status: 0 }
    }

    /// Keeps the request, in place of any before.
    pub(crate) fn keep_request(&mut self, buffers: &mut Buffers, request: &[u8]) {
        let Ok(request_len) = u32::try_from(request.len()) else { return };
        let pieces = [self.key(), request, self.response()];
        let block =
            buffers.take_with_room(&pieces, RESPONSE_ROOM_BYTES.saturating_sub(self.response().len()));
        buffers.give_back(std::mem::replace(&mut self.block, block));
        self.request_len = request_len;
    }

    /// Keeps a response beside the request.
    pub(crate) fn keep_provisional(&mut self, buffers: &mut Buffers, status: u16, response: &[u8]) {
        self.status = status;
        let kept = usize::from(self.key_len) + self.request_len as usize;
        if !self.block.replace_from(kept, response) {
            let block = buffers.take_with_room(&[self.key(), self.request(), response], 0);
            buffers.give_back(std::mem::replace(&mut self.block, block));
        }
    }

    /// Keeps this response and lets the request go.
    pub(crate) fn keep_final(&mut self, buffers: &mut Buffers, status: u16, response: &[u8]) {
        let block = buffers.take_with_room(&[self.key(), response], 0);
        buffers.give_back(std::mem::replace(&mut self.block, block));
        self.request_len = 0;
        self.status = status;
    }

    /// Lets everything go but the key.
    pub(crate) fn keep_nothing(&mut self, buffers: &mut Buffers, status: u16) {
        if self.block.len() > usize::from(self.key_len) {
            self.keep_final(buffers, status, &[]);
        }
        self.status = status;
    }

    pub(crate) fn give_back(self, buffers: &mut Buffers) {
        buffers.give_back(self.block);
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.block.as_slice().get(..usize::from(self.key_len)).unwrap_or_default()
    }

    pub(crate) fn request(&self) -> &[u8] {
        let behind_key = self.block.as_slice().get(usize::from(self.key_len)..).unwrap_or_default();
        behind_key.get(..self.request_len as usize).unwrap_or_default()
    }

    pub(crate) fn response(&self) -> &[u8] {
        self.block.as_slice().get(usize::from(self.key_len) + self.request_len as usize..).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }
}

/// Room left behind a request: a 100 or 180 with the Vias of a few hops fits. A longer one moves the whole block.
const RESPONSE_ROOM_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_found_again() {
        let mut pool = Buffers::default();
        let mut held = Held::new(&mut pool, b"key");
        assert_eq!(
            (held.key(), held.request(), held.response(), held.status()),
            (&b"key"[..], &b""[..], &b""[..], 0)
        );
        held.keep_provisional(&mut pool, 100, b"trying");
        held.keep_request(&mut pool, b"INVITE bob");
        assert_eq!((held.request(), held.response()), (&b"INVITE bob"[..], &b"trying"[..]));
        held.keep_provisional(&mut pool, 180, b"ringing");
        assert_eq!(
            (held.request(), held.response(), held.status()),
            (&b"INVITE bob"[..], &b"ringing"[..], 180)
        );
        held.keep_provisional(&mut pool, 183, &[b'x'; 3_000]);
        assert_eq!((held.request(), held.response().len()), (&b"INVITE bob"[..], 3_000));
        held.keep_final(&mut pool, 486, b"busy");
        assert_eq!((held.key(), held.request(), held.response()), (&b"key"[..], &b""[..], &b"busy"[..]));
        held.keep_nothing(&mut pool, 486);
        assert_eq!((held.key(), held.response(), held.status()), (&b"key"[..], &b""[..], 486));
        assert_eq!(pool.live(), 1);
        held.give_back(&mut pool);
        assert_eq!(pool.live(), 0);
    }

    #[test]
    fn a_finished_one_needs_no_more_than_its_key_and_response() {
        let mut pool = Buffers::default();
        let mut held = Held::new(&mut pool, &[b'k'; 58]);
        held.keep_request(&mut pool, &[b'r'; 900]);
        assert_eq!(pool.live_bytes(), 1_536);
        held.keep_provisional(&mut pool, 180, &[b'p'; 450]);
        assert_eq!(pool.live_bytes(), 1_536);
        held.keep_final(&mut pool, 486, &[b'f'; 450]);
        assert_eq!(pool.live_bytes(), 512);
        held.keep_nothing(&mut pool, 486);
        assert_eq!(pool.live_bytes(), 64);
        held.give_back(&mut pool);
    }
}
