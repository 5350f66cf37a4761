//! What the guard tolerates, and what follows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use offhook_abuse::{Ban, Guard, Guess, Offence, Policy, Verdict};

const NOW_MS: u64 = 1_795_248_903_123;
const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

fn guard() -> Guard {
    Guard::new(Policy::default(), [7; 16], 1)
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Networks of one /48, and of others.
fn network(n: u32) -> IpAddr {
    Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 64).into()
}

fn guess(from: IpAddr, user: &str) -> Guess<'_> {
    Guess { from, user: user.as_bytes(), realm: b"example.org" }
}

/// Guesses as fast as it can until it is banned, at most `count` times. How many guesses were heard, and the ban.
fn pound(
    guard: &Guard,
    now_ms: u64,
    count: u32,
    mut one: impl FnMut(u32) -> (IpAddr, String),
) -> (u32, Option<Ban>) {
    let mut heard = 0;
    for n in 0..count {
        let (from, user) = one(n);
        let guess = guess(from, &user);
        match guard.judge(now_ms, &guess, || false) {
            Verdict::Banned(ban) => return (heard, Some(ban)),
            Verdict::Silence => {}
            Verdict::Heard => {
                heard += 1;
                if let Some(ban) = guard.failed(now_ms, &guess) {
                    return (heard, Some(ban));
                }
            }
        }
    }
    (heard, None)
}

fn alice(from: u8) -> impl FnMut(u32) -> (IpAddr, String) {
    move |_| (ip(from), "alice".to_owned())
}

#[test]
fn mistyped_passwords_are_free() {
    let guard = guard();
    assert_eq!(pound(&guard, NOW_MS, 5, alice(1)), (5, None));
    assert_eq!(guard.judge(NOW_MS, &guess(ip(1), "alice"), || false), Verdict::Heard);
}

#[test]
fn silence_grows_from_failure_to_failure() {
    for (failures, silence_ms) in [(6, 500), (7, 1_000), (8, 2_000), (9, 4_000), (10, 8_000), (11, 8_000)] {
        let guard = guard();
        (0..failures).for_each(|_| assert_eq!(guard.failed(NOW_MS, &guess(ip(1), "alice")), None));
        let judge = |ms| guard.judge(NOW_MS + ms, &guess(ip(1), "alice"), || false);
        assert_eq!(judge(silence_ms - 1), Verdict::Silence, "after {failures}");
        assert_eq!(judge(silence_ms), Verdict::Heard, "after {failures}");
    }
}

#[test]
fn who_does_not_wait_is_banned() {
    let guard = guard();
    let (heard, ban) = pound(&guard, NOW_MS, 100, alice(2));
    let ban = ban.expect("a ban");
    assert_eq!(heard, 6, "five are free, one more is answered, then comes silence");
    assert_eq!((ban.offence, ban.failures, ban.times), (Offence::WrongPassword, 20, 1));
    assert_eq!(ban.until_s - ban.since_s, 300);
    assert!(guard.is_banned(NOW_MS, ip(2)));
    assert!(!guard.is_banned(NOW_MS, ip(3)));
}

/// RFC 3261 §17.1.2.2: the repetitions of a request that meets silence do not count as pounding.
#[test]
fn repetitions_of_one_request_ban_nobody() {
    let guard = guard();
    pound(&guard, NOW_MS, 6, alice(1));
    for at_ms in [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500] {
        assert_eq!(pound(&guard, NOW_MS + at_ms, 1, alice(1)).1, None);
    }
}

/// The promise of the manual: twenty guesses a minute and source, however they are spread.
#[test]
fn no_source_guesses_more_than_twenty_times_a_minute() {
    for every_ms in [1, 100, 500, 1_000, 2_000, 2_900] {
        let guard = guard();
        let mut heard = 0;
        for at_ms in (0..10 * MINUTE_MS).step_by(every_ms) {
            let now_ms = NOW_MS + at_ms;
            if guard.is_banned(now_ms, ip(1)) {
                continue;
            }
            heard += pound(&guard, now_ms, 1, alice(1)).0;
        }
        assert!(heard <= 200 + 5, "one guess in {every_ms} ms: {heard} in ten minutes");
    }
}

#[test]
fn many_users_are_banned_in_half_the_time() {
    let (heard, ban) = pound(&guard(), NOW_MS, 100, |n| (ip(1), format!("{}", 100 + n)));
    let ban = ban.expect("a ban");
    assert_eq!((ban.offence, ban.failures), (Offence::ManyUsers, 11));
    assert!(heard <= 5, "{heard}");
}

#[test]
fn a_ban_ends_by_itself_and_the_next_one_is_longer() {
    let guard = guard();
    let mut now_ms = NOW_MS;
    for (times, lasts_s) in [(1, 300), (2, 600), (3, 1_200)] {
        let ban = pound(&guard, now_ms, 100, alice(1)).1.expect("a ban");
        assert_eq!((ban.times, ban.until_s - ban.since_s), (times, lasts_s));
        assert!(guard.take_ended(now_ms).is_empty());
        now_ms += u64::from(lasts_s) * SECOND_MS;
        assert!(!guard.is_banned(now_ms, ip(1)));
        assert_eq!(guard.take_ended(now_ms).len(), 1);
        assert!(guard.take_ended(now_ms).is_empty(), "told once");
    }
    let ban = pound(&guard, now_ms + 2 * DAY_MS, 100, alice(1)).1.expect("a ban");
    assert_eq!(ban.times, 1, "who has behaved for a day starts anew");
}

#[test]
fn no_ban_is_longer_than_a_day() {
    let guard = guard();
    let mut now_ms = NOW_MS;
    for _ in 0..300 {
        let ban = pound(&guard, now_ms, 100, alice(1)).1.expect("a ban");
        assert!((300..=86_400).contains(&(ban.until_s - ban.since_s)));
        now_ms += u64::from(ban.until_s - ban.since_s) * SECOND_MS;
    }
}

#[test]
fn a_lifted_ban_is_forgiven() {
    let guard = guard();
    pound(&guard, NOW_MS, 100, alice(1));
    assert_eq!(guard.bans(NOW_MS).len(), 1);
    let lifted = guard.lift(NOW_MS, "192.0.2.1".parse().unwrap()).expect("a ban");
    assert_eq!(lifted.times, 1);
    assert!(guard.bans(NOW_MS).is_empty() && !guard.is_banned(NOW_MS, ip(1)));
    assert_eq!(guard.lift(NOW_MS, "192.0.2.1".parse().unwrap()), None);
    assert_eq!(pound(&guard, NOW_MS, 5, alice(1)), (5, None));
}

#[test]
fn what_a_banned_source_sends_is_counted() {
    let guard = guard();
    pound(&guard, NOW_MS, 100, alice(1));
    (0..7).for_each(|_| guard.note_dropped(ip(1)));
    assert_eq!(guard.bans(NOW_MS)[0].dropped, 7);
}

#[test]
fn a_64_is_one_source() {
    let guard = guard();
    let from = |n: u32| format!("2001:db8:0:1::{n:x}").parse().unwrap();
    let ban = pound(&guard, NOW_MS, 100, |n| (from(n), "alice".to_owned())).1.expect("a ban");
    assert_eq!(ban.source.to_string(), "2001:db8:0:1::/64");
    assert!(guard.is_banned(NOW_MS, from(77)));
    assert!(!guard.is_banned(NOW_MS, "2001:db8:0:2::1".parse().unwrap()));
}

/// An office behind one address: a phone with a wrong password repeats it for ever.
#[test]
fn where_phones_are_registered_only_the_account_that_fails_is_silenced() {
    let guard = guard();
    guard.proved(NOW_MS, ip(1));
    let (heard, ban) = pound(&guard, NOW_MS, 10_000, alice(1));
    assert_eq!((heard, ban), (6, None));
    assert!(!guard.is_banned(NOW_MS, ip(1)));
    assert_eq!(guard.judge(NOW_MS, &guess(ip(1), "bob"), || false), Verdict::Heard);
    // Even of many that walk through all names, those who live here are heard.
    pound(&guard, NOW_MS, 1_000, |n| (ip(1), format!("{n}")));
    assert!(guard.bans(NOW_MS).is_empty());
    assert_eq!(guard.judge(NOW_MS, &guess(ip(1), "bob"), || false), Verdict::Silence);
    assert_eq!(guard.judge(NOW_MS, &guess(ip(1), "bob"), || true), Verdict::Heard);
}

#[test]
fn a_phone_with_a_wrong_password_gets_an_answer_in_half_a_minute() {
    let guard = guard();
    guard.proved(NOW_MS, ip(1));
    let heard: u32 = (0..600).map(|n| pound(&guard, NOW_MS + n * SECOND_MS, 10, alice(1)).0).sum();
    assert!((20..=40).contains(&heard), "{heard} in ten minutes");
}

/// The promise of the manual: sixty guesses an hour at one account from places that are new to it.
#[test]
fn many_sources_guess_sixty_times_an_hour() {
    let guard = guard();
    let mut heard = 0;
    for at_s in 0..3_600 {
        let now_ms = NOW_MS + at_s * SECOND_MS;
        let from = IpAddr::from([198, 51, (at_s / 200) as u8, (at_s % 200) as u8]);
        heard += pound(&guard, now_ms, 1, |_| (from, "alice".to_owned())).0;
        assert_eq!(guard.judge(now_ms, &guess(ip(9), "bob"), || false), Verdict::Heard);
        assert_eq!(guard.judge(now_ms, &guess(ip(9), "alice"), || true), Verdict::Heard, "its owner at home");
    }
    assert!((60..=95).contains(&heard), "{heard}");
}

#[test]
fn a_scanner_over_a_connection_is_banned_at_once_unless_phones_live_there() {
    let guard = guard();
    assert_eq!(guard.scanned(NOW_MS, ip(1)).map(|ban| ban.offence), Some(Offence::Scanner));
    guard.proved(NOW_MS, ip(2));
    assert_eq!(guard.scanned(NOW_MS, ip(2)), None);
}

/// BYE is read even from a banned source, for it may belong to a call: its credentials are not.
#[test]
fn a_banned_source_guesses_no_more() {
    let guard = guard();
    pound(&guard, NOW_MS, 100, alice(1));
    for at_s in 0..300 {
        assert_eq!(pound(&guard, NOW_MS + at_s * SECOND_MS, 3, alice(1)), (0, None), "after {at_s} s");
    }
    assert_eq!(guard.judge(NOW_MS + 10 * SECOND_MS, &guess(ip(1), "alice"), || true), Verdict::Silence);
    assert_eq!(guard.bans(NOW_MS)[0].times, 1, "and its ban does not grow");
    assert_eq!(guard.judge(NOW_MS + 300 * SECOND_MS, &guess(ip(1), "alice"), || false), Verdict::Heard);
}

/// An office that was away for the weekend: strangers guess at one of its accounts meanwhile.
#[test]
fn what_others_guess_is_not_blamed_on_who_comes_with_the_password() {
    let guard = guard();
    for n in 0..40 {
        guard.failed(NOW_MS, &guess(IpAddr::from([198, 51, 100, n]), "alice"));
    }
    for _ in 0..100 {
        assert_eq!(guard.judge(NOW_MS, &guess(ip(1), "alice"), || false), Verdict::Silence);
    }
    assert_eq!(guard.judge(NOW_MS, &guess(ip(1), "bob"), || false), Verdict::Heard);
    assert!(guard.bans(NOW_MS).is_empty());
}

/// Whoever makes many records does not make the guard forget an account that is guessed at.
#[test]
fn neither_random_names_nor_many_addresses_flush_an_account() {
    let later_ms = NOW_MS + 10 * SECOND_MS;
    for many in
        [|n: u32| (IpAddr::from([203, 0, 113, 5]), format!("{n}")), |n: u32| (network(n), "alice".to_owned())]
    {
        let guard = guard();
        guard.proved(NOW_MS, IpAddr::from([203, 0, 113, 5]));
        for n in 0..40 {
            guard.failed(NOW_MS, &guess(IpAddr::from([198, 51, 100, n]), "carol"));
        }
        for n in 0..100_000 {
            let (from, user) = many(n);
            guard.failed(later_ms, &guess(from, &user));
        }
        assert_eq!(guard.judge(later_ms, &guess(ip(9), "carol"), || false), Verdict::Silence);
    }
}

/// A /48 has more networks that can be banned than anybody can remember.
#[test]
fn not_even_bans_flush_an_account() {
    let guard = guard();
    for n in 0..40 {
        guard.failed(NOW_MS, &guess(IpAddr::from([198, 51, 100, n]), "carol"));
    }
    for n in 0..30_000_u32 {
        guard.scanned(NOW_MS, network(n));
    }
    assert_eq!(guard.judge(NOW_MS, &guess(ip(9), "carol"), || false), Verdict::Silence);
}

/// 2,500 phones with a nonce an hour each: the ring of a shard goes round in 13 hours.
#[test]
fn a_week_of_nonces_refuses_nobody() {
    let guard = guard();
    for serial in 0..2_500 * 24 * 7_u64 {
        let now_ms = NOW_MS + serial * 3_600_000 / 2_500;
        for count in 1..=2 {
            assert!(
                guard.takes_count(serial, now_ms, count, 5 * MINUTE_MS),
                "{serial} after {} s",
                (now_ms - NOW_MS) / 1_000
            );
        }
    }
}

/// RFC 7616 §5.4: what was overheard is of no use, however long a nonce lives and however often the ring has gone round.
#[test]
fn no_count_comes_back_while_its_nonce_lives() {
    let guard = Guard::new(Policy::default(), [7; 16], 1);
    assert!(guard.takes_count(7, NOW_MS, 1, DAY_MS));
    for later_s in (10_000..86_400).step_by(10_000) {
        assert!(guard.takes_count(7 + 32_768 * later_s, NOW_MS + later_s * SECOND_MS, 1, DAY_MS));
        assert!(!guard.takes_count(7, NOW_MS, 1, DAY_MS), "overheard {later_s} s ago");
    }
}

/// Whoever has many sources does not push out the bans that are there, and nothing grows.
#[test]
fn a_full_table_keeps_its_bans() {
    let guard = guard();
    for n in 0..100 {
        pound(&guard, NOW_MS, 100, |_| (ip(n), format!("{n}")));
    }
    for n in 0..200_000_u32 {
        let from = IpAddr::from(n.to_be_bytes());
        guard.failed(NOW_MS, &guess(from, "alice"));
    }
    assert_eq!(guard.bans(NOW_MS).len(), 100);
}

/// The promise of the manual: ten answers a second, whoever's address it is; nobody else has less for it.
#[test]
fn ten_answers_a_second() {
    let guard = guard();
    let answers =
        |from: u8, at_ms: u64| (0..1_000).filter(|_| guard.may_answer(NOW_MS + at_ms, ip(from))).count();
    assert_eq!(answers(1, 0), 10);
    let later: usize = (0..10_000).step_by(10).map(|at_ms| answers(1, at_ms)).sum();
    assert!((95..=101).contains(&later), "{later} in ten seconds");
    assert_eq!(answers(2, 0), 10);
}

/// Of an account and of a stranger: five times as many at once. What strangers send makes nobody forget an account.
#[test]
fn twenty_requests_a_second() {
    let guard = guard();
    let begun = |at_ms: u64| {
        let guess = Guess { from: ip(1), user: b"alice", realm: b"example.com" };
        (0..1_000).filter(|_| guard.may_request(NOW_MS + at_ms, &guess)).count()
    };
    assert_eq!(begun(0), 100);
    let later: usize = (0..10_000).step_by(10).map(begun).sum();
    assert!((195..=201).contains(&later), "{later} in ten seconds");
    (0..20_000u32)
        .for_each(|n| assert!(guard.may_ask(NOW_MS + 10_000, Ipv4Addr::from_bits(n << 8).into(), false)));
    assert!(begun(10_000) <= 1);
    let asked = |is_there| (0..1_000).filter(|_| guard.may_ask(NOW_MS + 20_000, ip(7), is_there)).count();
    assert_eq!(asked(false), 100);
    assert_eq!(asked(true), 100, "datagrams in his name are not his");
}

/// The promise of the manual: twenty at once, then two a second.
#[test]
fn a_request_may_be_repeated_twenty_times_in_ten_seconds() {
    let guard = guard();
    let heard =
        |number: u64, at_ms: u64| (0..100).filter(|_| guard.may_repeat(NOW_MS + at_ms, number)).count();
    assert_eq!(heard(7, 0), 20);
    assert_eq!(heard(8, 0), 20, "another request");
    assert_eq!(heard(7, 10_000), 20);
    assert_eq!((heard(0, 0), heard(u64::MAX, 0)), (20, 20), "any number will do");
    (0..100_000).for_each(|number| assert!(guard.may_repeat(NOW_MS + 20_000, number)));
}

/// What the administrator does holds whoever is there, and can be lifted.
#[test]
fn a_ban_by_hand_holds_where_phones_live() {
    let guard = guard();
    guard.proved(NOW_MS, ip(1));
    let ban = guard.ban_by_hand(NOW_MS, "192.0.2.1".parse().unwrap(), 60).expect("a ban");
    assert_eq!((ban.offence, ban.until_s - ban.since_s), (Offence::Administrator, 60));
    assert!(guard.is_banned(NOW_MS + 59 * SECOND_MS, ip(1)));
    assert!(!guard.is_banned(NOW_MS + 60 * SECOND_MS, ip(1)));
}

/// After a restart a ban goes on until its end, and the next one of its source is longer.
#[test]
fn a_restored_ban_goes_on() {
    let before = guard();
    pound(&before, NOW_MS, 100, alice(1));
    pound(&before, NOW_MS + 300 * SECOND_MS, 100, alice(1));
    let ban = before.bans(NOW_MS + 301 * SECOND_MS)[0];
    assert_eq!(ban.times, 2);
    let after = guard();
    let restart_ms = NOW_MS + 400 * SECOND_MS;
    assert!(after.restore(restart_ms, &ban));
    assert_eq!(after.bans(restart_ms), [ban]);
    let end_ms = u64::from(ban.until_s) * SECOND_MS;
    assert!(after.is_banned(end_ms - 1, ip(1)) && !after.is_banned(end_ms, ip(1)));
    assert_eq!(pound(&after, end_ms, 100, alice(1)).1.map(|ban| ban.times), Some(3));
    assert!(!guard().restore(end_ms, &ban), "its time is over");
}

/// The clock was a year ahead when the ban was made, and has been set right: nobody stays banned for a year.
#[test]
fn a_ban_of_the_future_lasts_no_longer_than_it_was_meant_to() {
    let before = guard();
    let ban = pound(&before, NOW_MS + 365 * DAY_MS, 100, alice(1)).1.expect("a ban");
    let after = guard();
    assert!(after.restore(NOW_MS, &ban));
    let restored = after.bans(NOW_MS)[0];
    assert_eq!(u64::from(restored.since_s), NOW_MS / SECOND_MS);
    assert_eq!(restored.until_s - restored.since_s, 300);
    assert!(!after.is_banned(NOW_MS + 300 * SECOND_MS, ip(1)));
}
