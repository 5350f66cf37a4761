//! Sealed nonces: who may use which, and for how long.

use std::net::IpAddr;

use offhook_digest::{Issue, NonceKey, NonceVerdict};
use proptest::prelude::*;

const NOW_MS: u64 = 1_700_000_000_000;
const LIFETIME_MS: u64 = 300_000;
const ALICE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const MALLORY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
const REALM: &[u8] = b"example.com";

fn key() -> NonceKey {
    NonceKey::new([42; 32])
}

/// A nonce issued to Alice at `NOW_MS` comes back `after_ms`.
fn back_after(after_ms: i64) -> NonceVerdict {
    let nonce = key().issue(NOW_MS, 0, ALICE, REALM);
    key().check(nonce.as_bytes(), NOW_MS.saturating_add_signed(after_ms), ALICE, REALM, LIFETIME_MS)
}

#[test]
fn valid_for_its_lifetime_then_stale() {
    let issue = Issue { counter: 0, at_ms: NOW_MS };
    assert_eq!(back_after(0), NonceVerdict::Valid(issue));
    assert_eq!(back_after(299_999), NonceVerdict::Valid(issue));
    assert_eq!(back_after(300_000), NonceVerdict::Stale);
    assert_eq!(back_after(i64::MAX), NonceVerdict::Stale);
}

#[test]
fn one_from_the_future_is_stale() {
    assert_eq!(back_after(-1), NonceVerdict::Stale);
}

#[test]
fn of_no_use_to_another_source_realm_or_key() {
    let nonce = key().issue(NOW_MS, 0, ALICE, REALM);
    let forged = |key: NonceKey, source, realm: &[u8]| {
        assert_eq!(key.check(nonce.as_bytes(), NOW_MS, source, realm, LIFETIME_MS), NonceVerdict::Forged);
    };
    forged(key(), MALLORY, REALM);
    forged(key(), ALICE, b"example.org");
    forged(key(), ALICE, b"");
    forged(NonceKey::new([43; 32]), ALICE, REALM);
}

#[test]
fn the_same_source_on_a_dual_stack_socket() {
    let nonce = key().issue(NOW_MS, 0, ALICE, REALM);
    let IpAddr::V4(alice) = ALICE else { unreachable!() };
    let mapped = alice.to_ipv6_mapped().into();
    let verdict = key().check(nonce.as_bytes(), NOW_MS, mapped, REALM, LIFETIME_MS);
    assert_eq!(verdict, NonceVerdict::Valid(Issue { counter: 0, at_ms: NOW_MS }));
}

#[test]
fn differ_by_their_counter_within_a_millisecond() {
    let issue = |counter| key().issue(NOW_MS, counter, ALICE, REALM);
    assert_ne!(issue(0), issue(1));
    assert_eq!(issue(1), issue(1));
}

#[test]
fn any_changed_character_is_forgery() {
    let nonce = key().issue(NOW_MS, 0, ALICE, REALM);
    for at in 0..nonce.as_bytes().len() {
        for other in *b"AZaz09-_=!" {
            let mut changed = nonce.as_bytes().to_vec();
            if std::mem::replace(&mut changed[at], other) != other {
                let verdict = key().check(&changed, NOW_MS, ALICE, REALM, LIFETIME_MS);
                assert_eq!(verdict, NonceVerdict::Forged, "character {at} as {}", char::from(other));
            }
        }
    }
}

#[test]
fn the_key_is_not_shown() {
    assert_eq!(format!("{:?}", key()), "NonceKey(…)");
}

proptest! {
    #[test]
    fn checking_never_panics(
        nonce in prop::collection::vec(any::<u8>(), 0..50), now_ms: u64, lifetime_ms: u64,
    ) {
        prop_assert_eq!(key().check(&nonce, now_ms, ALICE, REALM, lifetime_ms), NonceVerdict::Forged);
    }

    #[test]
    fn what_is_issued_is_valid(
        now_ms in 0_u64..1 << 48, counter: u64, source: u128, realm in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let source = IpAddr::V6(source.into());
        let nonce = key().issue(now_ms, counter, source, &realm);
        let verdict = key().check(nonce.as_bytes(), now_ms, source, &realm, 1);
        prop_assert_eq!(verdict, NonceVerdict::Valid(Issue { counter, at_ms: now_ms }));
    }

    #[test]
    fn a_time_that_does_not_fit_is_not_fresh_for_ever(now_ms in 1_u64 << 48..) {
        let nonce = key().issue(now_ms, 0, ALICE, REALM);
        prop_assert_eq!(key().check(nonce.as_bytes(), now_ms.saturating_add(1), ALICE, REALM, 1), NonceVerdict::Stale);
    }
}
