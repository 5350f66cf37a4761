//! What is checked before anything is done: RFC 3261 §16.3, step by step, and where a request may go: §16.5.

use crate::exchange::{Observed, ladder, open_ladder};

/// What the proxy must understand is malformed: 400 says what. RFC 3261 §16.3 step 1, RFC 3261 §21.4.1.
#[test]
fn a_malformed_request_is_answered_400() {
    for (header, reason) in [
        ("From: <sip:alice@example.com", "Malformed From"),
        ("To: \"bob <sip:bob@example.com>", "Malformed To"),
        ("Max-Forwards: many", "Malformed Max-Forwards"),
        ("Max-Forwards: 256", "Malformed Max-Forwards"),
        ("Call-ID: a b", "Malformed Call-ID"),
        ("Content-Length: -1", "Wrong Content-Length"),
        ("Content-Length: 5", "Wrong Content-Length"),
        ("Route: sip:", "*"),
        ("!To", "Missing To"),
    ] {
        open_ladder(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
            {header}
        alice  <- proxy            400 {reason}
        "
        ))
        .leaves_nothing();
    }
}

/// Without From, Call-ID or CSeq an answer would find nobody: silence. RFC 3261 §8.2.6.2.
#[test]
fn what_cannot_be_answered_is_dropped() {
    for header in ["From", "Call-ID", "CSeq", "Via"] {
        open_ladder(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
            !{header}
        "
        ))
        .leaves_nothing();
    }
}

/// What the proxy need not understand may be as malformed as it likes, and stays as it is. RFC 3261 §16.3 step 1.
#[test]
fn other_peoples_malformed_headers_pass() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob
            Date: yesterday, about noon
            Warning: ???
            Contact: <<<
            Expires: soon
            X-Unheard-Of: ;;;,,,
                  proxy -> bob     OPTIONS
            Date: yesterday, about noon
            Warning: ???
            Expires: soon
            X-Unheard-Of: ;;;,,,
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A method that nobody has heard of is forwarded like any other. RFC 3261 §16.3 step 1.
#[test]
fn unknown_methods_pass() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            TELEPORT bob
                  proxy -> bob     TELEPORT sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            TELEPORT bob
                  proxy -> bob     TELEPORT
                  proxy <- bob     501
        alice  <- proxy            501
    ",
    )
    .leaves_nothing();
}

/// Schemes that we cannot route. RFC 3261 §16.3 step 2, RFC 3261 §21.4.14.
#[test]
fn foreign_schemes_are_refused() {
    for uri in ["tel:+15551234", "mailto:bob@example.com", "http://example.com/bob", "nobody:knows"] {
        open_ladder(&format!(
            "
        alice  -> proxy            INVITE {uri}
        alice  <- proxy            416
        alice  -> proxy            ACK
        "
        ))
        .leaves_nothing();
    }
}

/// A URI that is none. RFC 3261 §16.3 step 1.
#[test]
fn a_malformed_request_uri_is_refused() {
    for uri in ["sip:", "sip:bob@", "sip:bob@[::1", "sip:bob@example.com:x", "sip:bob@example.com?Subject=hi"]
    {
        open_ladder(&format!(
            "
        alice  -> proxy            INVITE {uri}
        alice  <- proxy            400
        "
        ))
        .leaves_nothing();
    }
}

/// No hop is left: 483, and the request goes no further. RFC 3261 §16.3 step 3, RFC 3261 §21.4.21.
#[test]
fn too_many_hops() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Max-Forwards: 0
        alice  <- proxy            483
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob
            Max-Forwards: 1
                  proxy -> bob     INVITE
            Max-Forwards: 0
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// With OPTIONS the caller looks along the path: where no hop is left, whoever has it answers for himself.
/// RFC 3261 §16.3 step 3, RFC 3261 §11.
#[test]
fn options_trace_the_path() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob
            Max-Forwards: 0
        alice  <- proxy            200
            Allow: *INVITE*
        alice  -> proxy            OPTIONS sip:carol@192.0.2.99
            Max-Forwards: 0
        alice  <- proxy            200
            Allow: *INVITE*
    ",
    )
    .leaves_nothing();
}

/// What is meant for the server itself has arrived; it needs no further hop. RFC 3261 §16.3 step 3.
#[test]
fn the_last_hop_needs_no_more_hops() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Max-Forwards: 0
        bob    <- proxy            200
        alice  -> proxy            OPTIONS proxy
            Max-Forwards: 0
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// An extension that proxies would have to know. RFC 3261 §16.3 step 5, RFC 3261 §21.4.15,
/// RFC 3261 §19.2, RFC 3261 §20.29, RFC 3261 §20.40.
#[test]
fn proxy_require_is_refused() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Proxy-Require: teleport, levitate
        alice  <- proxy            420
            Unsupported: teleport, levitate
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob
            Proxy-Require: teleport, pref
            Subject: x
            Proxy-Require: levitate, PREF, swim
        alice  <- proxy            420
            Unsupported: teleport, levitate, swim
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob
            Require: teleport
                  proxy -> bob     INVITE
            Require: teleport
                  proxy <- bob     420
            Unsupported: teleport
                  proxy -> bob     ACK
        alice  <- proxy            420
            Unsupported: teleport
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The checks are made in the order of the RFC. RFC 3261 §16.3.
#[test]
fn the_order_of_the_checks() {
    ladder(
        "
        alice  -> proxy            INVITE fax:+15551234
            Max-Forwards: 0
            Proxy-Require: teleport
        alice  <- proxy            416
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob
            Max-Forwards: 0
            Proxy-Require: teleport
        alice  <- proxy            483
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob
            Proxy-Require: teleport
        alice  <- proxy            420
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Refusals that leave no state behind are repeated for a repeated request, with the same To tag, and their ACK ends here.
/// RFC 3261 §16.3, RFC 3261 §8.2.7.
#[test]
fn stateless_refusals() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Max-Forwards: 0
        alice  <-x proxy           483
        +500ms alice -> proxy      INVITE bob (again)
        alice  <- proxy            483 (again)
        alice  -> proxy            ACK
        alice  -> proxy            ACK (again)
    ",
    )
    .leaves_nothing();
}

/// A user that exists and is nowhere: 480. One that does not exist: 404. RFC 3261 §16.5.
#[test]
fn who_is_not_there() {
    open_ladder(
        "
        alice  -> proxy            INVITE bob
        alice  <- proxy            404
        alice  -> proxy            ACK
        alice  -> proxy            INVITE alice
        alice  <- proxy            480
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The server itself can be asked what it can do, and called by nobody. RFC 3261 §11.2, RFC 3261 §21.4.6,
/// RFC 3261 §8.2.1, RFC 3261 §20.1, RFC 3261 §20.5.
#[test]
fn requests_to_the_server_itself() {
    open_ladder(
        "
        alice  -> proxy            OPTIONS proxy
        alice  <- proxy            200
            Allow: *REGISTER*
            Accept: */*
            Supported: path, outbound, gruu
            To: *;tag=*
        alice  -> proxy            OPTIONS sip:{proxy}
        alice  <- proxy            200
        alice  -> proxy            INVITE proxy
        alice  <- proxy            405
            Allow: OPTIONS, REGISTER
        alice  -> proxy            ACK
        alice  -> proxy            MESSAGE sip:{proxy.host}
        alice  <- proxy            405
            Allow: OPTIONS, REGISTER
    ",
    )
    .leaves_nothing();
}

/// What it is asked to understand and does not, it names; also where a request goes no further. RFC 3261 §8.2.2.3, §11.2, §16.3
/// step 3.
#[test]
fn what_the_server_does_not_understand() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS proxy
            Require: foo, path, 100rel
        alice  <- proxy            420
            Unsupported: foo, 100rel
        alice  -> proxy            OPTIONS proxy
            Require: outbound, gruu
        alice  <- proxy            200
        alice  -> proxy            OPTIONS bob
            Max-Forwards: 0
            Require: foo
        alice  <- proxy            420
            Unsupported: foo
        alice  -> proxy            INVITE proxy
            Require: foo
        alice  <- proxy            405
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A user may be named at the server's address instead of its domain. RFC 3261 §16.5.
#[test]
fn a_user_at_our_address() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS sip:bob@{proxy}
                  proxy -> bob     OPTIONS sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// There is no way to that transport or address family. RFC 3261 §21.5.3.
#[test]
fn no_way_to_go() {
    for uri in ["sips:bob@192.0.2.9", "sip:bob@192.0.2.9;transport=ws", "sip:bob@[2001:db8::9]"] {
        open_ladder(&format!(
            "
        alice  -> proxy            INVITE {uri}
        alice  <- proxy            502
        alice  -> proxy            ACK
        "
        ))
        .leaves_nothing();
    }
}

/// Somebody elsewhere is called by his address; the Request-URI stays as it was. RFC 3261 §16.5.
#[test]
fn a_foreign_address_is_the_only_target() {
    open_ladder(
        "
        alice  -> proxy            INVITE sip:carol@{carol};user=phone
                  proxy -> carol   INVITE sip:carol@{carol};user=phone
                  proxy <- carol   486
                  proxy -> carol   ACK sip:carol@{carol};user=phone
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}
