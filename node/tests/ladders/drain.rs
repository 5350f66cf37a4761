//! A polite stop: nothing new is begun, and what is at work is finished.

use offhook_ladder::Stage;

use crate::exchange::{Observed, ladder, open_ladder};

fn at_work(stage: &Stage) -> u64 {
    stage.exchange().plan.drain.at_work()
}

/// New calls are turned away for a few seconds' time, those in progress go on to their end. RFC 3261 §21.5.4.
#[test]
fn calls_are_finished() {
    let mut stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
    ",
    );
    assert_eq!(at_work(&stage), 1);
    stage.exchange().plan.drain.ask();
    stage.play(
        "
        carol  -> proxy            INVITE bob #2
        carol  <- proxy            503 Shutting down #2
            Retry-After: *
        carol  -> proxy            ACK #2
        carol  -> proxy            REGISTER
        carol  <- proxy            503
        alice  -> proxy            INVITE bob (again)
        alice  <- proxy            180 (again)
                  proxy <- bob     200 #1
        alice  <- proxy            200 #1
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
    assert_eq!(at_work(&stage), 0);
    stage.play(
        "
        +5s       proxy <- bob     BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
                  proxy -> bob     200
    ",
    );
    stage.leaves_nothing();
}

/// A ringing call is cancelled during the stop. RFC 3261 §16.10.
#[test]
fn a_cancel_is_no_new_request() {
    let mut stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
    ",
    );
    stage.exchange().plan.drain.ask();
    stage.play(
        "
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    );
    assert_eq!(at_work(&stage), 0);
    stage.leaves_nothing();
}

/// What counts as work: requests that wait for their final answer, and neither challenges nor lingering transactions.
#[test]
fn what_is_at_work() {
    let mut stage = ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            407
    ",
    );
    assert_eq!(at_work(&stage), 0);
    stage.play("alice -> proxy MESSAGE bob (auth)\n proxy -> bob MESSAGE");
    assert_eq!(at_work(&stage), 1);
    stage.play("proxy <- bob 200\n alice <- proxy 200");
    assert_eq!(at_work(&stage), 0);
    stage.leaves_nothing();
}

/// A request that is never answered is at work for 64·T1 and no longer: the stop does not wait for ever.
#[test]
fn silence_ends_the_waiting() {
    let mut stage = open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        MESSAGE bob
                  proxy -> bob     MESSAGE
        +3.5s  alice <- proxy      100
    ",
    );
    assert_eq!(at_work(&stage), 1);
    stage.play("+30s");
    assert_eq!(at_work(&stage), 0);
    stage.leaves_nothing();
}

/// In a dialog that has its seal everything passes during the stop; a dialog without one is a new request.
#[test]
fn sealed_dialogs_go_on() {
    let mut stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
    stage.exchange().plan.drain.ask();
    stage.play(
        "
        alice  -> proxy            INVITE
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
            Route:
        alice  <- proxy            503
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    stage.leaves_nothing();
}

/// A call that rings for longer than a stop has time is ended: the caller may call elsewhere, and the phone is silent. RFC 3261
/// §16.10, RFC 3261 §21.5.4.
#[test]
fn a_call_that_rings_too_long_is_ended() {
    let mut stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
    ",
    );
    stage.exchange().plan.drain.ask();
    stage.play("+500ms");
    stage.exchange().plan.drain.end();
    stage.play(
        "
        +500ms    proxy -> bob     CANCEL
        alice  <- proxy            503 INVITE
        alice  -> proxy            ACK
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
    ",
    );
    assert_eq!(at_work(&stage), 0);
    stage.leaves_nothing();
}
