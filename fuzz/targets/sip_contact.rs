//! Contact values of strangers: no panic; q, reg-id and instance keep their bounds.

#![cfg_attr(not(test), no_main)]

#[allow(dead_code, reason = "each target asks for a part of it")]
#[path = "../../protocol/sip/tests/touch/mod.rs"]
mod touch;

use offhook_fuzz::fuzz_target;

fuzz_target!(|value: &[u8]| touch::contact(value));
