//! Ladders that hold, against the toy: each shows a part of the notation.

mod toy;

use offhook_ladder::Ladder;
use offhook_simnet::{Link, Nat, NatKind};
use toy::{Toy, ladder};

#[test]
fn busy() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            100
                  proxy -> bob     INVITE bob
                  proxy <- bob     486
        alice  <- proxy            486 Busy Here
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
}

/// A whole call. The route set and the tags are what RFC 3261 §12 makes of them, in both directions.
#[test]
fn a_call_from_ring_to_hang_up() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            100
                  proxy -> bob     INVITE sip:bob@{bob}
            Max-Forwards: 69
            Via: SIP/2.0/UDP {proxy};*
            Via: SIP/2.0/UDP {alice};*;received={alice.host}
            Record-Route: <sip:{proxy};lr>
            !Route
                  proxy <- bob     180
        alice  <- proxy            180
            Contact: <sip:bob@{bob}>
        +2s       proxy <- bob     200
        alice  <- proxy            200 OK
        alice  -> proxy            ACK
                  proxy -> bob     ACK sip:bob@{bob}
            !Route
        @1min     proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice}
            To: <sip:alice@example.com>;tag=alice-*
        alice  -> proxy            200
                  proxy -> bob     200 BYE
    ",
    );
}

#[test]
fn a_call_is_cancelled() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            100
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +5s alice -> proxy         CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200
                  proxy <- bob     487
        alice  <- proxy            200 CANCEL
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
}

/// Time is exact, and the world loses what the ladder says: the toy sends again after 500 ms and then each second.
#[test]
fn a_lost_invite_is_sent_again() {
    ladder(
        "
        given bob is registered
        alice  x-> proxy           INVITE bob
        +500ms alice -> proxy      INVITE bob (again)
        alice  <- proxy            100
                  proxy x-> bob    INVITE
        +500ms    proxy x-> bob    INVITE (again)
        @2s       proxy -> bob     INVITE (again)
        +250ms    proxy <- bob     486
        alice  <-x proxy           486
        +1s       proxy <- bob     486 (again)
        alice  <- proxy            486
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +10min
    ",
    );
}

#[test]
fn passwords() {
    Ladder::new(Toy::with_passwords).run(
        "
        given bob is registered
        alice  -> proxy            REGISTER
        alice  <- proxy            401
            WWW-Authenticate: Digest realm=\"example.com\",*
        alice  -> proxy            REGISTER (auth)
        alice  <- proxy            200
            Contact: <sip:alice@{alice}>;expires=3600
        alice  -> proxy            MESSAGE bob (auth)
            | good morning
                  proxy -> bob     MESSAGE
            Content-Type: text/plain
            Authorization: *, nc=00000002,*
            | good morning
                  proxy <- bob     200 (auth)
        alice  <- proxy            200
    ",
    );
}

/// Both phones of a user ring; the caller talks to one and hangs up on the other.
#[test]
fn two_phones_ring() {
    ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob over tcp
        alice  -> proxy            INVITE bob
        alice  <- proxy            100
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE sip:mobile@{mobile};transport=tcp
                  proxy <- desk    200
                  proxy <- mobile  200
        alice  <- proxy            200
            Contact: <sip:desk@*
        alice  <- proxy            200
            Contact: <sip:mobile@*
        alice  -> proxy            ACK (with desk)
                  proxy -> desk    ACK
        alice  -> proxy            ACK (with mobile)
                  proxy -> mobile  ACK
        alice  -> proxy            BYE (with mobile)
                  proxy -> mobile  BYE
                  proxy <- mobile  200
        alice  <- proxy            200
    ",
    );
}

#[test]
fn two_calls_at_once() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            100
                  proxy -> bob     INVITE
        carol  -> proxy            INVITE bob #2
        carol  <- proxy            100 #2
                  proxy -> bob     INVITE #2
                  proxy <- bob     486 #2
        carol  <- proxy            486 #2
                  proxy <- bob     603
        alice  <- proxy            603
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        carol  -> proxy            ACK #2
                  proxy -> bob     ACK #2
    ",
    );
}

/// Headers that a phone sends can be anything; an empty one is left out.
#[test]
fn headers_are_overridden() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob
            Max-Forwards: 0
        alice  <- proxy            483
        alice  -> proxy            OPTIONS bob
            User-Agent: Ladder
            Contact: <sip:one@example.com>
            Contact: <sip:two@example.com>
                  proxy -> bob     OPTIONS
            User-Agent: L*r
            Contact: *one*
            Contact: *two*
            Max-Forwards: 69
        alice  -> proxy            INVITE bob #2
            Contact:
        alice  <- proxy            100 #2
                  proxy -> bob     INVITE #2
            !Contact
    ",
    );
}

#[test]
fn in_dialog_requests_refresh_the_target() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            100
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
                  proxy <- bob     INVITE
            Contact: <sip:moved@{bob}>
        alice  <- proxy            INVITE
        bob    <- proxy            100
        alice  -> proxy            200
        bob    <- proxy            200
        bob    -> proxy            ACK
        alice  <- proxy            ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE sip:moved@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
}

/// Phones may speak directly, here because nobody stays on the route.
#[test]
fn phones_speak_directly() {
    ladder(
        "
        alice -> bob    INVITE sip:bob@{bob}
        alice <- bob    200
        alice -> bob    ACK
        +3s alice <- bob    BYE
        alice -> bob    200
    ",
    );
}

#[test]
fn streams_and_raw_bytes() {
    ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/tcp        \"\\r\\n\\r\\n\"
        alice  <- proxy            \"\\r\\n\"
        alice  -> proxy            INVITE bob
        alice  <- proxy            100
                  proxy -> bob     INVITE
        bob    -> proxy            close
        alice  -> proxy            OPTIONS bob #2
        alice  <- proxy            404 #2
        alice  -> proxy            \"garbage\\r\\n\\r\\n\"
        alice  <- proxy            close
    ",
    );
}

#[test]
fn behind_a_translator() {
    let nat = Nat::new(NatKind::Symmetric, "203.0.113.7");
    Ladder::new(Toy::new).behind_nat(&["bob"], nat).run(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            100
                  proxy -> bob     INVITE sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
}

/// With links that take time, the slack says how much later each line may be.
#[test]
fn with_jitter() {
    let link = Link::new().delay_ms(5, 40);
    Ladder::new(Toy::new).link(link).slack_ms(400).seed(7).run(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            100
                  proxy -> bob     INVITE
                  proxy <- bob     486
        alice  <- proxy            486
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
}

/// A stage can be played on after the test has changed its world.
#[test]
fn the_server_restarts_between_two_ladders() {
    let mut stage = ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob
                  proxy -> bob     OPTIONS
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    let toy = Toy::new(stage.site());
    stage.restart(toy);
    stage.play(
        "
        alice  -> proxy            OPTIONS bob
        alice  <- proxy            404
    ",
    );
    assert!(stage.world().engine::<Toy>(stage.proxy()).bindings.is_empty());
}

/// RFC 3262 §7.2: RAck names the response that is acknowledged.
#[test]
fn a_reliable_provisional_response() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Supported: 100rel
        alice  <- proxy            100
                  proxy -> bob     INVITE
                  proxy <- bob     183
            Require: 100rel
            RSeq: 8
        alice  <- proxy            183
        alice  -> proxy            PRACK
                  proxy -> bob     PRACK
            RAck: 8 1 INVITE
            CSeq: 2 PRACK
                  proxy <- bob     200
        alice  <- proxy            200 PRACK
    ",
    );
}

/// A phone follows its route set; `(outbound)` sends to the line's receiver all the same.
#[test]
fn the_route_set_can_be_overruled() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            100
                  proxy -> bob     INVITE
                  proxy <- bob     200
            Record-Route:
        alice  <- proxy            200
            !Record-Route
        alice  -> proxy            ACK (outbound)
                  proxy -> bob     ACK
        alice  -> bob              BYE
        alice  <- bob              200
    ",
    );
}

/// RFC 3261 §12.2.1.1: a strict router wants itself in the Request-URI and the target at the end of Route.
#[test]
fn a_strict_router() {
    let stage = ladder(
        "
        alice -> bob    INVITE sip:bob@{bob}
        alice <- bob    200
            Record-Route: <sip:far.example.com;lr>
            Record-Route: <sip:{bob};maddr=strict>
        alice -> bob    ACK
    ",
    );
    let ack = String::from_utf8_lossy(stage.world().received(stage.phone("bob"))[1]).into_owned();
    assert!(ack.starts_with("ACK sip:192.0.2.12:5060;maddr=strict SIP/2.0\r\n"), "{ack}");
    let route = ["Route: <sip:far.example.com;lr>", "Route: <sip:bob@192.0.2.12:5060>"].join("\r\n");
    assert!(ack.contains(&route), "{ack}");
}
