//! Records that a wildcard stands for, in zones with NSEC: RFC 4035 §5.3.4.
//!
//! The signature says how many labels the wildcard has. It may stand for a name if nothing closer to that is there: no name with
//! a label more of it, and none below that. The validator looks for this proof in another place, and mostly finds none, or one that
//! is none.

use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::rdata::{DNSSECRData, NSEC, RRSIG};
use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// Whether it is proved that a wildcard may stand for the name; nothing where none does, or the zone has NSEC3, whose proofs
/// the validator knows. Each record knows already whether its own signature fits.
pub(crate) fn is_proved(query: &Query, said: &Message) -> Option<bool> {
    let name = query.name();
    let stands_for = |one: &&RRSIG| one.input().num_labels < name.num_labels();
    let wildcard = fitting(&said.answers, name).find(stands_for)?.input();
    if said.authorities.iter().any(|one| one.record_type() == RecordType::NSEC3) {
        return None;
    }
    let closer = name.trim_to(usize::from(wildcard.num_labels) + 1);
    let is_whole = said.response_code == ResponseCode::NoError
        && said.answers.iter().all(|one| signature(one).is_some() || one.proof == Proof::Secure);
    let is_denied = said.authorities.iter().any(|one| {
        let RData::DNSSEC(DNSSECRData::NSEC(nsec)) = &one.data else { return false };
        let by_zone = |by: &RRSIG| {
            by.input().type_covered == RecordType::NSEC && by.input().signer_name == wildcard.signer_name
        };
        one.proof == Proof::Secure
            && denies(&one.name, nsec, &closer)
            && fitting(&said.authorities, &one.name).any(by_zone)
    });
    Some(is_whole && is_denied)
}

fn signature(record: &Record) -> Option<&RRSIG> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    }
}

/// Signatures of a name that fit.
fn fitting<'a>(records: &'a [Record], name: &'a Name) -> impl Iterator<Item = &'a RRSIG> {
    let fitting = records.iter().filter(move |one| one.name == *name && one.proof == Proof::Secure);
    fitting.filter_map(signature)
}

/// RFC 4034 §4.1.1: no name between owner and next; the last one's next is the zone itself. RFC 6840 §4.1: what stands where
/// another zone begins says nothing of that.
fn denies(owner: &Name, nsec: &NSEC, name: &Name) -> bool {
    let next = nsec.next_domain_name();
    let is_last = next <= owner && next.zone_of(name);
    name > owner
        && (name < next || is_last)
        && !name.zone_of(next)
        && !(nsec.is_ancestor_delegation() && owner.zone_of(name))
}
