//! How wide a request may spread: Max-Breadth, RFC 5393 §5.3.3.

use offhook_sip::Name;

use crate::relay::Passage;

/// Copies that one request may become, all hops together, where nobody said: RFC 5393 §5.3.3.
const MAX_BREADTH_DEFAULT: u32 = 60;

/// How many of the next `wanted` targets may ring together, and the Max-Breadth of each copy (RFC 5393 §5.3.3): where
/// there is not enough for all, the others wait.
pub(crate) fn breadth(passage: &Passage<'_, '_, '_>, wanted: usize) -> (usize, Option<u32>) {
    let written = passage.arrival.message.seconds(Name::MaxBreadth).ok().flatten();
    if written.is_none() && wanted < 2 {
        return (wanted, None);
    }
    let total = written.unwrap_or(MAX_BREADTH_DEFAULT).max(1);
    let copies = wanted.min(total as usize);
    (copies, Some(total / copies.max(1) as u32))
}
