//! Where nobody's URI leads: what a caller or a phone writes shall not reach what only we can reach, nor what somebody else
//! pays for.
//!
//! ```text
//!   an address …                                  … leads there for
//!   of a private network, or of no network        who is in such a network himself
//!   of this machine, whatever the port            who is on it
//!   of a trunk: a target, or where it sends from  the trunk itself; the rules let others in
//! ```
//! A provider that knows us by our address bills whatever comes from it, so the rules that close expensive numbers would be
//! void if its address could be written into a Request-URI, a Route, a Contact or a Path.

use std::net::IpAddr;

use offhook_locate::Reach;
use offhook_sip::{Host, HostPort, Method, Refusal, Uri};

use crate::arrival::Arrival;
use crate::relay::Passage;
use crate::switchboard::Switchboard;

const INSIDE: &str = "Leads into a network that its sender is not in";
const OWN: &str = "Leads to the machine of this server";
const TRUNK: &str = "Leads to a trunk, as only rules may";

impl Switchboard {
    /// Why what was written by who sent this may not lead to an address; `None`: it may.
    pub(crate) fn off_limits(&self, arrival: &Arrival<'_, '_>, ip: IpAddr) -> Option<&'static str> {
        let (ip, from) = (ip.to_canonical(), arrival.from.remote.ip().to_canonical());
        if ip == from {
            return None;
        }
        let is_own = |ip: IpAddr| {
            ip.is_loopback() || arrival.settings.listeners.iter().any(|listener| listener.local.ip() == ip)
        };
        if is_own(ip) {
            return (!is_own(from)).then_some(OWN);
        }
        let is_public = |ip| Reach::Public.take(ip).is_some();
        let is_nowhere = Reach::Private.take(ip).is_none();
        if is_nowhere || !is_public(ip) && is_public(from) {
            return Some(INSIDE);
        }
        let mut trunks = arrival.settings.routing.trunks().iter();
        trunks.any(|trunk| self.trunk_is_at(trunk, ip) && !self.trunk_is_at(trunk, from)).then_some(TRUNK)
    }

    /// The same of a URI with a numeric place; where names lead is looked at when it is known.
    pub(crate) fn leads_off_limits(&self, arrival: &Arrival<'_, '_>, uri: &Uri<'_>) -> Option<&'static str> {
        self.off_limits(arrival, place_of(uri)?.host.ip()?)
    }

    /// Whether a request that might begin something may go on to an address that somebody else has written.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn may_lead_to(
        &self,
        passage: &Passage<'_, '_, '_>,
        ip: IpAddr,
    ) -> Result<(), Refusal<'static>> {
        let why = if begins(passage) { self.off_limits(passage.arrival, ip) } else { None };
        why.map_or(Ok(()), |why| Err(Refusal::new(403).because(why)))
    }
}

/// Whether a request is not of a dialog that we have let in. Without its seal, one that ends a call still ends it.
pub(crate) fn begins(passage: &Passage<'_, '_, '_>) -> bool {
    let ends = matches!(passage.screened.method, Method::Ack | Method::Bye | Method::Cancel);
    passage.screened.routed.in_dialog.is_none() && !ends
}

/// Where a request to a URI goes: RFC 3261 §16.5 and §19.1.1, `maddr` "overrides any address derived from the host field".
pub(crate) fn place_of<'a>(uri: &Uri<'a>) -> Option<HostPort<'a>> {
    let at = uri.address?;
    let maddr = uri.params().value(b"maddr");
    let stated = maddr.and_then(|text| Some(HostPort { host: Host::parse(text)?, host_text: text, ..at }));
    Some(stated.unwrap_or(at))
}
