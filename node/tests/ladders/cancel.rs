//! The caller gives up: RFC 3261 §9, §16.10.

use offhook_ladder::password_of;
use offhook_sip::Transport;

use crate::abuse::{asks, credentials, evening, request, says};
use crate::exchange::{OPEN, Observed, ladder, open_ladder, scene};

/// The caller gives up while it rings. The CANCEL goes hop by hop: the proxy answers it and sends its own.
/// RFC 3261 §16.10, RFC 3261 §9.1.
#[test]
fn a_ringing_call_is_cancelled() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +5s alice -> proxy         CANCEL
            Reason: SIP;cause=200;text=\"Call completed elsewhere\"
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL sip:bob@{bob}
            Reason: SIP;cause=200;text=\"Call completed elsewhere\"
            Max-Forwards: 70
                  proxy <- bob     200
                  proxy <- bob     487
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The phone has not said a word yet: the CANCEL must wait for it. RFC 3261 §9.1.
#[test]
fn a_cancel_waits_for_the_first_word() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy x-> bob    INVITE
        +100ms alice -> proxy      CANCEL
        alice  <- proxy            200 CANCEL
        +100ms alice <- proxy      100
        +300ms    proxy -> bob     INVITE (again)
                  proxy <- bob     100
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The first word is the answer itself: then there is nothing to cancel, and the caller has a call to end.
/// RFC 3261 §9.1, RFC 3261 §16.7 step 5.
#[test]
fn the_first_word_is_the_answer() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
        +100ms alice -> proxy      CANCEL
        alice  <- proxy            200 CANCEL
                  proxy <- bob     200 INVITE
        alice  <- proxy            200 INVITE
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The phone never says a word: after Timer B the call is over without a CANCEL. RFC 3261 §9.1, RFC 3261 §17.1.1.2.
#[test]
fn there_is_no_first_word() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
        +100ms alice -> proxy      CANCEL
        alice  <- proxy            200 CANCEL
        +100ms alice <- proxy      100
        @32s   alice <- proxy      408 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The phone answers the CANCEL, but never its INVITE: 64·T1 later the call is over all the same. RFC 3261 §9.1.
#[test]
fn the_phone_forgets_its_487() {
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
                  proxy <- bob     200 CANCEL
        +32s   alice <- proxy      408 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The CANCEL is lost on both legs: each hop repeats its own. RFC 3261 §9.1, RFC 3261 §17.1.2.2.
#[test]
fn a_lost_cancel_is_sent_again() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <-x proxy           200 CANCEL
                  proxy x-> bob    CANCEL
        +500ms alice -> proxy      CANCEL (again)
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL (again)
                  proxy x<- bob    200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
        +1s       proxy -> bob     CANCEL (again)
                  proxy <- bob     200 CANCEL (again)
    ",
    )
    .leaves_nothing();
}

/// A CANCEL after the answer has no effect but its own 200. RFC 3261 §9.2.
#[test]
fn a_cancel_after_the_answer() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The 200 is on its way when the CANCEL goes out: the caller gets it, and ends the call itself. RFC 3261 §16.7 step 5.
#[test]
fn a_cancel_crosses_the_answer() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 INVITE
        alice  <- proxy            200 INVITE
                  proxy <- bob     481 CANCEL
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A CANCEL that matches nothing is answered 481 and goes nowhere. We differ from RFC 3261 §16.10 here, which would have
/// it forwarded without state: it would carry a stranger's message to a place of his choice.
#[test]
fn a_cancel_of_nothing() {
    open_ladder(
        "
        given bob is registered
        alice  x-> proxy           INVITE bob
        alice  -> proxy            CANCEL
        alice  <- proxy            481
        alice  -> proxy            CANCEL
            Via: SIP/2.0/UDP {alice};branch=z9hG4bK-other;rport
        alice  <- proxy            481
    ",
    )
    .leaves_nothing();
}

/// A re-INVITE is cancelled; the call goes on. RFC 3261 §9.1, RFC 3261 §14.1.
#[test]
fn a_re_invite_is_cancelled() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            INVITE
                  proxy -> bob     INVITE
                  proxy <- bob     100
        +200ms alice <- proxy      100
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The CANCEL follows its INVITE through the same Route. RFC 3261 §9.1.
#[test]
fn a_cancel_has_the_route_of_its_invite() {
    scene(OPEN)
        .address("far", "192.0.2.50:5060")
        .run(
            "
        alice  -> proxy            INVITE sip:bob@192.0.2.99
            Route: <sip:{proxy};lr>
            Route: <sip:{far};lr>
                  proxy -> far     INVITE sip:bob@192.0.2.99
            Route: <sip:{far};lr>
                  proxy <- far     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> far     CANCEL sip:bob@192.0.2.99
            Route: <sip:{far};lr>
                  proxy <- far     200 CANCEL
                  proxy <- far     487 INVITE
                  proxy -> far     ACK sip:bob@192.0.2.99
            Route: <sip:{far};lr>
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// Over TCP nothing is repeated, and the CANCEL takes the connection of its INVITE. RFC 3261 §9.1.
#[test]
fn a_cancel_over_tcp() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/tcp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The phone lifts while the CANCEL is on its way, and its 200 is lost on the last leg: the 200 passes for 64·T1 from its
/// first copy, not only until the patience with the CANCEL ends. RFC 6026 §7.2, RFC 3261 §9.1.
#[test]
fn a_200_that_overtakes_its_cancel_passes_for_its_full_time() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
        +20s      proxy <- bob     200 INVITE
        alice  <-x proxy           200 INVITE
        +16s      proxy <- bob     200 INVITE (again)
        alice  <- proxy            200 INVITE (again)
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    )
    .leaves_nothing();
}

/// A stranger far away has repeated his INVITE before the 480 of the first copy reaches him, and bob has come in between: the
/// second copy rings at bob's. The ACK to the 480, which left no state, says that nobody waits for him, and he stops ringing;
/// an ACK to something else says nothing. RFC 3261 §17.1.1.2, RFC 3261 §8.2.7, RFC 3261 §9.1.
#[test]
fn who_acknowledges_the_refusal_of_an_earlier_copy_has_left() {
    ladder(
        "
        trudy  -> proxy            INVITE bob
            From: <sip:trudy@elsewhere.example>;tag=t1
        trudy  <- proxy            480
        given bob is registered
        +500ms trudy -> proxy      INVITE bob (again)
                  proxy -> bob     INVITE sip:bob@{bob}
        trudy  -> proxy            ACK
            To: <sip:bob@example.com>;tag=somebody
                  proxy <- bob     180
        trudy  <-x proxy           180
        +1s trudy -> proxy         ACK
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        trudy  <- proxy            487 INVITE
        trudy  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The same by somebody who is known: his second copy hears the 480 of the first, and bob's phone does not ring for who is
/// gone. It goes again until it is acknowledged. RFC 3261 §8.2.7, RFC 3261 §17.2.1.
#[test]
fn the_refusal_of_a_call_by_somebody_known_lasts() {
    let mut stage = open_ladder(
        "
        alice  -> proxy            INVITE bob
        alice  <-x proxy           480
        given bob is registered
        +300ms alice -> proxy      INVITE bob (again)
        alice  <-x proxy           480 (again)
        +200ms alice <- proxy      480 (again)
        alice  -> proxy            ACK
        +1s alice -> proxy         INVITE bob (again)
        alice  -> proxy            INVITE bob #2
                  proxy -> bob     INVITE #2
                  proxy <- bob     486 #2
                  proxy -> bob     ACK #2
        alice  <- proxy            486 #2
        alice  -> proxy            ACK #2
    ",
    );
    stage.play("+32s");
    stage.leaves_nothing();
}

/// An old phone answers a challenge with the branch of the first try, and its ACK to the challenge comes late: it has another
/// number than what rings now, and ends nothing. RFC 3261 §17.1.1.3.
#[test]
fn a_late_ack_to_a_challenge_ends_no_call() {
    const PHONE: &str = "203.0.113.5:5060";
    let mut stage = evening();
    let uri = "sip:carol@example.com";
    let invite = |n, more: &str| {
        request("INVITE", uri, "bob", PHONE, n, more).replace(&format!("z9hG4bKINVITE{n}"), "z9hG4bKsame")
    };
    let challenge = asks(&mut stage, PHONE, &invite(1, "")).expect("a challenge");
    let line = credentials(&challenge, "bob", &password_of("bob"), ("INVITE", uri), 1);
    let copy = says(&mut stage, Transport::Udp, PHONE, &invite(2, &line)).pop().expect("it rings");
    let keep = |line: &&str| ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name));
    let lines: Vec<&str> = copy.1.lines().filter(keep).collect();
    let ringing = format!(
        "SIP/2.0 180 Ringing\r\n{}\r\nTo: <{uri}>;tag=c\r\nContent-Length: 0\r\n\r\n",
        lines.join("\r\n")
    );
    assert_eq!(says(&mut stage, Transport::Udp, &copy.0.to_string(), &ringing).len(), 1, "a 180 for bob");
    let to = challenge.lines().find(|line| line.starts_with("To:")).expect("To");
    let ack = |n: u32| {
        let text = request("ACK", uri, "bob", PHONE, n, "").replace("Call-ID: ACK", "Call-ID: INVITE");
        text.replace(&format!("z9hG4bKACK{n}"), "z9hG4bKsame").replace(&format!("To: <{uri}>"), to)
    };
    assert_eq!(says(&mut stage, Transport::Udp, PHONE, &ack(1)), []);
    let cancel = says(&mut stage, Transport::Udp, PHONE, &ack(2));
    assert!(cancel[0].1.starts_with("CANCEL "), "the ACK of the INVITE that rings: {cancel:?}");
}
