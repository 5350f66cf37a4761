//! Who asks for one user after the other, and what that costs whom.

use std::net::IpAddr;

use offhook_abuse::{Asking, Ban, Guard, Offence, Policy, Source, Verdict};

const NOW_MS: u64 = 1_795_248_903_123;
const MINUTE_MS: u64 = 60_000;

/// Twenty users are free.
const FREE: u32 = 20;
const MOST: u32 = 100;

fn guard() -> Guard {
    Guard::new(Policy::default(), [7; 16], 1)
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Asks for so many users at once, the first with this number. How many were heard, and the ban.
fn walks(
    guard: &Guard,
    now_ms: u64,
    (from, is_there): (u8, bool),
    users: std::ops::Range<u32>,
) -> (u32, Option<Ban>) {
    let mut heard = 0;
    for user in users {
        let whom = format!("sip:{user}@example.org");
        let asking = Asking { from: ip(from), is_there, whom: whom.as_bytes() };
        match guard.hears(now_ms, &asking) {
            Verdict::Banned(ban) => return (heard, Some(ban)),
            Verdict::Silence => {}
            Verdict::Heard => {
                heard += 1;
                if let Some(ban) = guard.walked(now_ms, &asking) {
                    return (heard, Some(ban));
                }
            }
        }
    }
    (heard, None)
}

#[test]
fn some_users_may_be_asked_for_and_one_as_often_as_is_wished() {
    let guard = guard();
    assert_eq!(walks(&guard, NOW_MS, (1, true), 0..FREE), (FREE, None));
    for _ in 0..1_000 {
        assert_eq!(walks(&guard, NOW_MS, (1, true), 3..5), (2, None));
    }
    // Others do as they like.
    assert_eq!(walks(&guard, NOW_MS, (2, true), 0..FREE), (FREE, None));
}

#[test]
fn silence_grows_from_user_to_user() {
    for (users, silence_ms) in [(21, 500), (22, 1_000), (23, 2_000), (24, 4_000), (25, 8_000), (30, 8_000)] {
        let guard = guard();
        for user in 0..users {
            let whom = format!("{user}");
            let asking = Asking { from: ip(1), is_there: true, whom: whom.as_bytes() };
            assert_eq!(guard.walked(NOW_MS, &asking), None);
        }
        let heard = |ms| walks(&guard, NOW_MS + ms, (1, true), 500..501).0;
        assert_eq!((heard(silence_ms - 1), heard(silence_ms)), (0, 1), "after {users}");
    }
}

#[test]
fn who_does_not_wait_is_banned() {
    let guard = guard();
    let (heard, ban) = walks(&guard, NOW_MS, (1, true), 0..1_000);
    let ban = ban.expect("a ban");
    assert_eq!((heard, ban.offence, ban.failures), (FREE + 1, Offence::Walk, MOST));
    assert!(guard.is_banned(NOW_MS, ip(1)) && !guard.is_banned(NOW_MS, ip(2)));
    assert_eq!(guard.bans(NOW_MS), [ban]);
    assert_eq!(Offence::of_name(ban.offence.name()), Some(Offence::Walk));
    // The next one is longer, as for any offence.
    let later_ms = NOW_MS + 5 * MINUTE_MS;
    let (_, ban) = walks(&guard, later_ms, (1, true), 0..1_000);
    assert_eq!(ban.map(|ban| ban.until_s - ban.since_s), Some(600));
}

/// Who waits until he is heard learns of a few users a minute.
#[test]
fn patience_does_not_pay() {
    let guard = guard();
    let mut heard = 0;
    for n in 0..36_000 {
        heard += walks(&guard, NOW_MS + u64::from(n) * 100, (1, false), n..n + 1).0;
    }
    assert!((FREE..FREE + 500).contains(&heard), "{heard} in an hour");
}

/// A datagram may carry anybody's address.
#[test]
fn datagrams_ban_nobody_and_touch_no_connection() {
    let guard = guard();
    assert_eq!(walks(&guard, NOW_MS, (1, false), 0..100_000), (FREE + 1, None));
    assert_eq!(walks(&guard, NOW_MS, (1, true), 200_000..200_000 + FREE), (FREE, None));
    guard.proved(NOW_MS, ip(3));
    assert_eq!(walks(&guard, NOW_MS, (3, false), 0..2_000), (2_000, None), "phones live there");
    // It is over soon after it has stopped.
    let later_ms = NOW_MS + 30 * MINUTE_MS;
    assert_eq!(walks(&guard, later_ms, (1, false), 0..FREE), (FREE, None));
}

#[test]
fn where_somebody_has_proved_himself_nobody_is_banned() {
    let guard = guard();
    guard.proved(NOW_MS, ip(1));
    assert_eq!(walks(&guard, NOW_MS, (1, true), 0..10_000), (10 * FREE + 1, None));
}

#[test]
fn who_is_forgiven_begins_anew() {
    let guard = guard();
    walks(&guard, NOW_MS, (1, true), 0..1_000);
    assert!(guard.lift(NOW_MS, Source::of(ip(1))).is_some());
    assert_eq!(walks(&guard, NOW_MS, (1, true), 5_000..5_000 + FREE), (FREE, None));
    walks(&guard, NOW_MS, (1, false), 0..1_000);
    guard.lift(NOW_MS, Source::of(ip(1)));
    assert_eq!(walks(&guard, NOW_MS, (1, false), 6_000..6_000 + FREE), (FREE, None));
}
