//! Datagrams of strangers as SIP messages: no panic whatever one asks; what is found lies in order within the bytes; an
//! unedited message leaves as it came; a request that passes the checks can be answered.

#![cfg_attr(not(test), no_main)]

#[allow(dead_code, reason = "each target asks for a part of it")]
#[path = "../../protocol/sip/tests/touch/mod.rs"]
mod touch;

use offhook_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| touch::message(bytes));
