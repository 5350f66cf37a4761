//! The services of a domain: RFC 3263 §4.1, the table of its §4.1 and RFC 7118 §9.

use offhook_sip::Transport;

use crate::domain::Domain;
use crate::limits::SERVICES_MAX;
use crate::record::{Naptr, Record};
use crate::wanted::Wanted;

/// A transport and the SRV name that leads to its servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Service {
    pub transport: Transport,
    pub srv: Domain,
}

/// Those that the domain itself names and we have, the most preferred one first. Records of one order and of the next
/// follow each other: a lower one is used when all above it have failed.
pub(crate) fn offered(records: &[Record], wanted: &Wanted, transports: &[Transport]) -> Vec<Service> {
    let mut naptrs: Vec<&Naptr> = records.iter().filter_map(naptr).collect();
    naptrs.sort_by_key(|n| (n.order, n.preference));
    let mut services: Vec<Service> = Vec::new();
    for naptr in naptrs {
        let Some(service) = service_of(naptr, wanted, transports) else { continue };
        if !services.contains(&service) && services.len() < SERVICES_MAX {
            services.push(service);
        }
    }
    services
}

fn naptr(record: &Record) -> Option<&Naptr> {
    match record {
        Record::Naptr(naptr) => Some(naptr),
        _ => None,
    }
}

fn service_of(naptr: &Naptr, wanted: &Wanted, transports: &[Transport]) -> Option<Service> {
    if !naptr.flags.eq_ignore_ascii_case(b"s") || !naptr.regexp.is_empty() {
        return None;
    }
    let (secure, transport) = match naptr.services.to_ascii_uppercase().as_slice() {
        b"SIP+D2U" => (false, Transport::Udp),
        b"SIP+D2T" => (false, Transport::Tcp),
        b"SIP+D2S" => (false, Transport::Sctp),
        b"SIP+D2W" => (false, Transport::Ws),
        b"SIPS+D2T" => (true, Transport::Tls),
        b"SIPS+D2W" => (true, Transport::Wss),
        _ => return None,
    };
    let fits = transports.contains(&transport) && (secure || !wanted.secure);
    Some(Service { transport, srv: Domain::parse(&naptr.replacement).filter(|_| fits)? })
}

/// Those that we would like, where the domain names none.
pub(crate) fn guessed(host: &Domain, transports: &[Transport]) -> Vec<Service> {
    let guess = |&transport: &Transport| Some(Service { transport, srv: host.below(prefix(transport))? });
    transports.iter().filter_map(guess).collect()
}

/// RFC 3263 §4.2, RFC 7118 §9.
const fn prefix(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Sctp => "_sip._sctp",
        Transport::Ws => "_sip._ws",
        Transport::Wss => "_sips._ws",
    }
}
