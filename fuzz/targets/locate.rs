//! Rules for numbers and records of services from strangers' zones: no panic, an outcome within its bound, and an end in
//! time that depends on the length alone. The first line is the number, the second the services, the rest the rule.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_locate::limits::{ENUM_CHAIN_MAX, ENUM_URI_BYTES_MAX};
use offhook_locate::{
    Abilities, Answer, Domain, EnumNext, EnumSearch, Naptr, Next, Number, Reach, Record, Search, Wanted,
};
use offhook_sip::Transport;

fuzz_target!(|text: &[u8]| {
    let mut lines = text.splitn(4, |&c| c == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (number, flags, services, regexp) = (line(), line(), line(), line());
    let naptr = Naptr {
        order: 1,
        preference: 1,
        flags: flags.into(),
        services: services.into(),
        regexp: regexp.into(),
        replacement: regexp.into(),
    };
    let answer = Answer::Records { records: vec![Record::Naptr(naptr)], ttl_s: 60 };
    a_number(number, &answer);
    a_domain(number, &answer);
});

fn a_number(number: &[u8], answer: &Answer) {
    let Some(number) = Number::parse(number) else { return };
    let mut next = EnumSearch::begin(number, &Domain::parse(b"e164.arpa").expect("a name"));
    let mut asked = 0;
    while let EnumNext::Ask(search) = next {
        asked += 1;
        assert!(asked <= ENUM_CHAIN_MAX);
        next = search.answered(answer);
    }
    if let EnumNext::Found { uris, .. } = next {
        assert!(uris.iter().all(|uri| uri.len() <= ENUM_URI_BYTES_MAX));
    }
}

fn a_domain(host: &[u8], answer: &Answer) {
    let Some(host) = Domain::parse(host) else { return };
    let abilities = Abilities {
        transports: vec![Transport::Udp, Transport::Tcp, Transport::Tls],
        ipv4: true,
        ipv6: true,
        reach: Reach::Public,
    };
    let wanted = Wanted { host, port: None, transport: None, secure: false, number: None };
    let mut next = Search::begin(wanted, &abilities);
    while let Next::Ask(search) = next {
        let answers = vec![answer.clone(); search.questions().len()];
        next = search.answered(&answers);
    }
}
