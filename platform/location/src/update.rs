//! What a caller may do to a record.

use offhook_frames::encoding::{Cursor, put_string};

use crate::binding::{Binding, Bindings};

/// What becomes of the record of an address-of-record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// The pushed bindings take its place; without any, the address-of-record is forgotten.
    Replace,
}

/// The bindings that an address-of-record is to have. Its buffers are used again for each update.
#[derive(Default)]
pub struct Replacement {
    encoded: Vec<u8>,
    body: Vec<u8>,
    count: usize,
    count_max: usize,
}

impl Replacement {
    /// Adds a binding, which may borrow from the present record. Those already expired take room but are never shown.
    pub fn push(&mut self, binding: &Binding<'_>) {
        self.count += 1;
        if self.count <= self.count_max {
            self.body.clear();
            binding.encode(&mut self.body);
            put_string(&mut self.encoded, &self.body);
        }
    }

    /// How many were pushed.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none was pushed.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn clear(&mut self, count_max: usize) {
        self.encoded.clear();
        (self.count, self.count_max) = (0, count_max);
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// All of them, expired or not.
    pub(crate) fn bindings(&self) -> Bindings<'_> {
        Bindings::new(Cursor::new(&self.encoded), self.count, 0)
    }
}
