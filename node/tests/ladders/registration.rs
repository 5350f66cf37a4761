//! Registrations: RFC 3261 §10, the flows of RFC 3665 §2 with digest, Path, and the order of updates.

use offhook_journal::EventKind;
use offhook_net::Engine;

use crate::exchange::{Exchange, OPEN, Observed, ladder, open_ladder, scene, scene_on_disk};

/// Bob's phone is switched on: it is challenged, answers, and is told what is registered and for how long. The
/// challenge leaves no state behind. RFC 3665 §2.1, RFC 3261 §10.3, RFC 3261 §22.2, RFC 3261 §20.7, RFC 3261 §20.44.
#[test]
fn a_phone_registers() {
    ladder(
        "
        bob    -> proxy            REGISTER
        bob    <- proxy            401
            WWW-Authenticate: Digest realm=\"example.com\"*
            To: <sip:bob@example.com>;tag=*
            !Contact
        bob    -> proxy            REGISTER (auth)
        bob    <- proxy            200
            Contact: <sip:bob@{bob}>;expires=3600
    ",
    )
    .leaves_nothing();
}

/// Every 200 says what time it is: to one who registers, asks, or leaves; that to other requests does not.
/// RFC 3261 §10.3, RFC 3261 §20.17.
#[test]
fn a_phone_is_told_the_time() {
    let mut stage = open_ladder(
        "
        bob    -> proxy            REGISTER
        bob    <- proxy            200
            Date: Thu, 01 Jan 2026 00:00:00 GMT
        +61.5s bob -> proxy        REGISTER
            Contact:
            !Expires
        bob    <- proxy            200
            Date: Thu, 01 Jan 2026 00:01:01 GMT
        bob    -> proxy            OPTIONS sip:{proxy.host}
        bob    <- proxy            200
            !Date
    ",
    );
    // The machine had started with a wrong clock, and has found a time server.
    let proxy = stage.proxy();
    stage.world_mut().engine_mut::<Exchange>(proxy).note_clock(86_400_000);
    stage.play(
        "
        bob    -> proxy            REGISTER
            Contact: *
            Expires: 0
        bob    <- proxy            200
            Date: Fri, 02 Jan 2026 00:01:01 GMT
    ",
    );
    stage.leaves_nothing();
}

/// Where phones have a better clock, and nobody wants to hear of this one. RFC 3261 §10.3.
#[test]
fn no_phone_is_told_the_time() {
    scene("access.authenticate_register = false\nregistrar.date = false")
        .run(
            "
        bob    -> proxy            REGISTER
        bob    <- proxy            200
            !Date
    ",
        )
        .leaves_nothing();
}

/// Bob has a second device: the list in the 200 names both. RFC 3665 §2.2, RFC 3261 §10.3 step 8.
#[test]
fn the_contact_list_is_updated() {
    open_ladder(
        "
        given desk is registered as bob
        mobile -> proxy            REGISTER bob
        mobile <- proxy            200
            Contact: <sip:desk@{desk}>;expires=3600
            Contact: <sip:mobile@{mobile}>;expires=3600
    ",
    )
    .leaves_nothing();
}

/// A REGISTER without Contact changes nothing and tells what is there, with the time that is left.
/// RFC 3665 §2.3, RFC 3261 §10.2.3.
#[test]
fn the_contact_list_is_asked_for() {
    ladder(
        "
        given bob is registered
        +600s bob -> proxy         REGISTER
            Contact:
            !Expires
        bob    <- proxy            401
        bob    -> proxy            REGISTER (auth)
        bob    <- proxy            200
            Contact: <sip:bob@{bob}>;expires=3000
    ",
    )
    .leaves_nothing();
}

/// All bindings go at once. RFC 3665 §2.4, RFC 3261 §10.2.2.
#[test]
fn a_star_cancels_all() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        desk   -> proxy            REGISTER bob
            Contact: *
            Expires: 0
        desk   <- proxy            200
            !Contact
        alice  -> proxy            OPTIONS bob
        alice  <- proxy            480
    ",
    )
    .leaves_nothing();
}

/// One binding goes by `expires=0`, the other stays. RFC 3261 §10.2.2.
#[test]
fn one_contact_is_removed() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;expires=0
        desk   <- proxy            200
            Contact: <sip:mobile@{mobile}>;expires=3600
        alice  -> proxy            OPTIONS bob
                  proxy -> mobile  OPTIONS
                  proxy <- mobile  200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A wrong password is asked for again, and leaves nothing registered. RFC 3665 §2.5, RFC 3261 §22.1.
#[test]
fn a_wrong_password_registers_nothing() {
    let mut stage = ladder(
        "
        forgetful -> proxy         REGISTER
        forgetful <- proxy         401
        forgetful -> proxy         REGISTER (auth)
        forgetful <- proxy         401
            WWW-Authenticate: *nonce=*
            !Contact
        given alice is registered
        alice  -> proxy            OPTIONS forgetful
        alice  <- proxy            407
        alice  -> proxy            OPTIONS forgetful (auth)
        alice  <- proxy            480
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::AuthFailed), 1);
    // Whoever tries on is challenged on; there is no state that could run full.
    stage.play(
        "
        forgetful -> proxy         REGISTER (auth)
        forgetful <- proxy         401
        forgetful -> proxy         REGISTER (auth)
        forgetful <- proxy         401
    ",
    );
    stage.leaves_nothing();
}

/// `*` stands alone and with Expires 0; anything else is a mistake that must not delete. RFC 3261 §10.3 step 6.
#[test]
fn a_star_that_is_not_alone_is_refused() {
    open_ladder(
        "
        given bob is registered
        bob    -> proxy            REGISTER
            Contact: *
            Expires: 3600
        bob    <- proxy            400
        bob    -> proxy            REGISTER
            Contact: *
            !Expires
        bob    <- proxy            400
        bob    -> proxy            REGISTER
            Contact: *
            Contact: <sip:bob@{bob}>
            Expires: 0
        bob    <- proxy            400
        alice  -> proxy            OPTIONS bob
                  proxy -> bob     OPTIONS
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The answer was lost and the REGISTER comes again: the same answer, and not one binding more. No transaction is
/// kept for it. RFC 3261 §10.3 step 7, RFC 3261 §17.2.2.
#[test]
fn a_repeated_register_changes_nothing() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
        bob    <-x proxy           200
        +500ms bob -> proxy        REGISTER (again)
        bob    <- proxy            200
            Contact: <sip:bob@{bob}>;expires=3600
    ",
    )
    .leaves_nothing();
}

/// A REGISTER that was overtaken by a newer one of the same phone is refused; the newer one holds.
/// RFC 3261 §10.3 step 7.
#[test]
fn a_late_register_does_not_undo_a_newer_one() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            CSeq: 5 REGISTER
        bob    <- proxy            200
        bob    -> proxy            REGISTER
            CSeq: 4 REGISTER
            Expires: 0
        bob    <- proxy            400
        bob    -> proxy            REGISTER
            CSeq: 3 REGISTER
            Contact: *
            Expires: 0
        bob    <- proxy            400
        alice  -> proxy            OPTIONS bob
                  proxy -> bob     OPTIONS
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A phone that was restarted has another Call-ID, and its CSeq begins anew: that is newer. RFC 3261 §10.3 step 7.
#[test]
fn a_restarted_phone_counts_from_one_again() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            CSeq: 900 REGISTER
        bob    <- proxy            200
        bob    -> proxy            REGISTER
            Call-ID: after-the-restart
            CSeq: 1 REGISTER
            Expires: 600
        bob    <- proxy            200
            Contact: <sip:bob@{bob}>;expires=600
    ",
    )
    .leaves_nothing();
}

/// A binding that is not refreshed is gone when its time is over, to the second, although nobody said a word.
/// RFC 3261 §10.3 step 7, RFC 3261 §16.5.
#[test]
fn a_binding_expires() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Expires: 60
        bob    <- proxy            200
            Contact: <sip:bob@{bob}>;expires=60
        @59s   alice -> proxy      OPTIONS bob
                  proxy -> bob     OPTIONS
                  proxy <- bob     200
        alice  <- proxy            200
        @60s   alice -> proxy      OPTIONS bob
        alice  <- proxy            480
    ",
    )
    .leaves_nothing();
}

/// Expired bindings do not stay in memory, even if nobody asks for them.
#[test]
fn expired_bindings_are_swept_away() {
    let mut stage = open_ladder("given bob is registered");
    assert_eq!(stage.exchange().plan.location.count(), 1);
    stage.play("+2h");
    assert_eq!(stage.exchange().plan.location.count(), 0);
}

/// A phone that refreshes in time stays reachable. RFC 3261 §10.2.4.
#[test]
fn a_refresh_prolongs_a_binding() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Expires: 60
        bob    <- proxy            200
        @55s   bob -> proxy        REGISTER
            Expires: 60
        bob    <- proxy            200
            Contact: <sip:bob@{bob}>;expires=60
        @100s  alice -> proxy      OPTIONS bob
                  proxy -> bob     OPTIONS
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Too short a time is refused with the shortest that is taken; too long a time is shortened; none at all is an hour.
/// RFC 3261 §10.3 step 7, RFC 3261 §21.4.17, RFC 3261 §20.23.
#[test]
fn lifetimes_are_kept_within_bounds() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Expires: 59
        bob    <- proxy            423
            Min-Expires: 60
            !Contact
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{bob}>;expires=10
            Expires: 3600
        bob    <- proxy            423
            Min-Expires: 60
        bob    -> proxy            REGISTER
            Expires: 1000000
        bob    <- proxy            200
            Contact: <sip:bob@{bob}>;expires=7200
        bob    -> proxy            REGISTER
            !Expires
        bob    <- proxy            200
            Contact: <sip:bob@{bob}>;expires=3600
        bob    -> proxy            REGISTER
            Expires: soon
        bob    <- proxy            200
            Contact: <sip:bob@{bob}>;expires=3600
    ",
    )
    .leaves_nothing();
}

/// Either all contacts of a REGISTER are taken or none. RFC 3261 §10.3 step 7.
#[test]
fn one_bad_contact_spoils_the_whole_register() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{bob}>;expires=600
            Contact: <sip:bob@192.0.2.200>;expires=5
        bob    <- proxy            423
        bob    -> proxy            REGISTER
            Contact:
        bob    <- proxy            200
            !Contact
    ",
    )
    .leaves_nothing();
}

/// A binding moves from one Contact to another in a single REGISTER. RFC 3261 §10.2.1.
#[test]
fn several_contacts_in_one_register() {
    open_ladder(
        "
        given bob is registered
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{bob}>;expires=0, <sip:one@{bob}>;q=0.7, \"Two\" <sip:two@{bob}>;expires=120
        bob    <- proxy            200
            Contact: <sip:one@{bob}>;q=0.700;expires=3600
            Contact: <sip:two@{bob}>;expires=120
    ",
    )
    .leaves_nothing();
}

/// What a phone says about its Contact is told back as it was said. RFC 3261 §10.3 step 8.
#[test]
fn contact_parameters_come_back() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{bob};ob>;+sip.instance=\"<urn:uuid:0-1>\";reg-id=1;video
        bob    <- proxy            200
            Contact: <sip:bob@{bob};ob>;+sip.instance=\"<urn:uuid:0-1>\";reg-id=1;video;expires=3600
    ",
    )
    .leaves_nothing();
}

/// The same device comes back from another address: its old binding goes. RFC 5626 §6.
#[test]
fn a_device_is_known_by_its_instance() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@192.0.2.99>;+sip.instance=\"<urn:uuid:0-1>\";reg-id=1
        bob    <- proxy            200
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{bob}>;+sip.instance=\"<urn:uuid:0-1>\";reg-id=1
            Call-ID: after-moving-house
        bob    <- proxy            200
            Contact: <sip:bob@{bob}>*
        alice  -> proxy            OPTIONS bob
                  proxy -> bob     OPTIONS
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Ten devices are plenty: the eleventh is refused, and the ten stay.
#[test]
fn a_user_has_a_bounded_number_of_contacts() {
    let mut stage = open_ladder("given bob is registered");
    for port in 1..=9 {
        stage.play(&format!(
            "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{{bob.host}}:700{port}>
        bob    <- proxy            200
        "
        ));
    }
    stage.play(
        "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{bob.host}:7010>
        bob    <- proxy            403 Too many contacts
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::RegisterRefused), 1);
    stage.leaves_nothing();
}

/// A Contact that is our own address would send us to ourselves for ever.
#[test]
fn our_own_address_is_no_contact() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{proxy}>
        bob    <- proxy            403
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{proxy.host}>
        bob    <- proxy            403
    ",
    )
    .leaves_nothing();
}

/// Nonsense in Contact is refused and stores nothing. RFC 3261 §10.3, RFC 3261 §21.4.1.
#[test]
fn malformed_contacts_are_refused() {
    for contact in [
        "<sip:bob@>",
        "<>",
        "sip:",
        "<sip:bob@{bob}>;q=2",
        "<tel:+15551234>",
        "<sip:bob@{bob}",
        "<sip:bob@a b>",
    ] {
        open_ladder(&format!(
            "
        bob    -> proxy            REGISTER
            Contact: {contact}
        bob    <- proxy            400
        bob    -> proxy            REGISTER
            Contact:
        bob    <- proxy            200
            !Contact
        "
        ));
    }
}

/// To names an address-of-record of another domain, and a domain of ours by its address. RFC 3261 §10.3 steps 1 and 5.
#[test]
fn whose_address_of_record_it_is() {
    open_ladder(
        "
        bob    -> proxy            REGISTER sip:bob@example.net
        bob    <- proxy            404
        bob    -> proxy            REGISTER sip:bob@{proxy}
        bob    <- proxy            200
        alice  -> proxy            OPTIONS bob
                  proxy -> bob     OPTIONS
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The address-of-record is found however its URI is written: escapes, case of the domain, parameters, port.
/// RFC 3261 §10.3 step 5, RFC 3261 §19.1.4.
#[test]
fn the_address_of_record_is_canonical() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS sip:%62ob@EXAMPLE.com:5060;user=phone
                  proxy -> bob     OPTIONS sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            OPTIONS sip:BOB@example.com
        alice  <- proxy            404
    ",
    )
    .leaves_nothing();
}

/// An extension that the registrar must understand and does not: 420 names it. RFC 3261 §10.3 step 2,
/// RFC 3261 §8.2.2.3, RFC 3261 §19.2.
#[test]
fn unknown_extensions_are_refused() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Require: path, teleport
        bob    <- proxy            420
            Unsupported: teleport
    ",
    )
    .leaves_nothing();
}

/// A REGISTER came through an edge proxy: its Path is told back, and requests to the phone go there first, with the
/// Path as Route and the Contact as Request-URI. RFC 3327 §5.3, RFC 3327 §5.2.
#[test]
fn path() {
    open_ladder(
        "
        edge   -> proxy            REGISTER bob
            Supported: path
            Contact: <sip:bob@10.9.8.7>
            Path: <sip:{edge};lr>, <sip:10.9.9.9;lr>
        edge   <- proxy            200
            Path: <sip:{edge};lr>
            Path: <sip:10.9.9.9;lr>
            Supported: path
        alice  -> proxy            INVITE bob
                  proxy -> edge    INVITE sip:bob@10.9.8.7
            Route: <sip:{edge};lr>
            Route: <sip:10.9.9.9;lr>
                  proxy <- edge    486
                  proxy -> edge    ACK sip:bob@10.9.8.7
            Route: <sip:{edge};lr>
            Route: <sip:10.9.9.9;lr>
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The fetched list of bindings comes without credentials of others: REGISTER for another user's address-of-record is
/// forbidden, even to look. RFC 3261 §10.3 step 4.
#[test]
fn nobody_registers_for_another() {
    ladder(
        "
        given bob is registered
        mallory -> proxy           REGISTER bob
        mallory <- proxy           401
        mallory -> proxy           REGISTER bob (auth)
        mallory <- proxy           403
            !Contact
        mallory -> proxy           REGISTER bob
            Contact:
        mallory <- proxy           401
        mallory -> proxy           REGISTER bob (auth)
        mallory <- proxy           403
            !Contact
    ",
    )
    .leaves_nothing();
}

/// The exchange is killed and comes back: bindings hold. What makes that true on a disk is proved in `location`.
#[test]
fn bindings_outlive_the_exchange() {
    let mut stage = scene_on_disk(OPEN).run("given bob is registered");
    stage.kill_and_restart();
    stage.play(
        "
        alice  -> proxy            OPTIONS bob
                  proxy -> bob     OPTIONS
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    stage.leaves_nothing();
}
