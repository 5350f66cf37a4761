//! What the exchange says about its trunks when it is asked: health, answers, calls and registrations, put together from
//! what all shards have seen.

use offhook_ladder::{Ladder, Stage};
use offhook_node::{AddressStanding, Liveness, TrunkStanding};
use offhook_simnet::NameServer;

use crate::exchange::{OPEN, Observed, scene, scene_of_shards, scene_with_names};

const PAIR: &str = r#"
    [[trunk]]
    name = "pair"
    targets = [{ to = "sip:192.0.2.52", weight = 3 }, { to = "sip:192.0.2.53", priority = 1 }]
    domain = "pair.example"
    health_check_s = 30
    [[trunk]]
    name = "quiet"
    targets = [{ to = "sip:192.0.2.54" }]
    [[route]]
    match = { prefix = "7" }
    trunk = "pair"
"#;

fn pair(ladder: Ladder) -> Ladder {
    ladder.address("first", "192.0.2.52:5060").address("second", "192.0.2.53:5060")
}

fn trunk(stage: &Stage, name: &str) -> TrunkStanding {
    let trunks = stage.exchange().trunks();
    trunks.into_iter().find(|trunk| trunk.name == name).expect("such a trunk")
}

/// All addresses of a trunk.
fn addresses(stage: &Stage, name: &str) -> Vec<AddressStanding> {
    trunk(stage, name).targets.into_iter().flat_map(|target| target.addresses).collect()
}

fn status(address: &AddressStanding) -> Option<u16> {
    address.answer.map(|(status, _)| status)
}

/// Who answered lives, who refused a question with 503 does not, and where nothing was sent nothing is known.
#[test]
fn health_and_the_last_answer() {
    let mut stage = pair(scene(&format!("{PAIR}{OPEN}"))).run(
        "
                  proxy -> first       OPTIONS
                  proxy -> second      OPTIONS
                  proxy <- first       404
                  proxy <- second      503
        +2s
    ",
    );
    let [first, second] = addresses(&stage, "pair").try_into().expect("two addresses");
    assert!(matches!(first.health, Liveness::Up { .. }) && status(&first) == Some(404), "{first:?}");
    assert!(matches!(second.health, Liveness::Down { why: "503", .. }), "{second:?}");
    assert_eq!(status(&second), Some(503));
    let quiet = addresses(&stage, "quiet");
    assert_eq!((quiet[0].health, quiet[0].answer), (Liveness::Unknown, None));
    let since_ms = first.health.since_ms();
    stage.play(
        "
  +8s             proxy -> second      OPTIONS
                  proxy <- second      200
  +20s            proxy -> first       OPTIONS
                  proxy -> second      OPTIONS
                  proxy <- first       200
                  proxy <- second      200
        +2s
    ",
    );
    let [first, second] = addresses(&stage, "pair").try_into().expect("two addresses");
    assert_eq!(
        (first.health.since_ms(), status(&first)),
        (since_ms, Some(200)),
        "it lives as long as before"
    );
    assert!(
        second.health.since_ms() > since_ms && matches!(second.health, Liveness::Up { .. }),
        "{second:?}"
    );
    let weights: Vec<_> = trunk(&stage, "pair").targets.iter().map(|t| (t.weight, t.priority)).collect();
    assert_eq!(weights, [(3, 0), (1, 1)]);
}

/// The only target says 503, and when to come again: it is down, and asked no sooner. Calls have nowhere else to go, and are tried
/// there all the same. RFC 3261 §21.5.4, RFC 3261 §16.7 step 6.
#[test]
fn the_only_target_is_down() {
    let one = "
    [[trunk]]
    name = \"one\"
    targets = [{ to = \"sip:192.0.2.52\" }]
    [[route]]
    match = { prefix = \"7\" }
    trunk = \"one\"
";
    let mut stage = pair(scene(&format!("{one}{OPEN}"))).run(
        "
        alice  -> proxy                INVITE sip:71@example.com
                  proxy -> first       INVITE
                  proxy <- first       503
            Retry-After: 60
                  proxy -> first       ACK
        alice  <- proxy                500
        alice  -> proxy                ACK
        +2s
    ",
    );
    let [first] = addresses(&stage, "one").try_into().expect("one address");
    assert!(matches!(first.health, Liveness::Down { why: "503", .. }), "{first:?}");
    assert_eq!(status(&first), Some(503));
    stage.play(
        "
        +40s alice -> proxy            INVITE sip:71@example.com #2
                  proxy -> first       INVITE #2
                  proxy <- first       486 #2
                  proxy -> first       ACK #2
        alice  <- proxy                486 #2
        alice  -> proxy                ACK #2
        +40s
    ",
    );
    let [first] = addresses(&stage, "one").try_into().expect("one address");
    assert!(matches!(first.health, Liveness::Up { .. }), "{first:?}");
    stage.leaves_nothing();
}

/// All targets have said 503: the last of them is as dead as the others, and they are tried in their order. RFC 3263 §4.3.
#[test]
fn all_targets_are_down() {
    let quiet = PAIR.replace("health_check_s = 30", "");
    let mut stage = pair(scene(&format!("{quiet}{OPEN}"))).run("+1s");
    for _ in 0..2 {
        stage.play(
            "
        carol  -> proxy                INVITE sip:71@example.com
                  proxy -> first       INVITE
                  proxy <- first       503
                  proxy -> first       ACK
                  proxy -> second      INVITE
                  proxy <- second      503
                  proxy -> second      ACK
        carol  <- proxy                500
        carol  -> proxy                ACK
        +2s
    ",
        );
        let down = addresses(&stage, "pair");
        assert!(down.iter().all(|at| matches!(at.health, Liveness::Down { why: "503", .. })), "{down:?}");
    }
}

/// Calls are counted by the trunk and by the address; what is within a call is none. Every shard counts its own.
#[test]
fn calls_are_counted() {
    let quiet = PAIR.replace("health_check_s = 30", "");
    let mut stage = pair(scene_of_shards(&format!("{quiet}{OPEN}"), 2)).run("+1s");
    for caller in ["alice", "carol", "dave", "erin"] {
        stage.play(&format!(
            "
        {caller}  -> proxy             INVITE sip:71@example.com
                  proxy -> first       INVITE
                  proxy <- first       200
        {caller}  <- proxy             200
        {caller}  -> proxy             ACK
                  proxy -> first       ACK
        {caller}  -> proxy             INVITE
                  proxy -> first       INVITE
                  proxy <- first       200
        {caller}  <- proxy             200
        {caller}  -> proxy             ACK
                  proxy -> first       ACK
        {caller}  -> proxy             BYE
                  proxy -> first       BYE
                  proxy <- first       481
        {caller}  <- proxy             481
        "
        ));
    }
    stage.play("+2s");
    assert_eq!(trunk(&stage, "pair").calls, 4);
    let [first, second] = addresses(&stage, "pair").try_into().expect("two addresses");
    assert_eq!((first.calls, second.calls), (4, 0));
    assert!(matches!(first.health, Liveness::Up { .. }) && status(&first) == Some(481), "{first:?}");
    assert_eq!(trunk(&stage, "quiet").calls, 0);
}

const REGISTERED: &str = r#"
    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:192.0.2.50" }]
    domain = "provider.example"
    user = "4930123"
    password = "correct horse"
    register = true
"#;

/// Until when we are registered, and why the last attempt has failed. RFC 3261 §10.2.4.
#[test]
fn registrations() {
    let mut stage = scene(&format!("{REGISTERED}{OPEN}")).address("provider", "192.0.2.50:5060").run(
        "
                  proxy -> provider    REGISTER
                  proxy <- provider    500
        +1s
    ",
    );
    let registration = trunk(&stage, "provider").registration.expect("there is to be one");
    assert_eq!((registration.aor.as_str(), registration.until_ms), ("sip:4930123@provider.example", None));
    assert_eq!(registration.failure.map(|(why, _)| why).as_deref(), Some("500 Server Internal Error"));
    stage.play(
        "
  +2s..5s         proxy -> provider    REGISTER
                  proxy <- provider    200
            Expires: 300
        +2s
    ",
    );
    let registration = trunk(&stage, "provider").registration.expect("there is one");
    let left_ms = registration.until_ms.expect("it is granted") - stage.world().now_ms();
    assert!((296_000..=299_000).contains(&left_ms), "{left_ms}");
    assert!(registration.failure.is_none() && registration.next_ms < registration.until_ms);
    assert_eq!(registration.target.map(|target| target.to_string()).as_deref(), Some("192.0.2.50:5060"));
}

/// A target by name has the addresses that its name leads to, and none while it leads nowhere.
#[test]
fn targets_by_name() {
    const NAMED: &str = r#"
        [[trunk]]
        name = "row"
        targets = [{ to = "sip:row.example" }, { to = "sip:nowhere.example" }]
    "#;
    let names = NameServer::new().name("sip:row.example", &["udp 192.0.2.50:5060", "tcp 192.0.2.51:5060"]);
    let stage = scene_with_names(&format!("{NAMED}{OPEN}"), names).run("+2s");
    let row = trunk(&stage, "row");
    let known: Vec<_> =
        row.targets.iter().map(|target| (target.to.as_str(), target.addresses.len())).collect();
    assert_eq!(known, [("sip:row.example", 2), ("sip:nowhere.example", 0)]);
}
