//! Which rule takes what, from a configuration as an administrator writes it.

use std::collections::HashMap;
use std::net::IpAddr;

use offhook_config::Config;
use offhook_route::{Facts, Rules, Then, Unmet};
use offhook_sip::{NameAddr, Uri};

/// Monday, 2 November 2026, 12:00 UTC.
const MONDAY_NOON_MS: u64 = 1_793_620_800_000;
const HOUR_MS: u64 = 3_600_000;

const HOUSE: &str = r#"
    domains = ["house.example"]
    timezone = "Europe/Berlin"

    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:192.0.2.9" }, { to = "sip:192.0.2.10", priority = 1 }]
    domain = "sip.provider.example"
    peers = ["192.0.2.0/28"]

    [[route]]
    name = "no premium numbers"
    match = { prefix = "+49900" }
    refuse = 403

    [[route]]
    name = "reception"
    match = { number = "0", hours = "Mo-Fr 08:00-18:00" }
    users = true
    user = "reception"

    [[route]]
    name = "abroad"
    match = { prefix = "00", methods = ["INVITE"] }
    trunk = "provider"
    strip = 2
    prepend = "+"

    [[route]]
    name = "our numbers"
    match = { from_trunk = "provider", prefix = "+4930123" }
    users = true
    strip = 8

    [[route]]
    name = "moved"
    match = { domain = "old.example" }
    redirect = "sip:house.example"

    [[route]]
    match = { sources = ["198.51.100.0/24"], from_domain = "branch.example" }
    to = "sip:203.0.113.1;transport=tcp"
"#;

struct Asked<'a> {
    method: &'a str,
    uri: &'a str,
    from: &'a str,
    source: &'a str,
    now_ms: u64,
}

fn invite(uri: &str) -> Asked<'_> {
    Asked {
        method: "INVITE",
        uri,
        from: "sip:alice@house.example",
        source: "203.0.113.7",
        now_ms: MONDAY_NOON_MS,
    }
}

fn rules() -> Rules {
    Rules::new(&Config::parse(HOUSE, "offhook.toml").unwrap_or_else(|error| panic!("{error}")))
}

fn with_facts<T>(asked: &Asked<'_>, look: impl FnOnce(&Facts<'_>) -> T) -> T {
    let from = format!("<{}>;tag=1", asked.from);
    look(&Facts {
        method: asked.method.as_bytes(),
        uri: Uri::parse(asked.uri.as_bytes()).expect(asked.uri),
        in_dialog: false,
        domain: asked.uri.contains("@house.example").then_some("house.example"),
        from: NameAddr::parse(from.as_bytes()).expect("a From"),
        source: asked.source.parse().expect("an address"),
        home: None,
        trunk: None,
        now_ms: asked.now_ms,
    })
}

fn takes(asked: &Asked<'_>) -> Option<String> {
    with_facts(asked, |facts| rules().first(facts).map(|rule| rule.name.clone()))
}

#[test]
fn the_first_rule_whose_every_condition_holds() {
    let taken = |uri: &str| takes(&invite(uri)).unwrap_or_default();
    assert_eq!(taken("sip:+4990012345@house.example"), "no premium numbers");
    assert_eq!(taken("sip:0@house.example"), "reception");
    assert_eq!(taken("sip:0049301@house.example"), "abroad");
    assert_eq!(taken("sip:bob@old.example"), "moved");
    assert_eq!(taken("sip:bob@house.example"), "");
}

/// A number means something where it was dialled: at our own domains, or as a telephone number of its own.
#[test]
fn numbers_of_other_houses_are_theirs() {
    assert_eq!(takes(&invite("sip:0049301@elsewhere.example")), None);
    assert_eq!(takes(&invite("tel:00-49-301")).as_deref(), Some("abroad"));
}

/// No spelling of a number gets past the rule for it: an escaped character is the character, parameters of a number are none
/// of its digits, and a number may have visual separators. RFC 3261 §19.1.4, §19.1.6, RFC 3966 §5.1.1.
#[test]
fn a_number_is_itself_however_it_is_spelled() {
    for number in [
        "+49%3900123@house.example",
        "%2B%34%39%39%30%30@house.example",
        "+49-900-123@house.example;user=phone",
        "+49.(900)123@house.example",
        "+49%2D900%2d123@house.example",
        "+49900;phone-context=+1@house.example",
    ] {
        assert_eq!(
            takes(&invite(&format!("sip:{number}"))).as_deref(),
            Some("no premium numbers"),
            "{number}"
        );
    }
    assert_eq!(takes(&invite("tel:+49%3900123")).as_deref(), Some("no premium numbers"));
    for number in ["%30", "0%3Bext=5", "(0)", "-0"] {
        let taken = takes(&invite(&format!("sip:{number}@house.example")));
        assert_eq!(taken.as_deref(), Some("reception"), "{number}");
    }
    // Escaped once is not escaped twice, and a name is no number.
    for other in ["+49%253900@house.example", "%00+49900@house.example", "x+49-900@house.example"] {
        assert_eq!(takes(&invite(&format!("sip:{other}"))), None, "{other}");
    }
}

/// A rule may name a user with an escape, and a number with marks: it is the same without them, or a lock would have a gap.
#[test]
fn a_rule_names_a_user_as_it_is_written() {
    let text = "[[route]]\nmatch = { prefix = \"10-2\" }\nrefuse = 404\n[[route]]\nmatch = { number = \"%23%61%2a\" }\nrefuse = 603\n";
    let rules = Rules::new(&Config::parse(text, "a.toml").unwrap_or_else(|error| panic!("{error}")));
    let taken = |user: &str| {
        let uri = format!("sip:{user}@house.example");
        with_facts(&invite(&uri), |facts| rules.first(facts).map(|rule| rule.then.clone()))
    };
    for number in ["10-25", "1025", "(10)25"] {
        assert_eq!(taken(number), Some(Then::Refuse(404)), "{number}");
    }
    assert_eq!(
        (taken("%23a*"), taken("#a*".replace('#', "%23").as_str())),
        (Some(Then::Refuse(603)), Some(Then::Refuse(603)))
    );
}

#[test]
fn methods_and_registrations() {
    let of = |method, uri| takes(&Asked { method, ..invite(uri) });
    assert_eq!(of("MESSAGE", "sip:0049301@house.example"), None, "that rule is for INVITE");
    assert_eq!(of("REGISTER", "sip:0@house.example"), None, "registrations at our own domain stay here");
    assert_eq!(of("REGISTER", "sip:old.example").as_deref(), Some("moved"));
}

#[test]
fn sources_peers_and_senders() {
    let from_provider = Asked { source: "192.0.2.3", ..invite("sip:+493012342@house.example") };
    assert_eq!(takes(&from_provider).as_deref(), Some("our numbers"));
    assert_eq!(takes(&Asked { source: "192.0.2.99", ..from_provider }), None);
    let branch =
        Asked { from: "sip:x@BRANCH.example", source: "198.51.100.9", ..invite("sip:any@where.example") };
    assert_eq!(takes(&branch).as_deref(), Some("route 6"));
    assert_eq!(takes(&Asked { from: "sip:x@other.example", ..branch }), None);
}

/// Hours are those of the wall clock at the place of the server: 12:00 UTC is 13:00 in Berlin in winter.
#[test]
fn hours_are_local() {
    let at = |hours: u64| {
        takes(&Asked { now_ms: MONDAY_NOON_MS + hours * HOUR_MS, ..invite("sip:0@house.example") })
    };
    assert!(at(4).is_some(), "16:00 UTC is 17:00 in Berlin");
    assert!(at(5).is_none(), "17:00 UTC is closing time");
    assert!(at(24 * 5).is_none(), "Saturday");
}

#[test]
fn every_rule_says_why_it_does_not_take_a_request() {
    let asked = invite("sip:0049301@house.example");
    let why: Vec<Option<Unmet>> =
        with_facts(&asked, |facts| rules().explain(facts).map(|(_, why)| why).collect());
    let all = [
        Some(Unmet::Prefix),
        Some(Unmet::Number),
        None,
        Some(Unmet::Prefix),
        Some(Unmet::Domain),
        Some(Unmet::Source),
    ];
    assert_eq!(why, all);
}

#[test]
fn trunks_are_found_by_name_and_their_peers_by_address() {
    let rules = rules();
    let source = |ip: &str| rules.peer(ip.parse::<IpAddr>().expect(ip));
    assert_eq!((source("192.0.2.15"), source("192.0.2.16")), (Some(0), None));
    let to_provider =
        with_facts(&invite("sip:0049301@house.example"), |facts| rules.first(facts).map(|r| r.then.clone()));
    assert_eq!(to_provider, Some(Then::Trunk(0)));
}

const ROW: &str = r#"
    [[trunk]]
    name = "row"
    targets = [
        { to = "sip:192.0.2.1" }, { to = "sip:192.0.2.2" }, { to = "sip:192.0.2.3", weight = 2 },
        { to = "sip:192.0.2.4", priority = 9 },
    ]
"#;

/// How many of `calls` calls go to each target first.
fn shares(text: &str, calls: u32, is_up: impl Fn(usize) -> bool + Copy) -> HashMap<usize, u32> {
    let rules = Rules::new(&Config::parse(text, "row.toml").unwrap_or_else(|error| panic!("{error}")));
    let trunk = rules.trunk(0).expect("the row");
    let (mut shares, mut order) = (HashMap::new(), Vec::new());
    for call in 0..calls {
        trunk.order(&[7; 16], &[format!("call-{call}@a.example").as_bytes()], is_up, &mut order);
        *shares.entry(order[0]).or_default() += 1;
    }
    shares
}

#[test]
fn calls_are_spread_by_weight() {
    let shares = shares(ROW, 10_000, |_| true);
    for (target, expected) in [(0, 2_500), (1, 2_500), (2, 5_000)] {
        assert!(shares[&target].abs_diff(expected) < 200, "{shares:?}");
    }
    assert!(!shares.contains_key(&3), "the reserve waits");
}

#[test]
fn who_is_down_comes_last_and_the_reserve_comes_in() {
    assert!(!shares(ROW, 1_000, |target| target != 2).contains_key(&2));
    assert_eq!(shares(ROW, 1_000, |target| target == 3).len(), 1, "only the reserve is up");
}

/// Rendezvous: when one of three equal targets leaves, the calls of the other two stay where they are.
#[test]
fn few_calls_move_when_a_target_leaves() {
    let rules = Rules::new(&Config::parse(ROW, "row.toml").unwrap_or_else(|error| panic!("{error}")));
    let (trunk, mut order) = (rules.trunk(0).expect("the row"), Vec::new());
    for call in 0..1_000 {
        let value = format!("call-{call}");
        trunk.order(&[7; 16], &[value.as_bytes()], |_| true, &mut order);
        let (before, second) = (order[0], order[1]);
        trunk.order(&[7; 16], &[value.as_bytes()], |target| target != 0, &mut order);
        assert_eq!(order[0], if before == 0 { second } else { before });
    }
}
