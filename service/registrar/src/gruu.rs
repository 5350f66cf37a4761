//! GRUUs: names that lead to one device of a user, wherever it is (RFC 5627). Nothing is remembered for them.
//!
//! ```text
//!   public      sip:alice@example.org;gr=urn:uuid:f81d4fae-…     the address-of-record and the device's name
//!   temporary   sip:tgruu.TOKEN@example.org;gr                   both, sealed: says nothing about whose it is
//! ```
//! A temporary one holds when it was given, and each binding since when its device has registered under one Call-ID: when it
//! takes another one, names from before lead nowhere (§5.1), and never will again. Its key never changes, for a temporary
//! GRUU counts as long as the device stays registered (§4.2), which may be months.

use std::hash::Hasher;

use offhook_location::Binding;
use offhook_seal::{Purpose, STATE_BYTES_MAX, Seals};
use offhook_sip::Uri;
use siphasher::sip::SipHasher24;

/// How the user part of a temporary GRUU begins.
const TEMPORARY: &[u8] = b"tgruu.";

/// What a time has in a token: enough for nine thousand years.
const TIME_BYTES: usize = 6;

/// Instance, time, and what tells apart the names of one instant, in a token before the user.
const FACTS_BYTES: usize = 8 + TIME_BYTES + 8;

/// Writes the public GRUU of a binding with an instance (§5.4).
pub fn write_public(aor: &[u8], binding: &Binding<'_>, out: &mut Vec<u8>) {
    write_scheme(binding, out);
    out.extend_from_slice(aor);
    out.extend_from_slice(b";gr=");
    for &c in bare(binding.instance) {
        if c.is_ascii_alphanumeric() || b"-_.!~*'():[]/&+$".contains(&c) {
            out.push(c);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(c >> 4)], HEX[usize::from(c & 15)]]);
        }
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Writes a temporary GRUU of a binding with an instance; another one for each refresh. `None`: the user's name is too
/// long, and what was written is no GRUU.
pub fn write_temporary(seals: &Seals, aor: &[u8], binding: &Binding<'_>, out: &mut Vec<u8>) -> Option<()> {
    let at = aor.iter().position(|&c| c == b'@')?;
    let (user, domain) = (aor.get(..at)?, aor.get(at + 1..)?);
    let mut state = [0; STATE_BYTES_MAX];
    let end = FACTS_BYTES + user.len();
    let given_at_ms = binding.registered_at_ms.max(binding.began_at_ms).to_le_bytes();
    state[..8].copy_from_slice(&hash(&[binding.instance]));
    state[8..8 + TIME_BYTES].copy_from_slice(&given_at_ms[..TIME_BYTES]);
    state[8 + TIME_BYTES..FACTS_BYTES]
        .copy_from_slice(&hash(&[binding.call_id, &binding.cseq.to_le_bytes()]));
    state.get_mut(FACTS_BYTES..end)?.copy_from_slice(user);
    write_scheme(binding, out);
    out.extend_from_slice(TEMPORARY);
    seals.seal(Purpose::Gruu, &[domain], &state[..end], out)?;
    out.push(b'@');
    out.extend_from_slice(domain);
    out.extend_from_slice(b";gr");
    Some(())
}

/// A device that a GRUU names.
#[derive(Clone, Copy, Debug)]
pub struct Gruu<'a> {
    device: Device<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Device<'a> {
    /// By the value of `gr`, escapes and all.
    Public(&'a [u8]),
    Temporary {
        instance: [u8; 8],
        given_at_ms: u64,
    },
}

/// Whether this URI of a domain of ours is a GRUU, or pretends to be one (§6.1).
pub fn is_gruu(uri: &Uri<'_>) -> bool {
    uri.params().has(b"gr")
}

impl<'a> Gruu<'a> {
    /// Reads a GRUU of `domain`, and writes the address-of-record it belongs to. `None`: nobody has been given this one.
    pub fn read(uri: &Uri<'a>, domain: &str, seals: &Seals, aor: &mut Vec<u8>) -> Option<Self> {
        aor.clear();
        if let Some(value) = uri.params().value(b"gr") {
            uri.write_aor(offhook_sip::Host::Name(domain.as_bytes()), aor)?;
            return Some(Self { device: Device::Public(value) });
        }
        let token = uri.user?.strip_prefix(TEMPORARY)?;
        let state = seals.open(Purpose::Gruu, &[domain.as_bytes()], token)?;
        let (facts, user) = state.as_bytes().split_at_checked(FACTS_BYTES)?;
        aor.extend_from_slice(user);
        aor.push(b'@');
        aor.extend_from_slice(domain.as_bytes());
        let mut given_at_ms = [0; 8];
        given_at_ms[..TIME_BYTES].copy_from_slice(facts.get(8..8 + TIME_BYTES)?);
        let instance = facts.get(..8)?.try_into().ok()?;
        Some(Self { device: Device::Temporary { instance, given_at_ms: u64::from_le_bytes(given_at_ms) } })
    }

    /// How a binding of the address-of-record stands to this GRUU.
    pub fn fits(&self, binding: &Binding<'_>) -> Fit {
        let fits = |same: bool| if same { Fit::Yes } else { Fit::OtherDevice };
        match self.device {
            _ if binding.instance.is_empty() => Fit::OtherDevice,
            Device::Public(value) => fits(is_same_name(value, bare(binding.instance))),
            Device::Temporary { instance, .. } if instance != hash(&[binding.instance]) => Fit::OtherDevice,
            Device::Temporary { given_at_ms, .. } if given_at_ms < binding.began_at_ms => Fit::Outdated,
            Device::Temporary { .. } => Fit::Yes,
        }
    }
}

/// What [`Gruu::fits`] finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fit {
    /// It leads there.
    Yes,
    /// It is another device.
    OtherDevice,
    /// The device has begun a new registration since (§5.1): the GRUU is not valid any more.
    Outdated,
}

fn write_scheme(binding: &Binding<'_>, out: &mut Vec<u8>) {
    let is_secure = binding.contact.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"));
    out.extend_from_slice(if is_secure { b"sips:" } else { b"sip:" });
}

/// An instance without its angle brackets.
fn bare(instance: &[u8]) -> &[u8] {
    let inner = instance.strip_prefix(b"<").and_then(|text| text.strip_suffix(b">"));
    inner.unwrap_or(instance)
}

/// Whether an escaped value is this text; the case of letters says nothing in a URN's first parts nor in a UUID.
fn is_same_name(mut escaped: &[u8], name: &[u8]) -> bool {
    let mut next = || {
        let (&first, rest) = escaped.split_first()?;
        escaped = rest;
        let [high, low, rest @ ..] = escaped else { return Some(first) };
        let digit = |c: u8| char::from(c).to_digit(16);
        let (b'%', Some(high), Some(low)) = (first, digit(*high), digit(*low)) else { return Some(first) };
        escaped = rest;
        Some((high << 4 | low) as u8)
    };
    name.iter().all(|c| next().is_some_and(|n| n.eq_ignore_ascii_case(c))) && next().is_none()
}

/// Sealed beside what it stands for, so it needs no key: it only tells texts apart.
fn hash(parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = SipHasher24::new();
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish().to_le_bytes()
}
