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
use offhook_proxy::record_route::{Nearness, TrunkMark};
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
            trunk: self.trunks_at(settings, ip).next(),
        }
    }

    fn trunks_at(&self, settings: &Settings, ip: IpAddr) -> impl Iterator<Item = TrunkMark> {
        let there = settings.routing.trunks().iter().filter(move |trunk| self.trunk_is_at(trunk, ip));
        there.map(|trunk| TrunkMark::of(trunk.mark.get()))
    }

    /// Why what was written by who is so near may not lead to an address; `None`: it may. Each request in a dialog is asked, so
    /// nothing is looked up that does not matter.
    fn off_limits_for(&self, settings: &Settings, by: Nearness, ip: IpAddr) -> Option<&'static str> {
        off_network(settings, by, ip).or_else(|| {
            let mut there = self.trunks_at(settings, ip).peekable();
            (there.peek().is_some() && !there.any(|trunk| by.trunk == Some(trunk))).then_some(TRUNK)
        })
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

    /// The same of what somebody has written.
    pub(crate) fn off_limits_by(
        &self,
        arrival: &Arrival<'_, '_>,
        by: NamedBy,
        ip: IpAddr,
    ) -> Option<&'static str> {
        let ip = ip.to_canonical();
        match by {
            NamedBy::Us | NamedBy::End(None) => None,
            NamedBy::Peer => self.off_limits(arrival, ip),
            // A provider has more machines than trunks.
            NamedBy::End(Some(near)) if near.trunk.is_some() => off_network(arrival.settings, near, ip),
            NamedBy::Dialog(near) | NamedBy::End(Some(near)) => {
                self.off_limits_for(arrival.settings, near, ip)
            }
        }
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
        let why = self.off_limits_by(passage.arrival, by_whom(passage), ip);
        why.map_or(Ok(()), |why| Err(Refusal::new(403).because(why)))
    }
}

fn off_network(settings: &Settings, by: Nearness, ip: IpAddr) -> Option<&'static str> {
    match by {
        Nearness { is_own: true, .. } => None,
        _ if is_own(settings, ip) => Some(OWN),
        Nearness { is_inside: true, .. } => None,
        _ => Reach::Public.take(ip).is_none().then_some(INSIDE),
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
    let near = passage.screened.routed.in_dialog.map(|dialog| dialog.toward_near);
    if ends { NamedBy::End(near) } else { near.map_or(NamedBy::Peer, NamedBy::Dialog) }
}

/// Where a request to a URI goes: RFC 3261 §16.5 and §19.1.1, `maddr` "overrides any address derived from the host field".
pub(crate) fn place_of<'a>(uri: &Uri<'a>) -> Option<HostPort<'a>> {
    let at = uri.address?;
    let maddr = uri.params().value(b"maddr");
    let stated = maddr.and_then(|text| Some(HostPort { host: Host::parse(text)?, host_text: text, ..at }));
    Some(stated.unwrap_or(at))
}
