//! `[identity]`: what is said about callers, RFC 3325.

use crate::table::section;

section! {
    /// What is said about who calls (P-Asserted-Identity, RFC 3325); [identity.md](identity.md). Whom we believe stands with
    /// each `[[trunk]]`: `trusted`.
    pub struct Identity {
        /// Whether everybody is told the account of a caller who has proved it, not trusted trunks alone. Who wishes
        /// privacy is never shown to others.
        assert_everywhere: bool = false,
            because "the From of a user of ours is proved already, and phones show it";
    }
}
