mod world;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures_util::future;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC};
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::{CNAME, NULL};

use super::*;
use world::{World, Zone, name, record, slow_key, soa, wrong_signatures};

fn a(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(192, 0, 2, last)))
}

fn cname(to: &str) -> RData {
    RData::CNAME(CNAME(name(to)))
}

fn checked(world: &World) -> Checked<World> {
    let mut options = DnsRequestOptions::default();
    options.edns_set_dnssec_ok = true;
    Checked { servers: world.clone(), anchors: world.anchors(), hosts: Hosts::default(), options }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

/// The last byte of each address, or why there is none.
async fn ask(servers: &Checked<World>, at: &str) -> Result<Vec<u8>, String> {
    let said = servers.lookup(name(at), RecordType::A).await.map_err(|error| error.to_string())?;
    let last = |one: &Record| match &one.data {
        RData::A(a) => Some(a.0.octets()[3]),
        _ => None,
    };
    Ok(said.answers().iter().filter_map(last).collect())
}

fn good_world(keys: usize) -> World {
    let deep = [("pbx.deep.good.test", a(1)), ("_sip._udp.deep.good.test", a(2))];
    World::new(vec![
        Zone::new(".", keys, &[]),
        Zone::new("test", keys, &[]),
        Zone::new("good.test", keys, &[("pbx.good.test", a(3))]),
        Zone::new("deep.good.test", keys, &deep),
        Zone::new("plain.test", 0, &[("pbx.plain.test", a(4))]),
        Zone::new("lower.plain.test", 0, &[("pbx.lower.plain.test", a(5))]),
    ])
}

/// RFC 4035 §5: a zone four levels deep, what is there and what is not; and zones without signatures.
/// RFC 6781 §4.1: the same while each zone on the way has twice the keys, and signs all with each of them.
#[test]
fn good_zones_are_believed() {
    for keys in [1, 2, 4] {
        let world = good_world(keys);
        let servers = checked(&world);
        let asked = |at: &str| block_on(ask(&servers, at));
        assert_eq!(asked("pbx.deep.good.test"), Ok(vec![1]), "{keys} keys");
        assert_eq!(asked("pbx.good.test"), Ok(vec![3]), "{keys} keys");
        assert_eq!(asked("pbx.plain.test"), Ok(vec![4]), "{keys} keys");
        assert_eq!(asked("pbx.lower.plain.test"), Ok(vec![5]), "{keys} keys");
        for absent in ["absent.deep.good.test", "absent.plain.test"] {
            let why = asked(absent).expect_err("it is not there");
            assert!(why.contains("no records found"), "{keys} keys, {absent}: {why}");
        }
    }
}

/// Tags of the slow keys of zones that mean ill. Two keys have each.
const TAGS: [u16; 3] = [4711, 4712, 4713];

fn slow_keys() -> impl Iterator<Item = DNSKEY> {
    TAGS.into_iter().flat_map(|tag| [slow_key(0, tag), slow_key(1, tag)])
}

/// Each set of a zone with wrong signatures before its own.
fn wrong_first(zone: &Zone, _: &Query, message: &mut Message) {
    for section in [&mut message.answers, &mut message.authorities] {
        let mut sets = section.clone();
        sets.retain(|one| one.record_type() != RecordType::RRSIG);
        sets.dedup_by_key(|one| (one.name.clone(), one.record_type()));
        let wrong = sets.iter().flat_map(|set| wrong_signatures(&zone.name, set, TAGS));
        *section = wrong.chain(section.drain(..)).collect();
    }
}

/// Each set of a zone, but that of its keys, with wrong signatures alone.
fn wrong_alone(zone: &Zone, query: &Query, message: &mut Message) {
    wrong_first(zone, query, message);
    let is_own = |one: &Record| match &one.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => {
            zone.keys.iter().any(|key| key.tag == signature.input().key_tag)
        }
        _ => false,
    };
    if query.query_type() != RecordType::DNSKEY {
        message.answers.retain(|one| !is_own(one));
        message.authorities.retain(|one| !is_own(one));
    }
}

/// That there is no digest of the keys of a zone is said as if by the zone itself: to check that takes its keys, and to
/// check those their digest.
fn speaks_for_its_parent(zone: &Zone, query: &Query, message: &mut Message) {
    wrong_alone(zone, query, message);
    if query.query_type() == RecordType::DS {
        let soa = zone.set(&zone.name, RecordType::SOA).into_iter();
        message.answers.clear();
        message.authorities = soa.map(|one| record(query.name(), one.data)).collect();
        let wrong = wrong_signatures(query.name(), &message.authorities[0], TAGS);
        message.add_authorities(wrong);
    }
}

/// Zones one below the other, whose keys are all vouched for.
fn zones_below(top: &str, levels: usize, spoil: world::Spoil) -> Vec<Zone> {
    let mut at = top.to_owned();
    let mut zones = vec![Zone::new(".", 1, &[]), Zone::new("test", 1, &[])];
    for _ in 0..levels {
        let pbx = format!("pbx.{at}");
        zones.push(Zone::new(&at, 1, &[(&pbx, a(6))]).with_keys(slow_keys()).spoilt(spoil));
        at = format!("e.{at}");
    }
    zones.push(Zone::new("good.test", 1, &[("pbx.good.test", a(3))]));
    zones.push(Zone::new("plain.test", 0, &[("pbx.plain.test", a(4))]));
    zones
}

/// Nine zones below the first.
fn deep(top: &str) -> String {
    format!("pbx.{}{top}", "e.".repeat(9))
}

/// CVE-2023-50387: whatever a domain does, its check is over soon. Left to itself hickory takes nine times longer for each
/// zone more, and half a minute for the fourth.
#[test]
fn a_zone_that_means_ill_costs_little() {
    for (spoil, at) in [
        (wrong_alone as world::Spoil, "pbx.evil.test"),
        (wrong_alone, "absent.evil.test"),
        (wrong_alone, &deep("evil.test")),
        (speaks_for_its_parent, "pbx.e.evil.test"),
        (speaks_for_its_parent, &deep("evil.test")),
    ] {
        let world = World::new(zones_below("evil.test", 10, spoil));
        let begun = Instant::now();
        let why = block_on(ask(&checked(&world), at)).expect_err("it cannot be believed");
        assert!(why.contains("too long to check") || why.contains("DNSSEC"), "{at}: {why}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{at}: {:?}", begun.elapsed());
        assert!(world.asked() <= 24, "{at}: {} questions to servers", world.asked());
    }
}

/// The names of others are found meanwhile, on the same thread.
#[test]
fn nobody_waits_for_a_zone_that_means_ill() {
    let world = World::new(zones_below("evil.test", 10, wrong_alone));
    let (servers, at) = (checked(&world), deep("evil.test"));
    let begun = Instant::now();
    let evil = future::join_all((0..20).map(|_| ask(&servers, &at)));
    let others = future::join(ask(&servers, "pbx.good.test"), ask(&servers, "pbx.plain.test"));
    let (evil, others) = block_on(future::join(evil, others));
    assert!(evil.iter().all(Result::is_err));
    assert_eq!(others, (Ok(vec![3]), Ok(vec![4])));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// RFC 4035 §5.3.3: one signature that fits is enough, whatever else is there.
#[test]
fn one_right_signature_is_enough() {
    let world = World::new(zones_below("zone.test", 10, wrong_first));
    for at in ["pbx.zone.test", "pbx.e.zone.test", &deep("zone.test")] {
        assert_eq!(block_on(ask(&checked(&world), at)), Ok(vec![6]), "{at}");
    }
}

#[test]
fn keys_are_few() {
    let zone = |keys: Vec<DNSKEY>| Zone::new("evil.test", 1, &[("pbx.evil.test", a(6))]).with_keys(keys);
    let asked = |zone| {
        let world = World::new(vec![Zone::new(".", 1, &[]), Zone::new("test", 1, &[]), zone]);
        block_on(ask(&checked(&world), "pbx.evil.test"))
    };
    assert_eq!(asked(zone((0..2).map(|nth| slow_key(nth, 9)).collect())), Ok(vec![6]));
    let alike = asked(zone((0..3).map(|nth| slow_key(nth, 9)).collect()));
    assert_eq!(alike, Err("too many keys with one tag".into()));
    let many = asked(zone((0..30).map(|nth| slow_key(0, nth)).collect()));
    assert_eq!(many, Err("too many keys".into()));
}

/// A set is checked as a whole, so it is not checked at all if it is too large.
#[test]
fn records_are_few() {
    let many = |count: u32| {
        let hosts = (0..count).map(|n| ("pbx.test", RData::A(A(Ipv4Addr::from(0xC000_0200 + n)))));
        let world =
            World::new(vec![Zone::new(".", 1, &[]), Zone::new("test", 1, &hosts.collect::<Vec<_>>())]);
        block_on(ask(&checked(&world), "pbx.test"))
    };
    assert_eq!(many(500).map(|found| found.len()), Ok(500));
    assert_eq!(many(1_100), Err("too many records".into()));
}

/// RFC 1034 §3.6.2: names that stand for others, of the same zone or not. Each is checked by itself.
#[test]
fn aliases_are_followed() {
    let link = |n: u8| (format!("a{n}.test"), cname(&format!("a{}.test", n + 1)));
    let mut links: Vec<(String, RData)> = (0..7).map(link).collect();
    links.push(("a7.test".into(), a(7)));
    links.push(("to-plain.test".into(), cname("pbx.plain.test")));
    links.push(("to-nothing.test".into(), cname("absent.test")));
    links.push(("loop.test".into(), cname("loop.test")));
    let links: Vec<(&str, RData)> = links.iter().map(|(at, data)| (at.as_str(), data.clone())).collect();
    let plain = [("pbx.plain.test", a(4))];
    let zones =
        vec![Zone::new(".", 1, &[]), Zone::new("test", 1, &links), Zone::new("plain.test", 0, &plain)];
    let world = World::new(zones);
    let asked = |at: &str| block_on(ask(&checked(&world), at));
    assert_eq!(asked("a0.test"), Ok(vec![7]));
    assert_eq!(asked("to-plain.test"), Ok(vec![4]));
    assert_eq!(asked("loop.test"), Ok(vec![]));
    assert!(asked("to-nothing.test").expect_err("nothing").contains("no records found"));
}

/// What a server adds to its answer to a name below a DNAME: the CNAME that follows from it, without a signature.
fn adds_cname(_: &Zone, query: &Query, message: &mut Message) {
    add_cname(query, message, "pbx.test");
}

fn adds_false_cname(_: &Zone, query: &Query, message: &mut Message) {
    add_cname(query, message, "elsewhere.test");
}

fn add_cname(query: &Query, message: &mut Message, to: &str) {
    if message.answers.iter().any(|one| one.record_type() == RecordType::DNAME) {
        message.add_answer(record(query.name(), cname(to)));
    }
}

/// RFC 6672 §5.3.1: the DNAME is signed. Where it leads follows from it alone.
#[test]
fn names_below_a_dname() {
    // In wire format, as hickory has no type for it: `test`.
    let rdata = NULL::with(b"\x04test\x00".to_vec());
    let dname = RData::Unknown { code: RecordType::DNAME, rdata };
    for spoil in [adds_cname as world::Spoil, adds_false_cname] {
        let records = [("old.test", dname.clone()), ("pbx.test", a(8)), ("elsewhere.test", a(9))];
        let test = Zone::new("test", 1, &records).spoilt(spoil);
        let world = World::new(vec![Zone::new(".", 1, &[]), test]);
        assert_eq!(block_on(ask(&checked(&world), "pbx.old.test")), Ok(vec![8]));
        assert!(block_on(ask(&checked(&world), "old.test")).is_err(), "it is not below itself");
    }
}

/// The server has both zones, and says of the lower one's keys what it says of all that is not there.
fn answers_from_the_lower(_: &Zone, query: &Query, message: &mut Message) {
    if query.query_type() == RecordType::DS {
        message.authorities.retain(|one| one.record_type() == RecordType::SOA);
        message.authorities.iter_mut().for_each(|one| one.name = query.name().clone());
    }
}

/// RFC 4035 §3.1.4.1: servers that know nothing of signatures answer so. Where the zone above has none, none are needed.
#[test]
fn unsigned_zones_of_one_server() {
    let zones = |keys: usize| {
        let lower = [("pbx.lower.upper.test", a(5))];
        World::new(vec![
            Zone::new(".", 1, &[]),
            Zone::new("test", 1, &[]),
            Zone::new("upper.test", keys, &[]).spoilt(answers_from_the_lower),
            Zone::new("lower.upper.test", 0, &lower),
        ])
    };
    assert_eq!(block_on(ask(&checked(&zones(0)), "pbx.lower.upper.test")), Ok(vec![5]));
    assert!(block_on(ask(&checked(&zones(1)), "pbx.lower.upper.test")).is_err(), "the zone above is signed");
}

/// A wildcard of the zone stands for the name, which is not there: the answer is that of the wildcard with the name, and an
/// NSEC from each owner to its next.
fn by_wildcard(zone: &Zone, query: &Query, message: &mut Message, nsecs: &[(&str, &str, RecordType)]) {
    let wildcard = zone.signed(zone.set(&name("*.test"), RecordType::A));
    let with_name = |mut one: Record| {
        one.name = query.name().clone();
        one
    };
    if query.query_type() == RecordType::A {
        message.answers = wildcard.into_iter().map(with_name).collect();
        message.authorities.clear();
        for (owner, next, kind) in nsecs {
            let nsec = RData::DNSSEC(DNSSECRData::NSEC(NSEC::new(name(next), [*kind])));
            message.add_authorities(zone.signed(vec![record(&name(owner), nsec)]));
        }
    }
}

/// RFC 4035 §5.3.4: it may if nothing closer is there, and that is proved.
#[test]
fn a_wildcard_stands_for_names() {
    let asked = |spoil, at| {
        let test = Zone::new("test", 1, &[("*.test", a(7))]).spoilt(spoil);
        let world = World::new(vec![Zone::new(".", 1, &[]), test]);
        block_on(ask(&checked(&world), at))
    };
    let proved: world::Spoil = |z, q, m| by_wildcard(z, q, m, &[("*.test", "zz.test", RecordType::A)]);
    assert_eq!(asked(proved, "x.test"), Ok(vec![7]));
    assert_eq!(asked(proved, "a.b.x.test"), Ok(vec![7]));
    let last: world::Spoil = |z, q, m| by_wildcard(z, q, m, &[("a.test", "test", RecordType::A)]);
    assert_eq!(asked(last, "x.test"), Ok(vec![7]));

    let elsewhere: world::Spoil = |z, q, m| by_wildcard(z, q, m, &[("*.test", "a.test", RecordType::A)]);
    let itself: world::Spoil = |z, q, m| by_wildcard(z, q, m, &[("x.test", "zz.test", RecordType::A)]);
    let closer: world::Spoil = |z, q, m| by_wildcard(z, q, m, &[("a.test", "n.x.test", RecordType::A)]);
    let cut: world::Spoil = |z, q, m| by_wildcard(z, q, m, &[("x.test", "zz.test", RecordType::NS)]);
    let none: world::Spoil = |z, q, m| by_wildcard(z, q, m, &[]);
    for (what, spoil, at) in [
        ("elsewhere", elsewhere, "x.test"),
        ("itself", itself, "x.test"),
        ("closer", closer, "a.x.test"),
        ("cut", cut, "a.x.test"),
        ("none", none, "x.test"),
    ] {
        let said = asked(spoil, at);
        assert!(said.as_ref().is_err_and(|why| why.contains("DNSSEC")), "{what}: {said:?}");
    }
}

/// Says that nothing is there, as a zone without signatures says it of its own names.
fn denies_for_others(_: &Zone, query: &Query, message: &mut Message) {
    if query.query_type() == RecordType::A {
        message.answers.clear();
        message.authorities = vec![record(&name("plain.test"), soa())];
    }
}

/// RFC 4035 §5.4: that a signed name is not there is proved by its own zone.
#[test]
fn nobody_denies_the_names_of_others() {
    let good = Zone::new("good.test", 1, &[("pbx.good.test", a(3))]).spoilt(denies_for_others);
    let plain = Zone::new("plain.test", 0, &[]);
    let world = World::new(vec![Zone::new(".", 1, &[]), Zone::new("test", 1, &[]), good, plain]);
    let why = block_on(ask(&checked(&world), "pbx.good.test")).expect_err("it cannot be believed");
    assert!(why.contains("DNSSEC"), "{why}");
}

/// RFC 6761 §6.3, §6.4: no server is asked.
#[test]
fn special_names() {
    let world = good_world(1);
    assert_eq!(block_on(ask(&checked(&world), "pbx.localhost")), Ok(vec![1]));
    assert!(block_on(ask(&checked(&world), "abcd.invalid")).is_err());
    assert_eq!(world.asked(), 0);
}
