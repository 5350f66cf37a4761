//! From, To and Route values of strangers: no panic; what was read has legal parameters, its tag is not empty.

#![cfg_attr(not(test), no_main)]

#[allow(dead_code, reason = "each target asks for a part of it")]
#[path = "../../protocol/sip/tests/touch/mod.rs"]
mod touch;

use offhook_fuzz::fuzz_target;

fuzz_target!(|value: &[u8]| touch::name_addr(value));
