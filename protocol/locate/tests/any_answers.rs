//! Whatever the name servers say: a search ends soon, and leads only where it may.

mod zone;

use offhook_locate::limits::{ENUM_CHAIN_MAX, HOPS_MAX, SERVERS_MAX, SERVICES_MAX};
use offhook_locate::{
    Answer, Domain, EnumNext, EnumSearch, Naptr, Next, Number, Reach, Record, Search, Srv, Wanted,
};
use offhook_sip::Transport;
use proptest::prelude::*;

const NAMES: [&str; 6] = [".", "a.example", "e.example", "_sip._udp.e.example", "x y", ""];

const WORDS: [&str; 10] =
    ["s", "S", "u", "", "SIP+D2U", "SIPS+D2T", "sip+d2t", "E2U+sip", "!^.*$!sip:a@b.example!", "!(a*)*!\\1!"];

fn any_name() -> impl Strategy<Value = Box<[u8]>> {
    proptest::sample::select(&NAMES[..]).prop_map(|name| name.as_bytes().into())
}

fn any_text() -> impl Strategy<Value = Box<[u8]>> {
    let word = proptest::sample::select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec());
    prop_oneof![word, any::<Vec<u8>>()].prop_map(Vec::into_boxed_slice)
}

fn any_record() -> impl Strategy<Value = Record> {
    let naptr = (any::<u16>(), any::<u16>(), any_text(), any_text(), any_text(), any_name()).prop_map(
        |(order, preference, flags, services, regexp, replacement)| {
            Record::Naptr(Naptr { order, preference, flags, services, regexp, replacement })
        },
    );
    let srv = (0..3_u16, any::<u16>(), any::<u16>(), any_name())
        .prop_map(|(priority, weight, port, target)| Record::Srv(Srv { priority, weight, port, target }));
    prop_oneof![naptr, srv, any::<std::net::IpAddr>().prop_map(Record::Address)]
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let records = proptest::collection::vec(any_record(), 0..40);
    prop_oneof![
        4 => (records, any::<u32>()).prop_map(|(records, ttl_s)| Answer::Records { records, ttl_s }),
        1 => any::<u32>().prop_map(|ttl_s| Answer::Nothing { ttl_s }),
        1 => Just(Answer::Failed),
    ]
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let transport = proptest::option::of(proptest::sample::select(&Transport::ALL[..]));
    (proptest::option::of(any::<u16>()), transport, any::<bool>()).prop_map(|(port, transport, secure)| {
        Wanted { host: Domain::parse(b"e.example").expect("a name"), port, transport, secure, number: None }
    })
}

proptest! {
    /// RFC 3263 §4: at most three rounds of questions, and one more about a family that we lack; a bounded number of them, and every place is one we could use.
    #[test]
    fn a_search_ends(
        wanted in any_wanted(),
        answers in proptest::collection::vec(any_answer(), 0..48),
        entropy in any::<u64>(),
        ipv6 in any::<bool>(),
    ) {
        let mut abilities = zone::abilities(&[Transport::Udp, Transport::Tcp, Transport::Tls]);
        (abilities.reach, abilities.ipv6) = (Reach::Public, ipv6);
        let (mut next, mut rounds, mut asked) = (Search::begin(wanted.clone(), &abilities), 0, 0);
        while let Next::Ask(search) = next {
            rounds += 1;
            asked += search.questions().len();
            let from = (rounds * 7).min(answers.len());
            let these = &answers[from..(from + search.questions().len()).min(answers.len())];
            next = search.answered(these);
        }
        prop_assert!(rounds <= 3 + usize::from(!ipv6) && asked <= 1 + SERVICES_MAX + 2 * SERVERS_MAX);
        if let Next::Found(located) = next {
            let hops = located.order(entropy);
            prop_assert!(!hops.is_empty() && hops.len() <= HOPS_MAX);
            prop_assert_eq!(&hops, &located.order(entropy));
            for hop in hops {
                prop_assert!(abilities.transports.contains(&hop.transport));
                prop_assert!(!wanted.secure || hop.transport == Transport::Tls);
                prop_assert!(hop.address.is_ipv4() || ipv6);
                prop_assert!(!hop.address.ip().is_loopback() && !hop.address.ip().is_unspecified());
            }
        }
    }

    /// RFC 2782: every server of a rank is tried once, before any of a later rank.
    #[test]
    fn an_order_is_a_permutation_by_rank(weights in proptest::collection::vec((0..3_u16, any::<u16>()), 1..10), entropy in any::<u64>()) {
        let mut zone = zone::Zone::default();
        for (n, (priority, weight)) in weights.iter().enumerate() {
            zone.add(&format!("_sip._udp.e.example SRV {priority} {weight} 5060 s{n}.example"));
            zone.add(&format!("s{n}.example A 192.0.2.{n}"));
        }
        let (next, _) = zone::look(&zone, "sip:e.example;transport=udp", &zone::abilities(&[Transport::Udp]));
        let Next::Found(located) = next else { panic!("nothing found") };
        let tried: Vec<usize> = located.order(entropy).iter().map(|hop| match hop.address.ip() {
            std::net::IpAddr::V4(ip) => usize::from(ip.octets()[3]),
            std::net::IpAddr::V6(_) => unreachable!("there is none in the zone"),
        }).collect();
        let mut sorted = tried.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..weights.len()).collect::<Vec<_>>());
        prop_assert!(tried.is_sorted_by_key(|&n| weights[n].0));
    }

    /// RFC 6116: the same for numbers.
    #[test]
    fn a_number_ends(answers in proptest::collection::vec(any_answer(), 8)) {
        let number = Number::parse(b"+442079460148").expect("a number");
        let mut next = EnumSearch::begin(number, &Domain::parse(b"e164.arpa").expect("a name"));
        let mut asked = 0;
        while let EnumNext::Ask(search) = next {
            next = search.answered(&answers[asked]);
            asked += 1;
        }
        prop_assert!(asked <= ENUM_CHAIN_MAX);
        if let EnumNext::Found { uris, .. } = next {
            prop_assert!(uris.iter().all(|uri| offhook_sip::Uri::parse(uri.as_bytes()).is_ok()));
        }
    }
}
