//! Parameters of Accept-Contact against those of Contact, both by strangers: no panic, and what is found is never more than
//! what is wanted.

#![cfg_attr(not(test), no_main)]

#[allow(dead_code, reason = "each target asks for a part of it")]
#[path = "../../protocol/sip/tests/touch/mod.rs"]
mod touch;

use offhook_fuzz::fuzz_target;

fuzz_target!(|lines: &[u8]| {
    let (wanted, capable) = lines.split_at(lines.iter().position(|&c| c == b'\n').unwrap_or(lines.len()));
    touch::features(wanted, capable);
});
