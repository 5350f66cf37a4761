//! From the resolver's words to ours.

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use offhook_locate::{Answer, Kind, Naptr, Record, Srv};

/// How long an absence is believed that came without a time, seconds: RFC 2308 §5 leaves it to us.
const NOTHING_TTL_S: u32 = 30;

/// Records of one answer that are kept, those that came first: what TCP can carry is far more than a domain needs.
const RECORDS_MAX: usize = 128;

/// CNAMEs that lead from the question to its records, in one answer or in several: the resolver follows no more of the second
/// kind. Whoever has more has a loop, or means no good.
pub(crate) const LINKS_MAX: usize = 7;

pub(crate) fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::Naptr => RecordType::NAPTR,
        Kind::Srv => RecordType::SRV,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    }
}

/// What was found, or the answer that there is nothing.
///
/// # Errors
/// Why there is neither, for the journal.
pub(crate) fn read(kind: Kind, said: Result<Lookup, NetError>) -> Result<Answer, String> {
    match said {
        Ok(lookup) => {
            let wanted = record_type(kind);
            let these = lookup.answers().iter().filter(|record| record.record_type() == wanted);
            let ttl_s = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
            let records: Vec<Record> = these.filter_map(|one| record(&one.data)).take(RECORDS_MAX).collect();
            let links = lookup.answers().iter().filter(|record| record.record_type() == RecordType::CNAME);
            let none = records.is_empty() || links.count() > LINKS_MAX;
            Ok(if none { Answer::Nothing { ttl_s } } else { Answer::Records { records, ttl_s } })
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) if is_absence(none.response_code) => {
            Ok(Answer::Nothing { ttl_s: none.negative_ttl.unwrap_or(NOTHING_TTL_S) })
        }
        Err(NetError::Dns(DnsError::Nsec { .. })) => Ok(Answer::Nothing { ttl_s: NOTHING_TTL_S }),
        Err(error) => Err(error.to_string()),
    }
}

/// SERVFAIL and REFUSED say nothing about the name.
fn is_absence(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
}

fn record(data: &RData) -> Option<Record> {
    Some(match data {
        RData::A(a) => Record::Address(a.0.into()),
        RData::AAAA(aaaa) => Record::Address(aaaa.0.into()),
        RData::SRV(srv) => Record::Srv(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: text(&srv.target),
        }),
        RData::NAPTR(naptr) => Record::Naptr(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: naptr.flags.clone(),
            services: naptr.services.clone(),
            regexp: naptr.regexp.clone(),
            replacement: text(&naptr.replacement),
        }),
        _ => return None,
    })
}

fn text(name: &Name) -> Box<[u8]> {
    name.to_ascii().into_bytes().into()
}
