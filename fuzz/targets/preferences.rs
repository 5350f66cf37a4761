//! Accept-Contact, Reject-Contact and Request-Disposition by a stranger, against what a phone has registered (the first line): no
//! panic, more rules than are bearable are refused, and who has said nothing of himself is wanted. RFC 3841 §7.2, §11.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_proxy::preferences::{INDIFFERENT_MILLI, Preferences, RULES_MAX, Standing};
use offhook_sip::{Disposition, FeatureSet, Message, Method, Name, Params};

fuzz_target!(|input: &[u8]| {
    let cut = input.iter().position(|&c| c == b'\n').unwrap_or(input.len());
    let (capable, headers) = (&input[..cut], input.get(cut + 1..).unwrap_or_default());
    let text = [b"SUBSCRIBE sip:x@b SIP/2.0\r\n", headers, b"\r\n\r\n"].concat();
    let Ok(message) = Message::parse(&text) else { return };
    if message.fault().is_some() {
        return;
    }
    let _ = Disposition::of(&message);
    let values = message.values(Name::AcceptContact).count() + message.values(Name::RejectContact).count();
    let wishes = match Preferences::of(&message, Method::Subscribe) {
        Ok(wishes) => wishes,
        Err(refusal) => return assert!(matches!(refusal.status(), 400 | 403) && values > 0),
    };
    assert!(values <= RULES_MAX);
    let standing = wishes.judge(Params::new(capable));
    if FeatureSet::new(Params::new(capable)).is_empty() {
        assert_eq!(standing, Standing::Wanted(INDIFFERENT_MILLI));
    }
    assert!(matches!(standing, Standing::Unwanted | Standing::Wanted(0..=INDIFFERENT_MILLI)));
    if !message.has(Name::RejectContact) && !message.has(Name::AcceptContact) {
        assert!(wishes.are_implicit());
    }
});
