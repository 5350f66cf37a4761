//! A piece of the DNS, written by a test, and a resolver that searches it as RFC 3263 says. Both may have their troubles.

use std::collections::BTreeMap;
use std::net::IpAddr;

use offhook_locate::{Abilities, Answer, Domain, Finding, Kind, Naptr, Next, Nowhere, Question, Reach};
use offhook_locate::{Record, Search, Srv, Wanted};
use offhook_sip::Transport;

/// Records by kind and name.
#[derive(Clone, Debug)]
pub struct Zone {
    records: BTreeMap<(Kind, String), Vec<Record>>,
    ttl_s: u32,
    troubles: Vec<(u64, u64, Trouble)>,
}

/// What is wrong with a name server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It says nothing, and whoever asks gives up after this many milliseconds.
    Silent(u64),
    /// It says that it cannot say anything.
    Fails,
    /// It says that there is no such name, whatever it is asked for.
    Denies,
    /// It leaves out all but the first record of each answer.
    Truncates,
    /// Each server is said to be another name of itself, and none has an address.
    Loops,
}

impl Zone {
    /// Nothing yet; what comes is good for this many seconds.
    pub fn new(ttl_s: u32) -> Self {
        Self { records: BTreeMap::new(), ttl_s, troubles: Vec::new() }
    }

    /// RFC 3403: a service of a name (`SIP+D2U`), and the SRV name that it is at. The lowest order comes first.
    pub fn naptr(&mut self, name: &str, order: u16, service: &str, replacement: &str) {
        let bytes = |text: &str| text.as_bytes().into();
        let (flags, services, replacement) = (bytes("s"), bytes(service), bytes(replacement));
        let naptr = Naptr { order, preference: 10, flags, services, regexp: bytes(""), replacement };
        self.add(Kind::Naptr, name, Record::Naptr(naptr));
    }

    /// RFC 2782: a server of an SRV name, with priority, weight and port.
    pub fn srv(&mut self, name: &str, (priority, weight, port): (u16, u16, u16), target: &str) {
        let target = target.as_bytes().into();
        self.add(Kind::Srv, name, Record::Srv(Srv { priority, weight, port, target }));
    }

    /// An address of a name.
    pub fn address(&mut self, name: &str, ip: IpAddr) {
        let kind = if ip.is_ipv4() { Kind::A } else { Kind::Aaaa };
        self.add(kind, name, Record::Address(ip));
    }

    /// From one Unix time to another (ms) something is wrong.
    pub fn trouble(&mut self, from_ms: u64, until_ms: u64, trouble: Trouble) {
        self.troubles.push((from_ms, until_ms, trouble));
    }

    /// Searches for a name. Gives back what was found, and how many times somebody had to be asked for that; or how long,
    /// in milliseconds, nobody said anything.
    pub(crate) fn search(&self, now_ms: u64, wanted: &Wanted) -> (Finding, Effort) {
        let trouble = self.trouble_at(now_ms);
        if let Some(Trouble::Silent(for_ms)) = trouble {
            return (Finding::nowhere(wanted.clone(), Nowhere::Unanswered, 0), Effort::InVain(for_ms));
        }
        let abilities = Abilities {
            transports: vec![Transport::Udp, Transport::Tcp],
            ipv4: true,
            ipv6: false,
            reach: Reach::Private,
        };
        let mut rounds = 0;
        let mut next = Search::begin(wanted.clone(), &abilities);
        loop {
            next = match next {
                Next::Found(located) => {
                    return (Finding::found(wanted.clone(), located), Effort::Rounds(rounds));
                }
                Next::Nowhere { why, ttl_s } => {
                    return (Finding::nowhere(wanted.clone(), why, ttl_s), Effort::Rounds(rounds));
                }
                Next::Ask(search) => {
                    rounds += 1;
                    let answers: Vec<_> =
                        search.questions().iter().map(|question| self.answer(question, trouble)).collect();
                    search.answered(&answers)
                }
            };
        }
    }

    fn trouble_at(&self, now_ms: u64) -> Option<Trouble> {
        let found =
            self.troubles.iter().find(|(from_ms, until_ms, _)| (*from_ms..*until_ms).contains(&now_ms));
        found.map(|(_, _, trouble)| *trouble)
    }

    fn answer(&self, question: &Question, trouble: Option<Trouble>) -> Answer {
        let ttl_s = self.ttl_s;
        let records = self.records.get(&(question.kind, question.name.to_string()));
        let mut records = records.cloned().unwrap_or_default();
        match trouble {
            Some(Trouble::Fails) => return Answer::Failed,
            Some(Trouble::Denies) => records.clear(),
            Some(Trouble::Truncates) => records.truncate(1),
            Some(Trouble::Loops) => records.retain_mut(|record| point_back(record, &question.name)),
            Some(Trouble::Silent(_)) | None => {}
        }
        if records.is_empty() { Answer::Nothing { ttl_s } } else { Answer::Records { records, ttl_s } }
    }

    fn add(&mut self, kind: Kind, name: &str, record: Record) {
        let name = Domain::parse(name.as_bytes()).expect("a name").to_string();
        self.records.entry((kind, name)).or_default().push(record);
    }
}

/// What a search took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effort {
    /// So many questions, one after the other.
    Rounds(u64),
    /// So many milliseconds without an answer.
    InVain(u64),
}

/// A record that leads to the name it belongs to. `false`: there is none of its kind.
fn point_back(record: &mut Record, name: &Domain) -> bool {
    let name = name.to_string().into_bytes();
    match record {
        Record::Naptr(naptr) => naptr.replacement = name.into(),
        Record::Srv(srv) => srv.target = name.into(),
        Record::Address(_) => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use offhook_sip::Uri;

    use super::*;

    fn zone() -> Zone {
        let mut zone = Zone::new(60);
        zone.naptr("far.example", 10, "SIP+D2T", "_sip._tcp.far.example");
        zone.srv("_sip._tcp.far.example", (20, 0, 5062), "b.far.example");
        zone.srv("_sip._tcp.far.example", (10, 0, 5061), "a.far.example");
        zone.address("a.far.example", [203, 0, 113, 1].into());
        zone.address("b.far.example", [203, 0, 113, 2].into());
        zone
    }

    fn found(zone: &Zone, now_ms: u64) -> (Result<Vec<String>, Nowhere>, Effort) {
        let wanted = Uri::parse(b"sip:far.example").ok().as_ref().and_then(Wanted::of_uri).expect("a name");
        let (finding, effort) = zone.search(now_ms, &wanted);
        let text = |hop: &offhook_locate::Hop| format!("{} {}", hop.transport.name(), hop.address);
        (finding.found.map(|located| located.order(0).iter().map(text).collect()), effort)
    }

    /// RFC 3263 §4.1, RFC 2782: NAPTR, SRV and A, one after the other; the lowest priority first.
    #[test]
    fn records_are_followed() {
        let places = ["tcp 203.0.113.1:5061", "tcp 203.0.113.2:5062"].map(str::to_owned).to_vec();
        assert_eq!(found(&zone(), 0), (Ok(places), Effort::Rounds(3)));
        assert_eq!(found(&Zone::new(60), 0).0, Err(Nowhere::NoSuchName));
    }

    #[test]
    fn troubles_come_and_go() {
        for (trouble, told) in [
            (Trouble::Fails, Err(Nowhere::Unanswered)),
            (Trouble::Denies, Err(Nowhere::NoSuchName)),
            (Trouble::Truncates, Ok(vec!["tcp 203.0.113.2:5062".to_owned()])),
            (Trouble::Loops, Err(Nowhere::NoSuchName)),
            (Trouble::Silent(5_000), Err(Nowhere::Unanswered)),
        ] {
            let mut zone = zone();
            zone.trouble(1_000, 2_000, trouble);
            assert_eq!(found(&zone, 1_000).0, told, "{trouble:?}");
            assert!(found(&zone, 2_000).0.is_ok_and(|places| places.len() == 2), "{trouble:?}");
        }
    }
}
