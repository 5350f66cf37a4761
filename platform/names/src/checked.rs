//! Answers whose signatures fit (RFC 4035).

use std::sync::Arc;

use hickory_resolver::Hosts;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer};
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::dnssec::{DnssecSummary, Proof, TrustAnchors};
use hickory_resolver::proto::op::{DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::domain::usage::{INVALID, LOCALHOST, ONION};
use hickory_resolver::proto::rr::rdata::{A, AAAA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::proto::serialize::binary::BinDecodable;

use crate::answer::LINKS_MAX;
use crate::evidence::is_below;
use crate::guard::Guard;
use crate::wildcard;

/// Name servers, and the keys that their answers are checked with.
pub(crate) struct Checked<H> {
    pub servers: H,
    pub anchors: Arc<TrustAnchors>,
    pub hosts: Hosts,
    pub options: DnsRequestOptions,
}

impl<H: DnsHandle> Checked<H> {
    /// Asks. What one name costs the others pay nothing for: each check begins with the trusted keys.
    ///
    /// # Errors
    /// Nothing is there, nobody answered, or what was said is not to be believed.
    pub(crate) async fn lookup(&self, name: Name, kind: RecordType) -> Result<Lookup, NetError> {
        let query = Query::query(name, kind);
        if let Some(known) = self.hosts.lookup_static_host(&query).map(Ok).or_else(|| special(&query)) {
            return known;
        }
        let guard = Guard::new(self.servers.clone());
        let anchors = Arc::clone(&self.anchors);
        let check = DnssecDnsHandle::with_trust_anchor(guard.clone(), anchors);
        let said = follow(&check, query, self.options).await;
        match (said, guard.refused()) {
            (Err(_), Some(why)) => Err(why.into()),
            (said, _) => said,
        }
    }
}

/// RFC 6761 §6.3, §6.4, RFC 7686 §2: names that no server is asked about.
fn special(query: &Query) -> Option<Result<Lookup, NetError>> {
    let none = |code| Some(Err(NoRecords::new(query.clone(), code).into()));
    let found = |data| Some(Ok(Lookup::from_rdata(query.clone(), data)));
    match query.name() {
        name if LOCALHOST.zone_of(name) => match query.query_type() {
            RecordType::A => found(RData::A(A::new(127, 0, 0, 1))),
            RecordType::AAAA => found(RData::AAAA(AAAA::new(0, 0, 0, 0, 0, 0, 0, 1))),
            _ => none(ResponseCode::NoError),
        },
        name if INVALID.zone_of(name) || ONION.zone_of(name) => none(ResponseCode::NXDomain),
        _ => None,
    }
}

/// Goes from alias to alias. Each step is a question of its own, whose answer is checked by itself.
async fn follow<H: DnsHandle>(
    check: &DnssecDnsHandle<Guard<H>>,
    query: Query,
    options: DnsRequestOptions,
) -> Result<Lookup, NetError> {
    let mut links = Vec::new();
    let mut step = query.clone();
    loop {
        let said = believed(&step, check.lookup(step.clone(), options).first_answer().await)?;
        let next = said.answers.iter().find_map(|one| Some((one.clone(), target(one, step.name())?)));
        match next {
            Some((link, name)) if links.len() <= LINKS_MAX => {
                links.push(link);
                step.set_name(name);
            }
            _ => {
                let found = said.into_message().answers;
                return Ok(Lookup::new_with_max_ttl(query, links.into_iter().chain(found)));
            }
        }
    }
}

/// An answer that is there, and fits its signatures or needs none. RFC 9276 §3.2: that an absence would be too dear to
/// prove makes it one without signatures.
fn believed(asked: &Query, said: Result<DnsResponse, NetError>) -> Result<DnsResponse, NetError> {
    let said = match said {
        Err(NetError::Dns(DnsError::Nsec { response, proof: Proof::Insecure, .. })) => *response,
        Err(NetError::Dns(DnsError::Nsec { response, .. }))
            if wildcard::is_proved(asked, &response) == Some(true) =>
        {
            *response
        }
        Err(NetError::Dns(DnsError::Nsec { .. })) => return Err(DnsError::DnssecBogus.into()),
        Ok(said) if wildcard::is_proved(asked, &said) == Some(false) => {
            return Err(DnsError::DnssecBogus.into());
        }
        said => said?,
    };
    let mut said = DnsError::from_response(said)?;
    drop_made(&mut said.answers);
    match DnssecSummary::from_records(said.answers.iter()) {
        DnssecSummary::Bogus => Err(DnsError::DnssecBogus.into()),
        DnssecSummary::Secure | DnssecSummary::Insecure => Ok(said),
    }
}

/// RFC 6672 §5.3.1: the CNAME that a server makes of a DNAME is not signed, and says nothing more.
fn drop_made(answers: &mut Vec<Record>) {
    if answers.iter().any(|one| one.record_type() == RecordType::DNAME) {
        answers.retain(|one| one.record_type() != RecordType::CNAME);
    }
}

/// Where an alias leads: RFC 1034 §3.6.2, RFC 6672 §2.2.
fn target(alias: &Record, name: &Name) -> Option<Name> {
    match &alias.data {
        RData::CNAME(cname) if alias.name == *name => Some(cname.0.clone()),
        RData::Unknown { code: RecordType::DNAME, rdata } if is_below(name, &alias.name) => {
            let end = Name::from_bytes(&rdata.anything).ok()?;
            let labels = usize::from(name.num_labels() - alias.name.num_labels());
            Name::from_labels(name.iter().take(labels).chain(end.iter())).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
