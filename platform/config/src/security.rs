//! `[security]`: the keys of what the server writes into messages.

use crate::table::section;

section! {
    /// What the server does for its own safety.
    pub struct Security {
        /// How long a key seals, in seconds, before the next one takes over; it opens for as long again. What the server
        /// remembers about a call travels in its messages under such a key: a call of this length never breaks, one of
        /// twice this length may no longer be hung up properly.
        seal_rotation_s: u64 = 172_800, within 86_400..=31_536_000,
            because "calls of two days are safe, and a key that was stolen is worthless after four";
    }
}
