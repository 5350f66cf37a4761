//! Authorization headers of strangers: no panic; what is read lies within what was sent; an answer without the
//! password is never right.

#![cfg_attr(not(test), no_main)]

use offhook_digest::{Credentials, Ha1, unescape, verify};
use offhook_fuzz::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let Ok(credentials) = Credentials::parse(value) else { return };
    let texts = [
        credentials.username,
        credentials.realm,
        credentials.nonce,
        credentials.uri,
        credentials.response,
        credentials.cnonce.unwrap_or_default(),
        credentials.opaque.unwrap_or_default(),
    ];
    for text in texts {
        assert!(text.is_empty() || value.as_ptr_range().contains(&text.as_ptr()), "borrowed from elsewhere");
        assert!(unescape(text).len() <= text.len());
    }
    let ha1 = Ha1::from_password(credentials.algorithm, b"alice", b"sip.test", b"not to be guessed");
    assert!(!verify(&credentials, &ha1, b"REGISTER", b""));
});
