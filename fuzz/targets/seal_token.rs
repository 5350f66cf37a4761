//! Tokens of strangers: no panic, and nothing opens that we did not make. The first byte chooses the purpose; behind a line
//! feed stands what the token would be bound to. What we make ourselves opens, and with any one letter changed does not.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_seal::{Purpose, Ring, STATE_BYTES_MAX};

fuzz_target!(|input: &[u8]| {
    let seals = Ring::of_one([7; 32]).seals(0);
    let (choice, rest) = input.split_first().unwrap_or((&0, b""));
    let purpose = [Purpose::Dialog, Purpose::Flow, Purpose::Gruu][usize::from(choice % 3)];
    let cut = rest.iter().position(|&c| c == b'\n').unwrap_or(rest.len());
    let (text, bound) = (&rest[..cut], rest.get(cut + 1..).unwrap_or_default());
    assert!(seals.open(purpose, &[bound], text).is_none(), "a token nobody made has opened");

    let mut token = Vec::new();
    let made = seals.seal(purpose, &[bound], text, &mut token);
    assert_eq!(made.is_some(), text.len() <= STATE_BYTES_MAX);
    if made.is_some() {
        let state = seals.open(purpose, &[bound], &token).expect("our own token");
        assert_eq!(state.as_bytes(), text);
        let at = usize::from(*choice) % token.len();
        token[at] = if token[at] == b'A' { b'B' } else { b'A' };
        assert!(seals.open(purpose, &[bound], &token).is_none(), "a changed token has opened");
    }
});
