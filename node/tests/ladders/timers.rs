//! Every timer of RFC 3261 Table 4 and RFC 6026, through the whole exchange, to the millisecond. Timer C stands in
//! `forwarding.rs`.
//!
//! What a timer ends is seen by what its transaction no longer absorbs: a repetition is then a new request, and a late
//! answer finds nobody. Lingering transactions may end a little late, so these tests look some seconds before and after.

use crate::exchange::{Observed, open_ladder};

/// Timer A: an INVITE that is lost is sent again after 0.5, 1, 2, 4, 8 and 16 s; the first answer stops it.
/// RFC 3261 §17.1.1.2.
#[test]
fn timer_a() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy x-> bob    INVITE
        @200ms alice <- proxy      100
        @500ms    proxy x-> bob    INVITE (again)
        @1.5s     proxy x-> bob    INVITE (again)
        @3.5s     proxy x-> bob    INVITE (again)
        @7.5s     proxy x-> bob    INVITE (again)
        @15.5s    proxy -> bob     INVITE (again)
                  proxy <- bob     100
        +60s      proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Timer A does not run over TCP. RFC 3261 §17.1.1.2.
#[test]
fn no_timer_a_over_tcp() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
        @200ms alice <- proxy      100
        @20s      proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Timer B: an INVITE that nobody answers is given up after 32 s, over TCP as well. RFC 3261 §17.1.1.2.
#[test]
fn timer_b() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
        @200ms alice <- proxy      100
        @32s   alice <- proxy      408
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// An answer that comes after Timer B finds nobody: the caller has been told already. RFC 6026 §8.2.
#[test]
fn an_answer_after_timer_b() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
        @200ms alice <- proxy      100
        @32s   alice <- proxy      408
        alice  -> proxy            ACK
        @40s      proxy <- bob     200
    ",
    )
    .leaves_nothing();
}

/// Timer D: for 32 s a repeated refusal is acknowledged again; after that nobody knows it. RFC 3261 §17.1.1.2.
#[test]
fn timer_d() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy x-> bob    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
        @500ms    proxy <- bob     486 (again)
                  proxy x-> bob    ACK (again)
        @31s      proxy <- bob     486 (again)
                  proxy -> bob     ACK (again)
        @40s      proxy <- bob     486 (again)
        +10s
    ",
    )
    .leaves_nothing();
}

/// Timer E: a request that is no INVITE is sent again after 0.5, 1, 2 s and then each 4 s. RFC 3261 §17.1.2.2.
/// The caller hears a 100 when its own Timer E has reached T2, not before. RFC 4320 §4.1.
#[test]
fn timer_e() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
                  proxy x-> bob    MESSAGE
        @500ms    proxy x-> bob    MESSAGE (again)
        @1.5s     proxy x-> bob    MESSAGE (again)
        @3.5s  alice <- proxy      100 MESSAGE
                  proxy x-> bob    MESSAGE (again)
        @7.5s     proxy x-> bob    MESSAGE (again)
        @11.5s    proxy -> bob     MESSAGE (again)
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// After a 100 from the phone, Timer E goes on with T2: the answer itself may be lost. RFC 3261 §17.1.2.2.
#[test]
fn timer_e_in_proceeding() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     100
        @500ms    proxy -> bob     MESSAGE (again)
        @3.5s  alice <- proxy      100
        @4.5s     proxy -> bob     MESSAGE (again)
        @5s       proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Timer F: after 32 s without an answer there is nobody left who would hear a 408. RFC 3261 §17.1.2.2, RFC 4320 §4.2.
#[test]
fn timer_f() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        MESSAGE bob
                  proxy -> bob     MESSAGE
        @3.5s  alice <- proxy      100
        @40s      proxy <- bob     200
    ",
    )
    .leaves_nothing();
}

/// A phone that answers a MESSAGE with 408 is not believed to be heard: RFC 4320 §4.2.
#[test]
fn a_408_to_a_message_is_not_forwarded() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     408
        +60s
    ",
    )
    .leaves_nothing();
}

/// Provisional answers other than 100 to a MESSAGE go no further. RFC 4320 §4.1.
#[test]
fn a_180_to_a_message_is_not_forwarded() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     180
                  proxy <- bob     100
        @3.5s  alice <- proxy      100
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Timer G: a refusal is sent again after 0.5, 1, 2 s and then each 4 s until its ACK comes. RFC 3261 §17.2.1.
#[test]
fn timer_g() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <-x proxy           486
        @500ms alice <-x proxy     486 (again)
        @1.5s  alice <-x proxy     486 (again)
        @3.5s  alice <-x proxy     486 (again)
        @7.5s  alice <-x proxy     486 (again)
        @11.5s alice <- proxy      486 (again)
        alice  x-> proxy           ACK
        @15.5s alice <- proxy      486 (again)
        alice  -> proxy            ACK (again)
        +30s
    ",
    )
    .leaves_nothing();
}

/// Timer H: no ACK ever comes; after 32 s the exchange stops asking for it. RFC 3261 §17.2.1.
#[test]
fn timer_h() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <-x proxy           486
        @500ms alice <-x proxy     486 (again)
        @1.5s  alice <-x proxy     486 (again)
        @3.5s  alice <-x proxy     486 (again)
        @7.5s  alice <-x proxy     486 (again)
        @11.5s alice <-x proxy     486 (again)
        @15.5s alice <-x proxy     486 (again)
        @19.5s alice <-x proxy     486 (again)
        @23.5s alice <-x proxy     486 (again)
        @27.5s alice <-x proxy     486 (again)
        @31.5s alice <-x proxy     486 (again)
    ",
    )
    .leaves_nothing();
}

/// Over TCP a refusal is said once, and Timer H waits for its ACK all the same. RFC 3261 §17.2.1.
#[test]
fn no_timer_g_over_tcp() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy/tcp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        +10s   alice -> proxy      ACK
    ",
    )
    .leaves_nothing();
}

/// Timer I: for 5 s after the ACK its repetitions are absorbed, and those of the INVITE. RFC 3261 §17.2.1.
#[test]
fn timer_i() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
        alice  -> proxy            ACK (again)
        +4s    alice -> proxy      ACK (again)
        alice  -> proxy            INVITE bob (again)
        +5s
    ",
    )
    .leaves_nothing();
}

/// Timer J: for 32 s a repeated request gets the same answer; after that it is a new one. RFC 3261 §17.2.2.
#[test]
fn timer_j() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
        @31s   alice -> proxy      MESSAGE bob (again)
        alice  <- proxy            200 (again)
        @40s   alice -> proxy      MESSAGE bob (again)
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Timer K: for 5 s repeated answers are absorbed; those that come later find nobody, either. RFC 3261 §17.1.2.2.
#[test]
fn timer_k() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
        @4s       proxy <- bob     200 (again)
        @10s      proxy <- bob     200 (again)
        +5s
    ",
    )
    .leaves_nothing();
}

/// Timers L and M: for 32 s the 200 of a call and its repetitions pass; then a late one finds nobody.
/// RFC 6026 §7.1, RFC 6026 §7.2.
#[test]
fn timers_l_and_m() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <-x proxy           200
        @500ms    proxy <- bob     200 (again)
        alice  <-x proxy           200 (again)
        @31s      proxy <- bob     200 (again)
        alice  <- proxy            200 (again)
        @40s      proxy <- bob     200 (again)
        +10s
    ",
    )
    .leaves_nothing();
}

/// Other base times, from the configuration: Timer A begins with T1, Timer B ends at 64·T1. RFC 3261 §17.1.1.1.
#[test]
fn the_base_times_are_configured() {
    let short =
        "[access]\nauthenticate_register = false\nauthenticate_calls = false\n[timers]\nt1_ms = 100\n";
    crate::exchange::scene(short)
        .run(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy x-> bob    INVITE
        @100ms    proxy x-> bob    INVITE (again)
        @200ms alice <- proxy      100
        @300ms    proxy x-> bob    INVITE (again)
        @700ms    proxy x-> bob    INVITE (again)
        @1.5s     proxy x-> bob    INVITE (again)
        @3.1s     proxy x-> bob    INVITE (again)
        @6.3s     proxy x-> bob    INVITE (again)
        @6.4s  alice <- proxy      408
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}
