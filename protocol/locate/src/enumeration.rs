//! ENUM: the SIP addresses of a telephone number, RFC 6116.
//!
//! ```text
//!   number ──► NAPTR of 8.4.1.0…e164.arpa ──┬─ flag "u", service E2U+sip ──► URI, URI …
//!                        ▲                  │
//!                        └── next name ◄────┘ no flag: at most ENUM_CHAIN_MAX times
//! ```

use offhook_sip::{Scheme, Uri};

use crate::domain::Domain;
use crate::limits::{ENUM_CHAIN_MAX, ENUM_RECORDS_MAX};
use crate::number::Number;
use crate::question::{Kind, Question};
use crate::record::{Answer, Naptr, Record};
use crate::rewrite::Rewrite;
use crate::search::Nowhere;

/// A search for the addresses of a number.
#[derive(Clone, Debug)]
pub struct EnumSearch {
    number: Number,
    question: Question,
    asked: usize,
    ttl_s: u32,
}

/// What comes next.
#[derive(Clone, Debug)]
pub enum EnumNext {
    /// Its question wants an answer.
    Ask(EnumSearch),
    /// `sip` and `sips` URIs, the preferred one first.
    Found {
        /// At least one.
        uris: Vec<String>,
        /// How long they may be believed, seconds.
        ttl_s: u32,
    },
    /// The number has no SIP address.
    Nowhere {
        /// Why.
        why: Nowhere,
        /// How long that may be believed, seconds.
        ttl_s: u32,
    },
}

impl EnumSearch {
    /// Begins a search below `suffix`.
    pub fn begin(number: Number, suffix: &Domain) -> EnumNext {
        match number.domain(suffix) {
            Some(name) => {
                let question = Question { kind: Kind::Naptr, name };
                EnumNext::Ask(Self { number, question, asked: 1, ttl_s: u32::MAX })
            }
            None => EnumNext::Nowhere { why: Nowhere::NoSuchName, ttl_s: u32::MAX },
        }
    }

    /// What is to be asked now.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Goes on with the answer.
    pub fn answered(mut self, answer: &Answer) -> EnumNext {
        if matches!(answer, Answer::Failed) {
            return EnumNext::Nowhere { why: Nowhere::Unanswered, ttl_s: 0 };
        }
        self.ttl_s = self.ttl_s.min(answer.ttl_s());
        let mut naptrs: Vec<&Naptr> = answer.records().iter().filter_map(for_sip).collect();
        naptrs.sort_by_key(|naptr| (naptr.order, naptr.preference));
        naptrs.truncate(ENUM_RECORDS_MAX);
        let uris: Vec<String> = naptrs.iter().filter_map(|naptr| self.uri_of(naptr)).collect();
        if !uris.is_empty() {
            return EnumNext::Found { uris, ttl_s: self.ttl_s };
        }
        let next =
            naptrs.iter().filter(|naptr| naptr.flags.is_empty()).find_map(|n| Domain::parse(&n.replacement));
        match next {
            Some(name) if self.asked < ENUM_CHAIN_MAX && name != self.question.name => {
                self.question.name = name;
                self.asked += 1;
                EnumNext::Ask(self)
            }
            _ => EnumNext::Nowhere { why: Nowhere::NoSuchName, ttl_s: self.ttl_s },
        }
    }

    /// The URI that a terminal rule makes, if it is one that we can call.
    fn uri_of(&self, naptr: &Naptr) -> Option<String> {
        if !naptr.flags.eq_ignore_ascii_case(b"u") {
            return None;
        }
        let made = Rewrite::parse(&naptr.regexp).ok()?.apply(self.number.as_str())?;
        let uri = Uri::parse(made.as_bytes()).ok()?;
        let callable = matches!(uri.scheme, Scheme::Sip | Scheme::Sips) && uri.address.is_some();
        callable.then_some(made)
    }
}

/// The rules that speak of SIP: RFC 6116 §3.4.3 (`E2U` and a list of services), RFC 3764 (`sip`). One without flags leads
/// on and may name no service.
fn for_sip(record: &Record) -> Option<&Naptr> {
    let Record::Naptr(naptr) = record else { return None };
    let services = naptr.services.to_ascii_lowercase();
    let mut parts = services.split(|&c| c == b'+');
    let is_enum = parts.next() == Some(b"e2u");
    let is_sip = |service: &[u8]| service.split(|&c| c == b':').next() == Some(b"sip");
    let leads_on = naptr.flags.is_empty() && services.is_empty();
    (leads_on || is_enum && parts.any(is_sip)).then_some(naptr)
}
