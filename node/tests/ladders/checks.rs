//! Targets of a trunk that are asked whether they live before anybody calls: RFC 3261 §11, RFC 3263 §4.3.

use offhook_journal::EventKind;
use offhook_ladder::Ladder;

use crate::exchange::{OPEN, Observed, scene, scene_of_shards};

const PAIR: &str = r#"
    [[trunk]]
    name = "pair"
    targets = [{ to = "sip:192.0.2.52" }, { to = "sip:192.0.2.53", priority = 1 }]
    domain = "pair.example"
    health_check_s = 30
    [[route]]
    match = { prefix = "7" }
    trunk = "pair"
"#;

fn pair(ladder: Ladder) -> Ladder {
    ladder.address("first", "192.0.2.52:5060").address("second", "192.0.2.53:5060")
}

/// Any answer is a sign of life, a refusal too. RFC 3261 §11.
#[test]
fn targets_are_asked() {
    let stage = pair(scene(&format!("{PAIR}{OPEN}"))).run(
        "
                  proxy -> first       OPTIONS
                  proxy -> second      OPTIONS
                  proxy <- first       200
                  proxy <- second      404
        +29s
  +1s             proxy -> first       OPTIONS
                  proxy -> second      OPTIONS
                  proxy <- first       401
                  proxy <- second      200
        +29s
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TargetDead), 0);
}

/// One that says nothing, or that it cannot, is passed over before anybody has called it. RFC 3263 §4.3.
#[test]
fn the_dead_are_found_before_anybody_calls() {
    for status in [503, 408] {
        let mut stage = pair(scene(&format!("{PAIR}{OPEN}"))).run(&format!(
            "
                  proxy -> first       OPTIONS
                  proxy -> second      OPTIONS
                  proxy <- first       {status}
                  proxy <- second      200
        alice  -> proxy                MESSAGE sip:71@example.com
                  proxy -> second      MESSAGE
                  proxy <- second      200
        alice  <- proxy                200
  +10s            proxy -> first       OPTIONS
                  proxy <- first       200
        alice  -> proxy                MESSAGE sip:72@example.com #2
                  proxy -> first       MESSAGE #2
                  proxy <- first       200 #2
        alice  <- proxy                200 #2
            "
        ));
        stage.play("+10s");
        assert_eq!(stage.exchange().count(EventKind::TargetDead), 1);
        assert_eq!(stage.exchange().count(EventKind::TargetAlive), 1);
    }
}

/// Every shard knows what one has found.
#[test]
fn other_shards_know() {
    let mut stage = pair(scene_of_shards(&format!("{PAIR}{OPEN}"), 2)).run(
        "
                  proxy -> first       OPTIONS
                  proxy -> second      OPTIONS
                  proxy <- first       503
                  proxy <- second      200
        +2s
    ",
    );
    for call in ["alice", "carol", "dave", "erin"] {
        stage.play(&format!(
            "
        {call}  -> proxy               MESSAGE sip:71@example.com
                  proxy -> second      MESSAGE
                  proxy <- second      200
        {call}  <- proxy               200
        "
        ));
    }
}

/// A 408 says that nobody was reached, however often it is said. RFC 3261 §11, §21.4.9.
#[test]
fn a_timeout_is_no_sign_of_life() {
    pair(scene(&format!("{PAIR}{OPEN}"))).run(
        "
                  proxy -> first       OPTIONS
                  proxy -> second      OPTIONS
                  proxy <- first       408
                  proxy <- second      200
  +10s            proxy -> first       OPTIONS
                  proxy <- first       408
        alice  -> proxy                MESSAGE sip:71@example.com
                  proxy -> second      MESSAGE
                  proxy <- second      200
        alice  <- proxy                200
    ",
    );
}

/// Who says when he is to be asked again is asked no sooner, whatever he was asked. RFC 3261 §21.5.4.
#[test]
fn the_busy_say_when_they_are_asked_again() {
    pair(scene(&format!("{PAIR}{OPEN}"))).run(
        "
                  proxy -> first       OPTIONS
                  proxy -> second      OPTIONS
                  proxy <- first       503
            Retry-After: 25
                  proxy <- second      200
        +24s
  +1s             proxy -> first       OPTIONS
                  proxy <- first       503
            Retry-After: 60
        +4s
  +1s             proxy -> second      OPTIONS
                  proxy <- second      200
        +29s
  +1s             proxy -> second      OPTIONS
                  proxy <- second      200
        +24s
  +1s             proxy -> first       OPTIONS
                  proxy <- first       200
    ",
    );
}

/// Who has been dead for long is dead, if he is asked all the time and does not answer. RFC 3263 §4.3.
#[test]
fn the_dead_are_not_forgotten() {
    let far_apart = PAIR.replace("health_check_s = 30", "health_check_s = 3600");
    for shards in [1, 2] {
        let mut stage = pair(scene_of_shards(&format!("{far_apart}{OPEN}"), shards)).run(
            "
                  proxy -> first       OPTIONS
                  proxy -> second      OPTIONS
                  proxy <- first       503
                  proxy <- second      200
            ",
        );
        for _ in 0..61 {
            stage.play(
                "
  +10s            proxy -> first       OPTIONS
                  proxy <- first       503
                ",
            );
        }
        for caller in ["alice", "carol", "dave", "erin"] {
            stage.play(&format!(
                "
        {caller} -> proxy              MESSAGE sip:71@example.com
                  proxy -> second      MESSAGE
                  proxy <- second      200
        {caller} <- proxy              200
                "
            ));
        }
    }
}
