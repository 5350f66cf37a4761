//! Opening handshakes of strangers: no panic; one that is judged is judged the same when more has come; answers are
//! whole, and never long.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_websocket::limits::OPENING_BYTES_MAX;
use offhook_websocket::{Opening, Origin, Policy, open};

fuzz_target!(|bytes: &[u8]| {
    let origins =
        ["https://*.example.com", "http://www.example.com"].map(|text| Origin::parse(text).unwrap());
    let strict = Policy { path: Some("/sip".into()), origins: origins.into() };
    for policy in [Policy::default(), strict] {
        let judged = open(bytes, &policy);
        let mut out = Vec::new();
        match &judged {
            Opening::Incomplete => assert!(bytes.len() < OPENING_BYTES_MAX),
            Opening::Accepted(accepted) => {
                assert!(accepted.bytes <= bytes.len());
                accepted.write(&mut out);
            }
            Opening::Refused(refusal) => refusal.write(&mut out),
        }
        if judged != Opening::Incomplete {
            assert!(out.starts_with(b"HTTP/1.1 ") && out.len() < 600);
            assert_eq!(open(&[bytes, b"x"].concat(), &policy), judged);
        }
    }
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(origin) = Origin::parse(text)
        && !text.contains(['*', ':'])
    {
        assert!(origin.admits(bytes));
    }
});
