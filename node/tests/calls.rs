//! Calls between two users of the exchange.

mod exchange;

use exchange::{ladder, open_ladder};

/// A call from the first ring to the hang-up, over the proxy all the way: RFC 3665 §3.2.
#[test]
fn alice_calls_bob_and_hangs_up() {
    ladder(
        "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE sip:bob@{bob}
            Max-Forwards: 69
            Record-Route: *
            !Proxy-Authorization
                  proxy <- bob     180
        alice  <- proxy            180
        +2s       proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +10s alice -> proxy        BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
}

/// The callee is busy and has no voicemail: the 486 reaches the caller. RFC 3261 §16.7 step 6.
#[test]
fn busy() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    );
}

/// Nobody answers for 200 ms: the proxy says that it works on it. RFC 3261 §17.2.1.
#[test]
fn a_slow_callee_makes_the_proxy_say_trying() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
        +200ms alice <- proxy      100
        +100ms    proxy <- bob     180
        alice  <- proxy            180
    ",
    );
}

/// The caller gives up: RFC 3665 §3.8, RFC 3261 §16.10.
#[test]
fn cancel() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +5s alice -> proxy         CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200
                  proxy <- bob     487
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    );
}
