//! WWW-Authenticate and Authentication-Info headers of strangers: no panic; a challenge that was read says the same after it was
//! written.

#![cfg_attr(not(test), no_main)]

use offhook_digest::{Challenge, next_nonce};
use offhook_fuzz::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let _ = next_nonce(value);
    let Ok(challenge) = Challenge::parse(value) else { return };
    let mut written = Vec::new();
    challenge.write(&mut written);
    assert!(!written.contains(&b'\n'), "a line ended early");
    assert_eq!(Challenge::parse(&written), Ok(challenge), "read again from {}", written.escape_ascii());
});
