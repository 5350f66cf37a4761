//! What of an answer helps to check it.
//!
//! An answer brings much that proves nothing about what was asked, and each set of records in it is checked with all the
//! keys above. So all but this is left out:
//!
//! - the records that were asked for, or the alias that stands there instead (CNAME, DNAME);
//! - where neither is there, or a wildcard stands for it: what proves that (SOA, NSEC, NSEC3);
//! - few signatures of each.

use std::collections::{HashMap, HashSet};

use hickory_resolver::proto::dnssec::rdata::{DNSSECRData, RRSIG};
use hickory_resolver::proto::op::{Message, Query};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// Records of an answer that are checked. All of a set are needed for its signature; a message over TCP can bring
/// thousands.
const RECORDS_MAX: usize = 1_024;

/// Records that prove an absence: one SOA and three NSEC3, each with signatures.
const PROOFS_MAX: usize = 32;

/// Signatures of one set that are looked at: two keys of two algorithms, while one is replaced by the other.
const SIGNATURES_MAX: usize = 4;

/// Keys of a zone, or digests of them in the zone above. Two of each kind in two algorithms are eight.
const KEYS_MAX: usize = 24;

/// Keys of a zone that a signature cannot tell apart: the tag has 16 bits, so now and then there are two.
const KEYS_ALIKE_MAX: usize = 2;

/// Leaves in an answer what helps to check it.
///
/// # Errors
/// Why it cannot be checked with reasonable effort.
pub(crate) fn keep(query: &Query, answer: &mut Message) -> Result<(), &'static str> {
    answer.additionals.clear();
    keep_answers(query, &mut answer.answers);
    let needs_proof =
        !answer.answers.iter().any(|one| is_answer(query, one)) || has_wildcard(&answer.answers);
    match query.query_type() {
        RecordType::NS => answer.authorities.retain(|one| one.record_type() == RecordType::NS),
        _ if needs_proof => keep_proofs(query.name(), &mut answer.authorities),
        _ => answer.authorities.clear(),
    }
    if query.query_type() == RecordType::DS {
        drop_child_side(query.name(), answer);
    }
    let few =
        |records: &[Record], max: usize| if records.len() > max { Err("too many records") } else { Ok(()) };
    drop_signatures(&mut answer.answers);
    drop_signatures(&mut answer.authorities);
    few(&answer.answers, RECORDS_MAX)?;
    few(&answer.authorities, PROOFS_MAX)?;
    few_keys(&answer.answers)
}

fn keep_answers(query: &Query, answers: &mut Vec<Record>) {
    let above = answers.iter().find(|one| is_alias_above(query, one)).map(|one| one.name.clone());
    answers.retain(|one| match covered(one) {
        RecordType::DNAME => above.as_ref() == Some(&one.name),
        kind => one.name == *query.name() && (kind == query.query_type() || kind == RecordType::CNAME),
    });
}

/// The type of a record, or the type that a signature signs.
fn covered(record: &Record) -> RecordType {
    signature(record).map_or(record.record_type(), |signature| signature.input().type_covered)
}

fn signature(record: &Record) -> Option<&RRSIG> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    }
}

fn is_alias_above(query: &Query, record: &Record) -> bool {
    record.record_type() == RecordType::DNAME && is_below(query.name(), &record.name)
}

/// RFC 6672 §5.3.1: the CNAME that a DNAME makes has no signature, and needs none.
fn is_answer(query: &Query, record: &Record) -> bool {
    let kind = record.record_type();
    kind == RecordType::CNAME || kind == query.query_type() || is_alias_above(query, record)
}

/// RFC 4035 §5.3.4: signed for fewer labels than the name has, so nothing that is closer to it may be there.
fn has_wildcard(answers: &[Record]) -> bool {
    let is_wildcard = |one: &Record| {
        signature(one).is_some_and(|signature| signature.input().num_labels < one.name.num_labels())
    };
    answers.iter().any(is_wildcard)
}

/// RFC 4035 §5.4: what is not there is proved by the zone that the name is in, by its signatures. What another says of it,
/// rightly signed or rightly not signed, proves nothing.
fn keep_proofs(name: &Name, authorities: &mut Vec<Record>) {
    let signed = |one: &Record| {
        let signer = &signature(one)?.input().signer_name;
        signer.zone_of(name).then(|| (one.name.clone(), covered(one)))
    };
    let proved: HashSet<_> = authorities.iter().filter_map(signed).collect();
    authorities.retain(|one| match one.record_type() {
        RecordType::SOA => one.name.zone_of(name),
        RecordType::NSEC | RecordType::NSEC3 => proved.contains(&(one.name.clone(), one.record_type())),
        _ => signed(one).is_some_and(|(_, kind)| is_proof(kind)),
    });
}

fn is_proof(kind: RecordType) -> bool {
    matches!(kind, RecordType::SOA | RecordType::NSEC | RecordType::NSEC3)
}

pub(crate) fn is_below(name: &Name, above: &Name) -> bool {
    name != above && above.zone_of(name)
}

/// What the keys of a zone are is said by the zone above, which alone can say that there are none: RFC 4035 §5.2. What
/// the zone says of itself would be checked with its own keys, for which its digests are asked for again, and so on.
///
/// A server that has both zones may answer from the lower one all the same where neither is signed. That its SOA is there
/// then speaks of the upper one, whose state decides.
fn drop_child_side(zone: &Name, answer: &mut Message) {
    let is_own = |one: &Record| {
        signature(one).is_some_and(|signature| zone.zone_of(&signature.input().signer_name))
            || is_below(&one.name, zone)
            || matches!(&one.data, RData::DNSSEC(DNSSECRData::NSEC(nsec)) if one.name == *zone && nsec.type_set().contains(RecordType::SOA))
    };
    answer.answers.retain(|one| !is_own(one));
    answer.authorities.retain(|one| !is_own(one));
    for one in &mut answer.authorities {
        if one.name == *zone && one.record_type() == RecordType::SOA {
            one.name = zone.base_name();
        }
    }
}

/// One of each key, and few of each set.
fn drop_signatures(records: &mut Vec<Record>) {
    let mut seen = HashMap::<_, HashSet<_>>::new();
    records.retain(|one| {
        let Some(signature) = signature(one) else { return true };
        let input = signature.input();
        let keys = seen.entry((one.name.clone(), input.type_covered)).or_default();
        keys.len() < SIGNATURES_MAX && keys.insert((input.key_tag, u8::from(input.algorithm)))
    });
}

fn few_keys(answers: &[Record]) -> Result<(), &'static str> {
    let keys = answers.iter().filter(|one| matches!(one.record_type(), RecordType::DNSKEY | RecordType::DS));
    if keys.count() > KEYS_MAX {
        return Err("too many keys");
    }
    let mut alike = HashMap::new();
    for one in answers {
        let RData::DNSSEC(DNSSECRData::DNSKEY(key)) = &one.data else { continue };
        let same = alike.entry(key.calculate_key_tag().ok()).or_insert(0);
        *same += 1;
        if *same > KEYS_ALIKE_MAX {
            return Err("too many keys with one tag");
        }
    }
    Ok(())
}
