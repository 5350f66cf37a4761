//! The first proxy behind a phone that registers elsewhere: RFC 5626 §5.1, RFC 3327 §5.2.

use offhook_proxy::flow_token::PathEntry;
use offhook_sip::{Method, Name, NameAddr};

use crate::relay::Passage;

/// What we put into the Path of a REGISTER that passes through: the flow to the phone, if it speaks to us directly and
/// knows what Path is.
pub(crate) fn path_entry(passage: &Passage<'_, '_, '_>) -> Option<PathEntry> {
    let arrival = passage.arrival;
    if !comes_from_phone(passage) || !says(passage, b"path") {
        return None;
    }
    let registers_flow = |value| {
        let contact = NameAddr::parse(value)?;
        Some(contact.params().has(b"reg-id") && contact.params().has(b"+sip.instance"))
    };
    let flows = arrival.message.values(Name::Contact).any(|value| registers_flow(value) == Some(true));
    Some(PathEntry { flow: arrival.from, outbound: flows && says(passage, b"outbound") })
}

/// RFC 3327 §5.2: the phone does not know Path, and the administrator wants none that could not be reached.
pub(crate) fn lacks_path(passage: &Passage<'_, '_, '_>) -> bool {
    passage.arrival.settings.require_path && comes_from_phone(passage) && !says(passage, b"path")
}

/// Whether this is a REGISTER, straight from a phone.
pub(crate) fn comes_from_phone(passage: &Passage<'_, '_, '_>) -> bool {
    passage.screened.method == Method::Register && passage.arrival.parts.is_first_hop
}

fn says(passage: &Passage<'_, '_, '_>, tag: &[u8]) -> bool {
    let has = |name| passage.arrival.message.option_tags(name).has(tag);
    has(Name::Supported) || has(Name::Require)
}
