//! Tokens: what is sealed comes back, and nothing else does.

use offhook_seal::{Purpose, Ring, STATE_BYTES_MAX, Seals};
use proptest::prelude::*;

const PURPOSES: [Purpose; 3] = [Purpose::Dialog, Purpose::Flow, Purpose::Gruu];

fn seals() -> Seals {
    Ring::of_one([7; 32]).seals(0)
}

fn token(purpose: Purpose, bound_to: &[&[u8]], state: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    seals().seal(purpose, bound_to, state, &mut out).expect("short enough");
    out
}

fn opens(purpose: Purpose, bound_to: &[&[u8]], token: &[u8]) -> bool {
    seals().open(purpose, bound_to, token).is_some()
}

/// The six bits behind a letter of base64url.
fn letter(bits: u8) -> u8 {
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[usize::from(bits)]
}

fn bits(letter_of: u8) -> u8 {
    (0..64).find(|b| letter(*b) == letter_of).expect("a letter of base64url")
}

/// Each bit of a token, flipped, makes it nobody's. RFC 5626 §5.2: "the token cannot be modified by attackers".
#[test]
fn every_flipped_bit_is_refused() {
    for purpose in PURPOSES {
        for state in [&b""[..], b"x", &[0x5a; 66]] {
            let good = token(purpose, &[b"call", b"tag"], state);
            for at in 0..good.len() {
                for bit in 0..6 {
                    let mut bad = good.clone();
                    bad[at] = letter(bits(bad[at]) ^ 1 << bit);
                    assert!(!opens(purpose, &[b"call", b"tag"], &bad), "{purpose:?}: bit {bit} of {at}");
                }
            }
        }
    }
}

/// RFC 5626 §12: a token does not open in another dialog, for another purpose, cut short, or with another key.
#[test]
fn a_token_means_one_thing() {
    for purpose in PURPOSES {
        let good = token(purpose, &[b"call", b"tag"], b"state");
        assert!(opens(purpose, &[b"call", b"tag"], &good));
        for bound_to in
            [&[&b"call"[..], b"gat"][..], &[b"callt", b"ag"], &[b"calltag"], &[b"tag", b"call"], &[]]
        {
            assert!(!opens(purpose, bound_to, &good), "{bound_to:?}");
        }
        for other in PURPOSES.into_iter().filter(|p| *p != purpose) {
            assert!(!opens(other, &[b"call", b"tag"], &good));
        }
        for end in 0..good.len() {
            assert!(!opens(purpose, &[b"call", b"tag"], &good[..end]), "cut at {end}");
        }
        let stranger = Ring::of_one([8; 32]).seals(0);
        assert!(stranger.open(purpose, &[b"call", b"tag"], &good).is_none());
    }
}

/// What is too long for a message is not sealed at all, and what is longer than any token is not looked at.
#[test]
fn there_is_an_end() {
    let mut out = Vec::new();
    for purpose in PURPOSES {
        assert!(seals().seal(purpose, &[], &[1; STATE_BYTES_MAX], &mut out).is_some());
        let len = out.len();
        assert!(seals().seal(purpose, &[], &[1; STATE_BYTES_MAX + 1], &mut out).is_none());
        assert_eq!(out.len(), len, "nothing is written");
    }
    assert!(!opens(Purpose::Flow, &[], &[b'A'; 100_000]));
}

proptest! {
    /// Any state comes back from any token, in the alphabet that a URI parameter may hold (RFC 3261 §25.1).
    #[test]
    fn what_is_sealed_comes_back(
        state in proptest::collection::vec(any::<u8>(), 0..=STATE_BYTES_MAX),
        a in proptest::collection::vec(any::<u8>(), 0..80),
        b in proptest::collection::vec(any::<u8>(), 0..80),
        purpose in proptest::sample::select(&PURPOSES[..]),
    ) {
        let token = token(purpose, &[&a, &b], &state);
        prop_assert!(token.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')));
        let opened = seals().open_either(purpose, [&[&b, b"x"], &[&a, &b]], &token);
        let (which, opened) = opened.expect("our own token");
        prop_assert_eq!((which, opened.as_bytes()), (1, &state[..]));
    }

    /// Whatever comes, nothing opens.
    #[test]
    fn noise_opens_nothing(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        for purpose in PURPOSES {
            prop_assert!(!opens(purpose, &[], &text));
        }
    }
}
