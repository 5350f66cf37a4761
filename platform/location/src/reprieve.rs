//! Refreshes that may wait for the log. Nearly every REGISTER says again what is known, for a while longer. Writing each at
//! once costs more than all the rest of it when it comes alone, so the log keeps what was promised in another way:
//!
//! ```text
//!   in the log:  made at R, ends at E          believed after a crash until E + (E − R), an hour longer at most
//!   refreshed:   ends at E', E ≤ E' ≤ that     answered at once, written a second later with others
//! ```
//! So whoever was told 200 is still there after `kill -9`, and so, for a while, is a phone that went away shortly before
//! it: its calls ring in vain until then. What was removed is gone for good, and so is what had ended, once it was swept
//! (see `expiry`). After a server that was stopped in peace everything is as it was.

use crate::binding::{Binding, Bindings};
use crate::record::Payload;

/// A binding is not believed for longer than this beyond its end, ms: phones that register for a day do so rarely.
const REPRIEVE_MAX_MS: u64 = 3_600_000;

/// When a binding was made that has been believed for longer than it said.
const BELIEVED: u64 = 0;

/// How much longer than it says a binding in the log is believed after a crash. Not once more after the next one, unless the
/// phone has been heard of in between.
pub(crate) fn reprieve_ms(binding: &Binding<'_>) -> u64 {
    match binding.registered_at_ms {
        BELIEVED => 0,
        made_ms => binding.expires_at_ms.saturating_sub(made_ms).min(REPRIEVE_MAX_MS),
    }
}

/// Whether the log, which holds `present`, keeps what `next` promises: the same bindings in the same order, each for a
/// while longer.
pub(crate) fn is_kept(present: Payload<'_>, mut next: Bindings<'_>) -> bool {
    let mut present = present.bindings(0);
    loop {
        match (present.next(), next.next()) {
            (Some(old), Some(new)) if is_refresh(&old, &new) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

fn is_refresh(old: &Binding<'_>, new: &Binding<'_>) -> bool {
    old.expires_at_ms <= new.expires_at_ms
        && new.expires_at_ms - old.expires_at_ms <= reprieve_ms(old)
        && timeless(old) == timeless(new)
}

fn timeless<'b>(binding: &Binding<'b>) -> Binding<'b> {
    Binding { cseq: 0, expires_at_ms: 0, registered_at_ms: 0, ..*binding }
}

/// The binding as it is believed after a crash. When it was made is lost: every other one is newer.
pub(crate) fn believed(binding: Binding<'_>) -> Binding<'_> {
    let expires_at_ms = binding.expires_at_ms + reprieve_ms(&binding);
    Binding { expires_at_ms, registered_at_ms: BELIEVED, ..binding }
}
