//! Calls between users of the exchange: the flows of RFC 3665 §3, as far as one server has a part in them. Two servers
//! call each other in `two_exchanges.rs`.

use crate::access::{credentials, quoted};
use crate::exchange::{OPEN, Observed, ladder, open_ladder, scene, scene_on_disk};

/// A call from the first ring to the hang-up, over the proxy all the way. What is meant for the proxy stays with it.
/// RFC 3665 §3.2, RFC 3261 §22.3, RFC 3261 §16.2.
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
            !Proxy-Authorization
        +10s alice -> proxy        BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The callee hangs up; his BYE needs no credentials, because the dialog is sealed in its Route. RFC 3665 §3.2.
#[test]
fn bob_hangs_up() {
    ladder(
        "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +1min     proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice}
            !Route
        alice  -> proxy            200
                  proxy -> bob     200 BYE
    ",
    )
    .leaves_nothing();
}

/// Two phones speak directly; the server is not even asked. RFC 3665 §3.1.
#[test]
fn without_a_proxy() {
    open_ladder(
        "
        alice -> bob    INVITE sip:bob@{bob}
        alice <- bob    180
        alice <- bob    200
        alice -> bob    ACK
        alice <- bob    BYE
        alice -> bob    200
    ",
    )
    .leaves_nothing();
}

/// Without Record-Route the phones speak directly once they have found each other; the 200 still comes through the proxy.
/// RFC 3665 §3.1, RFC 3261 §16.6 step 4.
#[test]
fn the_proxy_steps_aside() {
    let aside = "[access]\nauthenticate_register = false\nauthenticate_calls = false\n[proxy]\nrecord_route = false\n";
    scene(aside)
        .run(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
            !Record-Route
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> bob              ACK
        alice  <- bob              BYE
        alice  -> bob              200
    ",
        )
        .leaves_nothing();
}

/// A second proxy behind ours asks for credentials too: the caller answers both challenges, each with its own header, and
/// ours takes away only what was meant for it. RFC 3665 §3.3, RFC 3261 §22.3.
#[test]
fn two_proxies_ask_for_credentials() {
    let mut stage = ladder(
        "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE
            !Proxy-Authorization
                  proxy <- bob     407
            Proxy-Authenticate: Digest realm=\"far.example\", nonce=\"7\", algorithm=MD5
                  proxy -> bob     ACK
        alice  <- proxy            407
            Proxy-Authenticate: Digest realm=\"far.example\", nonce=\"7\", algorithm=MD5
        alice  -> proxy            ACK
    ",
    );
    let nonce = quoted(&stage.last_header("alice", "Proxy-Authorization"), "nonce");
    let ours = format!("Digest realm=\"example.com\", nonce=\"{nonce}\", algorithm=SHA-256, qop=\"auth\"");
    let ours = credentials(&ours, "alice", ("INVITE", "sip:bob@example.com"), 2);
    let theirs = "Digest username=\"alice\", realm=\"far.example\", nonce=\"7\", uri=\"sip:bob@example.com\", response=\"00\"";
    stage.play(&format!(
        "
        alice  -> proxy            INVITE bob #2
            Proxy-Authorization: {theirs}
            Proxy-Authorization: {ours}
                  proxy -> bob     INVITE #2
            Proxy-Authorization: {theirs}
                  proxy <- bob     200 #2
        alice  <- proxy            200 #2
        alice  -> proxy            ACK #2
                  proxy -> bob     ACK #2
            Proxy-Authorization: {theirs}
        alice  -> proxy            BYE #2
                  proxy -> bob     BYE #2
                  proxy <- bob     200 #2
        alice  <- proxy            200 #2
    "
    ));
    stage.leaves_nothing();
}

/// The server is away for a while. The phone tries on, and its call begins when the server is back. RFC 3665 §3.4.
#[test]
fn a_server_that_is_away_for_a_moment() {
    let mut stage = open_ladder("given bob is registered");
    let (proxy, alice) = (stage.proxy(), {
        stage.play("alice -> proxy OPTIONS proxy\n alice <- proxy 200");
        stage.phone("alice")
    });
    stage.world_mut().cut(alice, proxy);
    stage.play(
        "
        alice  x-> proxy           INVITE bob #2
        +500ms alice x-> proxy     INVITE bob #2 (again)
        +1s
    ",
    );
    stage.world_mut().heal(alice, proxy);
    stage.play(
        "
        alice  -> proxy            INVITE bob #2 (again)
                  proxy -> bob     INVITE #2
                  proxy <- bob     200 #2
        alice  <- proxy            200 #2
        alice  -> proxy            ACK #2
                  proxy -> bob     ACK #2
        alice  -> proxy            BYE #2
                  proxy -> bob     BYE #2
                  proxy <- bob     200 #2
        alice  <- proxy            200 #2
    ",
    );
    stage.leaves_nothing();
}

/// A redirect server says where bob is now; the second INVITE goes through the proxy, and the SDP comes in the ACK.
/// RFC 3665 §3.6.
#[test]
fn redirect_and_sdp_in_the_ack() {
    open_ladder(
        "
        given bob is registered
        alice  -> redirect         INVITE sip:bob@{redirect}
        alice  <- redirect         302
            Contact: <sip:bob@example.com>
        alice  -> redirect         ACK
        alice  -> proxy            INVITE bob #2
                  proxy -> bob     INVITE #2
            !Content-Type
                  proxy <- bob     180 #2
        alice  <- proxy            180 #2
                  proxy <- bob     200 #2
            | v=0
            | o=bob 1 1 IN IP4 192.0.2.12
        alice  <- proxy            200 #2
            | v=0
            | o=bob 1 1 IN IP4 192.0.2.12
        alice  -> proxy            ACK #2
            | v=0
            | o=alice 1 1 IN IP4 192.0.2.11
                  proxy -> bob     ACK #2
            Content-Type: application/sdp
            | v=0
            | o=alice 1 1 IN IP4 192.0.2.11
                  proxy <- bob     BYE #2
        alice  <- proxy            BYE #2
        alice  -> proxy            200 #2
                  proxy -> bob     200 #2
    ",
    )
    .leaves_nothing();
}

/// A phone that redirects: a proxy that is not told to recurse passes the 302 on. RFC 3261 §16.7 step 4.
#[test]
fn a_phone_redirects_the_caller() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     302
            Contact: <sip:bob@elsewhere.example.com>
                  proxy -> bob     ACK
        alice  <- proxy            302
            Contact: <sip:bob@elsewhere.example.com>
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Bob walks to another address in the middle of the call: his re-INVITE goes through the proxy, and what follows goes to
/// the new address. RFC 3665 §3.7.
#[test]
fn a_re_invite_moves_the_target() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +1min     proxy <- bob     INVITE
            Contact: <sip:moved@{bob}>
        alice  <- proxy            INVITE sip:alice@{alice}
            !Record-Route
        alice  -> proxy            200
                  proxy -> bob     200
                  proxy <- bob     ACK
        alice  <- proxy            ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE sip:moved@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Nobody answers; the caller gives up. RFC 3665 §3.8, RFC 3261 §16.10.
#[test]
fn no_answer() {
    ladder(
        "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +9s alice -> proxy         CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL sip:bob@{bob}
                  proxy <- bob     200
                  proxy <- bob     487
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The callee is busy and has no voicemail: the 486 reaches the caller. RFC 3665 §3.9, RFC 3261 §16.7 step 6.
#[test]
fn busy() {
    ladder(
        "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE
        +50ms     proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486 Busy Here
            To: <sip:bob@example.com>;tag=bob-*
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The phone is gone without a word: the INVITE is sent seven times, and after 32 seconds the caller is told.
/// RFC 3665 §3.10, RFC 3261 §16.8.
#[test]
fn no_response_from_the_phone() {
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
        @15.5s    proxy x-> bob    INVITE (again)
        @31.5s    proxy x-> bob    INVITE (again)
        @32s   alice <- proxy      408
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Bob does not want to be disturbed. RFC 3665 §3.11.
#[test]
fn temporarily_unavailable() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +3s       proxy <- bob     480
                  proxy -> bob     ACK
        alice  <- proxy            480
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A text message makes no dialog: it gets no Record-Route and passes like any other request. RFC 3428 §5.
#[test]
fn a_text_message() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
            | Watson, come here.
                  proxy -> bob     MESSAGE sip:bob@{bob}
            !Record-Route
            Content-Type: text/plain
            | Watson, come here.
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Every message of the call is lost once; each is sent again by whom the RFC wants to, and the call comes about.
/// RFC 3261 §17.1.1.2, RFC 3261 §17.2.1, RFC 3261 §13.3.1.4.
#[test]
fn every_message_is_lost_once() {
    open_ladder(
        "
        given bob is registered
        alice  x-> proxy           INVITE bob
        +500ms alice -> proxy      INVITE bob (again)
                  proxy x-> bob    INVITE
        +200ms alice <-x proxy     100
        +300ms    proxy -> bob     INVITE (again)
                  proxy x<- bob    180
        +500ms alice -> proxy      INVITE bob (again)
        alice  <- proxy            100 (again)
        +500ms    proxy -> bob     INVITE (again)
                  proxy <- bob     180 (again)
        alice  <- proxy            180
        +2s       proxy x<- bob    200
        +500ms    proxy <- bob     200 (again)
        alice  <-x proxy           200
        +1s       proxy <- bob     200 (again)
        alice  <- proxy            200 (again)
        alice  x-> proxy           ACK
        +2s       proxy <- bob     200 (again)
        alice  <- proxy            200 (again)
        alice  -> proxy            ACK (again)
                  proxy x-> bob    ACK
        +4s       proxy <- bob     200 (again)
        alice  <- proxy            200 (again)
        alice  -> proxy            ACK (again)
                  proxy -> bob     ACK (again)
        +10s   alice -> proxy      BYE
                  proxy x-> bob    BYE
        +500ms    proxy -> bob     BYE (again)
                  proxy x<- bob    200
        +1s       proxy -> bob     BYE (again)
                  proxy <- bob     200 (again)
        alice  <-x proxy           200
        alice  -> proxy            BYE (again)
        alice  <- proxy            200 (again)
    ",
    )
    .leaves_nothing();
}

/// A reliable provisional response and its PRACK pass in the early dialog. RFC 3262 §4, RFC 3262 §7.2.
#[test]
fn a_reliable_provisional_response() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Supported: 100rel
                  proxy -> bob     INVITE
                  proxy <- bob     183
            Require: 100rel
            RSeq: 8
        alice  <- proxy            183
            RSeq: 8
        alice  -> proxy            PRACK
                  proxy -> bob     PRACK
            RAck: 8 1 INVITE
                  proxy <- bob     200
        alice  <- proxy            200 PRACK
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

/// A subscription is a dialog too: the notifier finds the way back. RFC 6665 §4.1.
#[test]
fn a_subscription() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            SUBSCRIBE bob
            Event: presence
                  proxy -> bob     SUBSCRIBE
            Record-Route: *
                  proxy <- bob     200
        alice  <- proxy            200
                  proxy <- bob     NOTIFY
            Event: presence
        alice  <- proxy            NOTIFY sip:alice@{alice}
        alice  -> proxy            200
                  proxy -> bob     200
    ",
    )
    .leaves_nothing();
}

/// Alice holds one call and transfers the other: REFER in the dialog passes. RFC 3515 §2.4.
#[test]
fn a_refer_in_the_dialog() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            REFER
            Refer-To: <sip:carol@example.com>
                  proxy -> bob     REFER
            Refer-To: <sip:carol@example.com>
                  proxy <- bob     202
        alice  <- proxy            202
                  proxy <- bob     BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
                  proxy -> bob     200
    ",
    )
    .leaves_nothing();
}

/// The exchange is killed while a phone rings. Its late answer belongs to nobody any more, least of all to the call of a
/// stranger that has taken the same place. RFC 3261 §17.1.3.
#[test]
fn an_answer_to_the_exchange_before() {
    let mut stage = scene_on_disk(OPEN).run(
        "
        given bob is registered
        given dave is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
    ",
    );
    stage.kill_and_restart();
    stage.play(
        "
        carol  -> proxy            INVITE dave #2
                  proxy -> dave    INVITE #2
                  proxy <- bob     200 #1
                  proxy <- dave    486 #2
                  proxy -> dave    ACK #2
        carol  <- proxy            486 #2
        carol  -> proxy            ACK #2
    ",
    );
    stage.leaves_nothing();
}

/// The exchange is killed in the middle of a call. The seal of its Record-Route holds, so the call can be ended.
/// RFC 3261 §16.6 step 4.
#[test]
fn a_call_outlives_the_exchange() {
    let mut stage = scene_on_disk("").run(
        "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
    stage.kill_and_restart();
    stage.play(
        "
        +1min     proxy <- bob     BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
                  proxy -> bob     200
    ",
    );
    stage.leaves_nothing();
}
