//! `[messages]`: what is kept for those who cannot be reached.

use crate::table::section;

section! {
    /// Messages (MESSAGE, RFC 3428) that reach no device are kept and delivered when one registers;
    /// [messages.md](messages.md). Only messages of users who have proved who they are and of neighbours with a
    /// `[[trunk]]` are.
    pub struct Messages {
        /// Whether messages are kept at all. Those that cannot be delivered are refused otherwise.
        keep: bool = true,
            because "who writes to somebody that is not there means him to read it later";
        /// How long one is kept, in seconds, if its sender does not want it to expire before (Expires).
        keep_s: u64 = 604_800, within 60..=31_536_000,
            because "whoever was on holiday for a week still reads what was written last";
        /// Bytes of one message with its headers; a larger one is answered 413 when it would have to be kept.
        message_bytes_max: usize = 16_384, within 1_300..=60_000,
            because "RFC 3428 §8 wants no more than 1,300 on the way, and browsers send more over their connections";
        /// Messages that may wait for one account; one more is answered 480.
        per_account_max: usize = 200, within 1..=100_000,
            because "more than anybody reads when he comes back";
        /// Bytes that may wait for one account.
        per_account_bytes_max: u64 = 1_048_576, within 1_300..=1_073_741_824,
            because "two hundred long messages, and a phone takes them in a few seconds";
        /// Messages of one sender that may wait, whoever they are for; one more is answered 403.
        per_sender_max: usize = 2_000, within 1..=10_000_000,
            because "a message to everybody in the company passes, and one account cannot fill the store";
        /// Messages that may wait altogether; one more is answered 503.
        messages_max: usize = 100_000, within 1..=100_000_000,
            because "each takes about a kilobyte on disk and some 100 bytes in memory";
        /// Bytes that may wait altogether.
        bytes_max: u64 = 268_435_456, within 1_300..=1_099_511_627_776,
            because "the disk is not filled by what nobody reads";
        /// From the first delivery that failed to the next, in seconds; doubled with each failure up to an hour. A
        /// registration makes it sooner, but not within ten seconds of the failure.
        retry_after_s: u64 = 30, within 10..=3_600,
            because "a phone that was out of reach in a lift is back by then";
        /// Whether a MESSAGE needs no credentials when it comes over the very flow by which a device of its sender has
        /// registered: its connection, or its address and port.
        from_registered_flows: bool = false,
            because "who can forge a phone's address can write in its name over UDP; some phones (baresip) do not answer a challenge to MESSAGE and need it";
    }
}
