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
use offhook_proxy::record_route::Nearness;
use offhook_sip::{Host, HostPort, Method, Refusal, Uri};

use crate::arrival::Arrival;
use crate::relay::Passage;
use crate::servers::NamedBy;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

const INSIDE: &str = "Leads into a network that its sender is not in";
const OWN: &str = "Leads to the machine of this server";
const TRUNK: &str = "Leads to a trunk, as only rules may";

impl Switchboard {
    /// What a place is to us.
    pub(crate) fn nearness(&self, settings: &Settings, ip: IpAddr) -> Nearness {
        let ip = ip.to_canonical();
        Nearness {
            is_own: is_own(settings, ip),
            is_inside: Reach::Public.take(ip).is_none(),
            is_trunk: self.is_at_trunk(settings, ip),
        }
    }

    fn is_at_trunk(&self, settings: &Settings, ip: IpAddr) -> bool {
        settings.routing.trunks().iter().any(|trunk| self.trunk_is_at(trunk, ip))
    }

    /// Why what was written by who is so near may not lead to an address; `None`: it may. Each request in a dialog is asked, so
    /// nothing is looked up that does not matter.
    pub(crate) fn off_limits_for(
        &self,
        settings: &Settings,
        by: Nearness,
        ip: IpAddr,
    ) -> Option<&'static str> {
        let ip = ip.to_canonical();
        if !by.is_own {
            if is_own(settings, ip) {
                return Some(OWN);
            }
            if !by.is_inside && Reach::Public.take(ip).is_none() {
                return Some(INSIDE);
            }
        }
        (!by.is_trunk && self.is_at_trunk(settings, ip)).then_some(TRUNK)
    }

    /// The same of what who sent this has written.
    pub(crate) fn off_limits(&self, arrival: &Arrival<'_, '_>, ip: IpAddr) -> Option<&'static str> {
        let from = arrival.from.remote.ip().to_canonical();
        if ip.to_canonical() == from {
            return None;
        }
        self.off_limits_for(arrival.settings, self.nearness(arrival.settings, from), ip)
    }

    /// The same of a URI with a numeric place; where names lead is looked at when it is known.
    pub(crate) fn leads_off_limits(&self, arrival: &Arrival<'_, '_>, uri: &Uri<'_>) -> Option<&'static str> {
        self.off_limits(arrival, place_of(uri)?.host.ip()?)
    }

    /// Whether a request may go on to an address that somebody else has written: the sender, or in a dialog its other side.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn may_lead_to(
        &self,
        passage: &Passage<'_, '_, '_>,
        ip: IpAddr,
    ) -> Result<(), Refusal<'static>> {
        let why = match by_whom(passage) {
            NamedBy::Us => None,
            NamedBy::Peer => self.off_limits(passage.arrival, ip),
            NamedBy::Dialog(near) => self.off_limits_for(passage.arrival.settings, near, ip),
        };
        why.map_or(Ok(()), |why| Err(Refusal::new(403).because(why)))
    }
}

/// Whether an address is one of this machine. An unspecified one would lead here, too.
fn is_own(settings: &Settings, ip: IpAddr) -> bool {
    let is_ours = || settings.listeners.iter().any(|listener| listener.local.ip() == ip);
    ip.is_loopback() || ip.is_unspecified() || is_ours()
}

/// Who has written where a request goes. One without a seal that ends a call may still end it.
pub(crate) fn by_whom(passage: &Passage<'_, '_, '_>) -> NamedBy {
    let ends = matches!(passage.screened.method, Method::Ack | Method::Bye | Method::Cancel);
    match passage.screened.routed.in_dialog {
        Some(dialog) => NamedBy::Dialog(dialog.toward_near),
        None if ends => NamedBy::Dialog(Nearness { is_own: true, is_inside: true, is_trunk: true }),
        None => NamedBy::Peer,
    }
}

/// Where a request to a URI goes: RFC 3261 §16.5 and §19.1.1, `maddr` "overrides any address derived from the host field".
pub(crate) fn place_of<'a>(uri: &Uri<'a>) -> Option<HostPort<'a>> {
    let at = uri.address?;
    let maddr = uri.params().value(b"maddr");
    let stated = maddr.and_then(|text| Some(HostPort { host: Host::parse(text)?, host_text: text, ..at }));
    Some(stated.unwrap_or(at))
}
