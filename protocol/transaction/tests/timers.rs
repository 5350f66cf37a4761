//! Each timer of RFC 3261 Table 4 and RFC 6026 §8.11, in virtual time and to the millisecond.

mod world;

use offhook_transaction::*;
use world::*;

/// Timer A: the INVITE goes out after T1, 2·T1, 4·T1, … more, without a cap; Timer B: 64·T1 (§17.1.1.2: "equal to the
/// amount of time required to send seven requests").
#[test]
fn timers_a_and_b() {
    let mut world = World::new();
    world.client(true, false);
    let expected = events([
        (500, "request again"),
        (1_500, "request again"),
        (3_500, "request again"),
        (7_500, "request again"),
        (15_500, "request again"),
        (31_500, "request again"),
        (32_000, "no response came"),
        (32_000, "client ended"),
    ]);
    assert_eq!(world.until_the_end(), expected);
    assert!(world.layer.is_empty());
}

#[test]
fn timer_b_alone_over_a_stream() {
    let mut world = World::new();
    world.client(true, true);
    assert_eq!(world.until_the_end(), events([(32_000, "no response came"), (32_000, "client ended")]));
}

/// After a provisional response nothing is sent and nothing times out: Timer C is the user's.
#[test]
fn timer_c() {
    let mut world = World::new();
    let id = world.client(true, false);
    world.layer.set_user_timer(world.now_ms, id, 180_000);
    world.until(600);
    assert_eq!(world.response(id, 180), ClientVerdict::Pass);
    assert_eq!(world.until(170_000), []);
    world.layer.set_user_timer(world.now_ms, id, 180_000);
    assert_eq!(world.until(400_000), events([(350_000, "client's user timer")]));
    world.layer.abandon_client(world.now_ms, id);
    assert_eq!(world.until_the_end(), events([(400_000, "client ended")]));
    assert!(world.layer.is_empty());
}

/// Timer D: 32 s over datagrams, in which the ACK is repeated; none over a stream.
#[test]
fn timer_d() {
    for (reliable, end_ms) in [(false, lingering(33_000)), (true, 1_000)] {
        let mut world = World::new();
        let id = world.client(true, reliable);
        world.until(1_000);
        assert_eq!(world.response(id, 486), ClientVerdict::PassAndAck);
        assert_eq!(world.layer.client(id).unwrap().request(), INVITE, "to build the ACK from");
        world.layer.store_ack(id, b"ACK");
        assert_eq!(world.response(id, 486), ClientVerdict::AckAgain);
        assert_eq!(world.layer.client(id).unwrap().ack(), if reliable { b"".as_slice() } else { b"ACK" });
        assert_eq!(world.layer.client(id).unwrap().request(), b"");
        assert_eq!(world.until_the_end(), events([(end_ms, "client ended")]));
        assert!(world.layer.is_empty());
    }
}

/// Timer E: 500 ms, 1 s, 2 s, 4 s, 4 s, … (§17.1.2.2); Timer F: 64·T1.
#[test]
fn timers_e_and_f() {
    let mut world = World::new();
    world.client(false, false);
    let mut expected = events([(500, "request again"), (1_500, "request again"), (3_500, "request again")]);
    expected.extend((0..7).map(|n| (7_500 + n * 4_000, "request again".to_owned())));
    expected.extend(events([(32_000, "no response came"), (32_000, "client ended")]));
    assert_eq!(world.until_the_end(), expected);
    assert!(world.layer.is_empty());
}

/// "If a provisional response is received, retransmissions continue for unreliable transports, but at an interval of
/// T2" (§17.1.2.1); the interval that runs is finished.
#[test]
fn timer_e_in_proceeding() {
    let mut world = World::new();
    let id = world.client(false, false);
    world.until(600);
    assert_eq!(world.response(id, 100), ClientVerdict::Pass);
    let mut expected: Vec<(u64, String)> =
        (0..8).map(|n| (1_500 + n * 4_000, "request again".to_owned())).collect();
    expected.extend(events([(32_000, "no response came"), (32_000, "client ended")]));
    assert_eq!(world.until_the_end(), expected);
}

#[test]
fn timer_f_alone_over_a_stream() {
    let mut world = World::new();
    let id = world.client(false, true);
    let kept = world.layer.client(id).unwrap().request();
    assert!(!kept.is_empty(), "no timer sends it again, but its connection may turn out to be gone");
    assert_eq!(world.until_the_end(), events([(32_000, "no response came"), (32_000, "client ended")]));
}

/// Timer G: T1, doubling up to T2; Timer H: 64·T1 without an ACK is a failure.
#[test]
fn timers_g_and_h() {
    let mut world = World::new();
    let id = world.server(&key(b"z9hG4bK1", b"INVITE"), true, false);
    assert_eq!(world.respond(id, 486), ServerVerdict::Send);
    let mut expected =
        events([(500, "response again"), (1_500, "response again"), (3_500, "response again")]);
    expected.extend((0..7).map(|n| (7_500 + n * 4_000, "response again".to_owned())));
    expected.extend(events([(32_000, "no ack came"), (32_000, "server ended")]));
    assert_eq!(world.until_the_end(), expected);
    assert!(world.layer.is_empty());
}

#[test]
fn timer_h_alone_over_a_stream() {
    let mut world = World::new();
    let id = world.server(&key(b"z9hG4bK1", b"INVITE"), true, true);
    assert_eq!(world.respond(id, 486), ServerVerdict::Send);
    assert_eq!(world.until_the_end(), events([(32_000, "no ack came"), (32_000, "server ended")]));
}

/// Timer I: T4 over datagrams after the ACK, nothing over a stream.
#[test]
fn timer_i() {
    for (reliable, end_ms) in [(false, lingering(5_100)), (true, 100)] {
        let mut world = World::new();
        let id = world.server(&key(b"z9hG4bK1", b"INVITE"), true, reliable);
        assert_eq!(world.respond(id, 486), ServerVerdict::Send);
        world.until(100);
        assert_eq!(world.layer.ack(world.now_ms, id), AckVerdict::Absorb);
        assert_eq!(world.layer.ack(world.now_ms, id), AckVerdict::Absorb, "once more");
        assert_eq!(world.until_the_end(), events([(end_ms, "server ended")]));
        assert!(world.layer.is_empty());
    }
}

/// Timer J: 64·T1 over datagrams after the answer, nothing over a stream.
#[test]
fn timer_j() {
    for (reliable, end_ms) in [(false, lingering(32_100)), (true, 100)] {
        let mut world = World::new();
        let id = world.server(&key(b"z9hG4bK1", b"OPTIONS"), false, reliable);
        world.until(100);
        assert_eq!(world.respond(id, 200), ServerVerdict::Send);
        assert_eq!(world.until_the_end(), events([(end_ms, "server ended")]));
        assert!(world.layer.is_empty());
    }
}

/// A non-INVITE that the user never answers: the client has given up (RFC 4320 §4.2).
#[test]
fn an_unanswered_non_invite_ends_with_its_clients_timer_f() {
    let mut world = World::new();
    world.server(&key(b"z9hG4bK1", b"OPTIONS"), false, false);
    assert_eq!(world.until_the_end(), events([(32_000, "server ended")]));
    assert!(world.layer.is_empty());
}

/// Timer K: T4 over datagrams after the answer, nothing over a stream.
#[test]
fn timer_k() {
    for (reliable, end_ms) in [(false, lingering(5_100)), (true, 100)] {
        let mut world = World::new();
        let id = world.client(false, reliable);
        world.until(100);
        assert_eq!(world.response(id, 200), ClientVerdict::Pass);
        assert_eq!(world.response(id, 200), ClientVerdict::Discard, "once more");
        assert_eq!(world.until_the_end(), events([(end_ms, "client ended")]));
        assert!(world.layer.is_empty());
    }
}

/// Timer L: 64·T1 after the 2xx, over any transport.
#[test]
fn timer_l() {
    for reliable in [false, true] {
        let mut world = World::new();
        let id = world.server(&key(b"z9hG4bK1", b"INVITE"), true, reliable);
        world.until(3_000);
        assert_eq!(world.respond(id, 200), ServerVerdict::Send);
        assert_eq!(world.until_the_end(), events([(lingering(35_000), "server ended")]));
        assert!(world.layer.is_empty());
    }
}

/// Timer M: 64·T1 after the first 2xx, over any transport; further 2xx do not extend it.
#[test]
fn timer_m() {
    for reliable in [false, true] {
        let mut world = World::new();
        let id = world.client(true, reliable);
        world.until(100);
        assert_eq!(world.response(id, 180), ClientVerdict::Pass);
        world.until(3_000);
        assert_eq!(world.response(id, 200), ClientVerdict::Pass);
        world.until(20_000);
        assert_eq!(world.response(id, 200), ClientVerdict::Pass);
        assert_eq!(world.until_the_end(), events([(lingering(35_000), "client ended")]));
        assert!(world.layer.is_empty());
    }
}

/// T1, T2 and T4 are what the layer is told.
#[test]
fn other_base_times() {
    let timing = Timing { t1_ms: 100, t2_ms: 300, t4_ms: 640 };
    let mut world = World::with(&Config { timing, ..config() });
    let id = world.client(false, false);
    let expected: Vec<(u64, String)> =
        [100, 300, 600, 900].map(|at_ms| (at_ms, "request again".to_owned())).to_vec();
    assert_eq!(world.until(1_000), expected);
    assert_eq!(world.response(id, 200), ClientVerdict::Pass);
    assert_eq!(world.until_the_end(), events([(lingering(1_640), "client ended")]));
}

/// A machine that slept does not send everything it missed: one retransmission, then the timeout.
#[test]
fn after_a_long_pause_nothing_is_sent_in_a_burst() {
    let mut world = World::new();
    world.client(true, false);
    world.now_ms += 60_000;
    let expected =
        events([(60_000, "request again"), (60_000, "no response came"), (60_000, "client ended")]);
    assert_eq!(world.until_the_end(), expected);
}

/// The 100 after 200 ms (§17.2.1) is the user's timer; stopped, it wakes nobody.
#[test]
fn the_users_timer_of_a_server_transaction() {
    let mut world = World::new();
    let slow = world.server(&key(b"z9hG4bKslow", b"INVITE"), true, false);
    let fast = world.server(&key(b"z9hG4bKfast", b"INVITE"), true, false);
    world.layer.set_user_timer(world.now_ms, slow, 200);
    world.layer.set_user_timer(world.now_ms, fast, 200);
    world.until(50);
    world.layer.stop_user_timer(fast);
    assert_eq!(world.until(10_000), events([(200, "server's user timer")]));
}

/// Thousands of calls were answered long ago: what is left in the queue wakes the shard in batches, never in vain.
#[test]
fn stale_timers_wake_nobody_and_ends_come_in_batches() {
    let mut world = World::new();
    for n in 0..5_000_u32 {
        world.until(u64::from(n));
        let id = world.server(&key(format!("z9hG4bK{n}").as_bytes(), b"OPTIONS"), false, false);
        let forwarded = world.client(false, false);
        assert_eq!(world.response(forwarded, 200), ClientVerdict::Pass);
        assert_eq!(world.respond(id, 200), ServerVerdict::Send);
    }
    world.until(5_000);
    world.wakes = 0;
    let ended = world.until_the_end().len();
    assert!(ended > 9_000, "{ended}");
    assert!(world.wakes <= 200, "{} wakes for what ends in ten seconds", world.wakes);
    assert!(world.layer.is_empty());
    assert_eq!((world.layer.timer_entries(), world.layer.next_deadline_ms()), (0, None));
}
