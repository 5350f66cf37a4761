//! URIs of strangers: no panic; a URI equals itself, and its address-of-record is canonical. Two URIs, cut at a line
//! feed, are equal from either side or not at all.

#![cfg_attr(not(test), no_main)]

#[allow(dead_code, reason = "each target asks for a part of it")]
#[path = "../../protocol/sip/tests/touch/mod.rs"]
mod touch;

use offhook_fuzz::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let cut = text.iter().position(|&c| c == b'\n').unwrap_or(text.len());
    let (a, b) = (touch::uri_of(&text[..cut]), touch::uri_of(text.get(cut + 1..).unwrap_or_default()));
    if let (Some(a), Some(b)) = (a, b) {
        assert_eq!(a.matches(&b), b.matches(&a));
    }
});
