//! `[session_timer]`: calls that end though nobody says so, RFC 4028.

use crate::table::section;

section! {
    /// Session timers (RFC 4028): phones say every now and then that a call goes on, and hang up where the other one does
    /// not; [session-timers.md](session-timers.md).
    pub struct SessionTimer {
        /// Whether the server asks the two phones of a call for a session timer. Where they agree on one by themselves, it
        /// passes and is noted in the call's record, whatever stands here.
        enabled: bool = false,
            because "a call that nobody ends costs nothing here, its record ends by `call_max_s`, and a phone that renews wrongly is cut off while it speaks";
        /// The interval that is asked for, in seconds; a longer one that a phone proposes is lowered to it, a shorter one
        /// stays.
        expires_s: u32 = 1_800, within 90..=86_400,
            because "RFC 4028 §4 recommends half an hour";
        /// The shortest interval that is let through, in seconds: Min-SE. A phone that proposes less is answered 422 and
        /// asks again for more.
        min_s: u32 = 90, within 90..=86_400,
            because "RFC 4028 §5 allows none below, and phones that find it too short for them say so themselves";
    }
}
