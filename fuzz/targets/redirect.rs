//! Redirections by strangers: no panic; choices are ours to bound, the best comes first, and what is not followed stays in the
//! answer, which is a message. RFC 3261 §16.7 step 4, §21.3.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_proxy::redirect::{self, CHOICES_MAX};
use offhook_sip::limits::HEADER_LINES_MAX;
use offhook_sip::{Message, Name, Scratch};

fuzz_target!(|headers: &[u8]| {
    // An answer with more values than it may have lines is not made of such lines by us: its contacts stand in one.
    let text =
        [b"SIP/2.0 302 Moved\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n", headers, b"\r\n\r\n"].concat();
    let Ok(response) = Message::parse(&text) else { return };
    if response.fault().is_some() {
        return;
    }
    let choices = redirect::choices(&response);
    assert!(choices.len() <= CHOICES_MAX && choices.is_sorted_by_key(|choice| 1000 - choice.q_milli));
    let values = response.values(Name::Contact).count();
    for followed in 0..=choices.len() {
        let followed = &choices[..followed];
        let is_followed = |uri: &[u8]| followed.iter().any(|choice| choice.uri.text == uri);
        let left = redirect::left(&response, is_followed).count();
        assert!(left <= values && (followed.is_empty() || left < values));
        if left + response.lines().len() > HEADER_LINES_MAX {
            continue;
        }
        let mut out = Vec::new();
        redirect::write_left(&response, is_followed, &mut Scratch::default(), &mut out);
        let written = Message::parse(&out).expect("a message");
        assert!(written.fault().is_none() && written.body() == response.body(), "{}", out.escape_ascii());
        assert_eq!(written.values(Name::Contact).count(), left, "{}", out.escape_ascii());
        let again = redirect::choices(&written);
        assert!(again.iter().all(|choice| !is_followed(choice.uri.text)));
    }
});
