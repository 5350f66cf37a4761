//! A name server of a few lines: a zone as text, and a driver that asks it.

#![allow(dead_code, reason = "each test asks for a part of it")]

use std::collections::BTreeMap;

use offhook_locate::{Abilities, Answer, EnumNext, EnumSearch, Kind, Naptr, Next, Number, Question, Reach};
use offhook_locate::{Domain, Record, Search, Srv, Wanted};
use offhook_sip::{Transport, Uri};

/// Answers by question, as `SRV _sip._udp.example.com`.
#[derive(Default)]
pub(crate) struct Zone(BTreeMap<String, Answer>);

impl Zone {
    /// Lines of `name type rdata`; `name type !` fails.
    pub(crate) fn new(text: &str) -> Self {
        let mut zone = Self::default();
        text.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| zone.add(line));
        zone
    }

    pub(crate) fn add(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let key = format!("{} {}", words[1], words[0]);
        if words[2] == "!" {
            self.0.insert(key, Answer::Failed);
            return;
        }
        let fresh = || Answer::Records { records: Vec::new(), ttl_s: 300 };
        if let Answer::Records { records, .. } = self.0.entry(key).or_insert_with(fresh) {
            records.push(record(&words));
        }
    }

    pub(crate) fn answer(&self, question: &Question) -> Answer {
        self.0.get(&question.to_string()).cloned().unwrap_or(Answer::Nothing { ttl_s: 60 })
    }
}

fn record(words: &[&str]) -> Record {
    let number = |at: usize| words[at].parse().expect("a number");
    let text = |at: usize| words[at].trim_matches('"').as_bytes().into();
    match words[1] {
        "SRV" => {
            Record::Srv(Srv { priority: number(2), weight: number(3), port: number(4), target: text(5) })
        }
        "NAPTR" => Record::Naptr(Naptr {
            order: number(2),
            preference: number(3),
            flags: text(4),
            services: text(5),
            regexp: text(6),
            replacement: text(7),
        }),
        _ => Record::Address(words[2].parse().expect("an address")),
    }
}

/// What we have: these transports, both families, and addresses anywhere.
pub(crate) fn abilities(transports: &[Transport]) -> Abilities {
    Abilities { transports: transports.to_vec(), ipv4: true, ipv6: true, reach: Reach::Private }
}

/// Looks for a URI and writes down what was asked.
pub(crate) fn look(zone: &Zone, uri: &str, abilities: &Abilities) -> (Next, Vec<String>) {
    let uri = Uri::parse(uri.as_bytes()).expect("a URI");
    look_for(zone, Wanted::of_uri(&uri).expect("a name"), abilities)
}

pub(crate) fn look_for(zone: &Zone, wanted: Wanted, abilities: &Abilities) -> (Next, Vec<String>) {
    let mut asked = Vec::new();
    let mut next = Search::begin(wanted, abilities);
    while let Next::Ask(search) = next {
        asked.extend(search.questions().iter().map(ToString::to_string));
        let answers: Vec<Answer> = search.questions().iter().map(|q| zone.answer(q)).collect();
        next = search.answered(&answers);
    }
    (next, asked)
}

/// The places found, in order; or why there are none.
pub(crate) fn places(zone: &Zone, uri: &str, abilities: &Abilities) -> String {
    said(look(zone, uri, abilities).0)
}

pub(crate) fn said(next: Next) -> String {
    match next {
        Next::Found(located) => {
            let hops = located.order(0);
            let hops: Vec<String> =
                hops.iter().map(|hop| format!("{} {}", hop.transport.name(), hop.address)).collect();
            hops.join(", ")
        }
        Next::Nowhere { why, .. } => format!("{why:?}"),
        Next::Ask(_) => "asks".into(),
    }
}

/// The URIs of a number, or why there are none; and how often was asked.
pub(crate) fn number(zone: &Zone, number: &str) -> (String, usize) {
    let number = Number::parse(number.as_bytes()).expect("a number");
    let suffix = Domain::parse(b"e164.arpa").expect("a name");
    let mut next = EnumSearch::begin(number, &suffix);
    let mut asked = 0;
    while let EnumNext::Ask(search) = next {
        assert_eq!(search.question().kind, Kind::Naptr);
        asked += 1;
        let answer = zone.answer(search.question());
        next = search.answered(&answer);
    }
    match next {
        EnumNext::Found { uris, .. } => (uris.join(", "), asked),
        EnumNext::Nowhere { why, .. } => (format!("{why:?}"), asked),
        EnumNext::Ask(_) => unreachable!("the loop ends there"),
    }
}
