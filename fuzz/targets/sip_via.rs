//! Via values of strangers: no panic; with `received` and `rport` filled in it is a Via again, with the same branch.

#![cfg_attr(not(test), no_main)]

#[allow(dead_code, reason = "each target asks for a part of it")]
#[path = "../../protocol/sip/tests/touch/mod.rs"]
mod touch;

use offhook_fuzz::fuzz_target;

fuzz_target!(|value: &[u8]| touch::via(value));
