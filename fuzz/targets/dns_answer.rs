//! Answers of name servers as the network brings them, with signatures and without: no panic, no waiting, an end; what is
//! found is within its bounds, and leads to nobody's inside. The first byte says whether signatures are checked; then come
//! answers, each with its length before it, two bytes.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_locate::limits::{ENUM_CHAIN_MAX, ENUM_URI_BYTES_MAX};
use offhook_locate::{
    Abilities, Answer, Domain, EnumNext, EnumSearch, Kind, Next, Number, Question, Reach, Record, Search,
    Wanted,
};
use offhook_names::made_up;
use offhook_sip::Transport;

/// Records that are kept of an answer.
const RECORDS_MAX: usize = 128;

/// Questions to servers for one of ours: a chain of aliases; with signatures their check.
const ASKED_MAX: usize = 9;
const CHECKED_MAX: usize = 96;

/// Rounds of questions in one search.
const ROUNDS_MAX: usize = 16;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, mut rest)) = input.split_first() else { return };
    let mut answers = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (answer, behind) = behind.split_at(length);
        rest = behind;
        answers.push(answer);
    }
    if !answers.is_empty() {
        a_domain(choice % 2 == 1, &mut answers);
        a_number(choice % 2 == 1, &mut answers);
    }
});

fn ask(question: &Question, checked: bool, answers: &mut [&[u8]]) -> Answer {
    let made = made_up(question, checked, answers);
    // The next question has the next answer first.
    answers.rotate_left(made.asked % answers.len());
    assert!(made.asked <= if checked { CHECKED_MAX } else { ASKED_MAX }, "{} questions", made.asked);
    assert_ne!(made.said, Err("it waits for nothing".into()));
    let answer = made.said.unwrap_or(Answer::Failed);
    if let Answer::Records { records, .. } = &answer {
        assert!((1..=RECORDS_MAX).contains(&records.len()));
        assert!(records.iter().all(|record| is_of(question.kind, record)), "{question}: {records:?}");
    }
    answer
}

fn is_of(kind: Kind, record: &Record) -> bool {
    match record {
        Record::Address(ip) => kind == if ip.is_ipv4() { Kind::A } else { Kind::Aaaa },
        Record::Srv(_) => kind == Kind::Srv,
        Record::Naptr(_) => kind == Kind::Naptr,
    }
}

fn a_domain(checked: bool, answers: &mut [&[u8]]) {
    let abilities = Abilities {
        transports: vec![Transport::Udp, Transport::Tcp, Transport::Tls],
        ipv4: true,
        ipv6: true,
        reach: Reach::Public,
    };
    let host = Domain::parse(b"example.org").expect("a name");
    let wanted = Wanted { host, port: None, transport: None, secure: false, number: None };
    let mut next = Search::begin(wanted, &abilities);
    let mut rounds = 0;
    while let Next::Ask(search) = next {
        rounds += 1;
        assert!(rounds <= ROUNDS_MAX, "a search without an end");
        let said: Vec<Answer> =
            search.questions().iter().map(|question| ask(question, checked, answers)).collect();
        next = search.answered(&said);
    }
    if let Next::Found(located) = next {
        let hops = located.order(1);
        assert!(!hops.is_empty() && hops.iter().all(|hop| hop.address.port() != 0));
        assert!(hops.iter().all(|hop| Reach::Public.take(hop.address.ip()).is_some()), "{hops:?}");
    }
}

fn a_number(checked: bool, answers: &mut [&[u8]]) {
    let number = Number::parse(b"+4930123").expect("a number");
    let mut next = EnumSearch::begin(number, &Domain::parse(b"e164.arpa").expect("a name"));
    let mut asked = 0;
    while let EnumNext::Ask(search) = next {
        asked += 1;
        assert!(asked <= ENUM_CHAIN_MAX);
        let answer = ask(search.question(), checked, answers);
        next = search.answered(&answer);
    }
    if let EnumNext::Found { uris, .. } = next {
        assert!(!uris.is_empty() && uris.iter().all(|uri| uri.len() <= ENUM_URI_BYTES_MAX));
    }
}
