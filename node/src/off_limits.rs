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
use offhook_proxy::record_route::{Nearness, NetworkMark, TrunkMark};
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
            is_own: settings.is_own_address(ip),
            network: is_inside(ip).then(|| NetworkMark::of(ip, &self.cookies)),
            trunk: self.trunks_at(settings, ip).next(),
        }
    }

    fn trunks_at(&self, settings: &Settings, ip: IpAddr) -> impl Iterator<Item = TrunkMark> {
        let there = settings.routing.trunks().iter().filter(move |trunk| self.trunk_is_at(trunk, ip));
        there.map(|trunk| TrunkMark::of(trunk.mark.get()))
    }

    /// Why what was written in a dialog with who is so near may not lead to an address; `None`: it may. Each request in a dialog
    /// is asked, so nothing is looked up that does not matter.
    fn off_dialog(&self, settings: &Settings, side: Nearness, ip: IpAddr) -> Option<&'static str> {
        let is_its_trunk =
            || side.trunk.is_some() && self.trunks_at(settings, ip).any(|at| side.trunk == Some(at));
        let is_there = || side.network == Some(NetworkMark::of(ip, &self.cookies)) || is_its_trunk();
        off_network(settings, side.is_own, is_there, ip)
    }

    fn off_trunk(&self, settings: &Settings, by: Option<TrunkMark>, ip: IpAddr) -> Option<&'static str> {
        let mut there = self.trunks_at(settings, ip).peekable();
        (there.peek().is_some() && !there.any(|trunk| by == Some(trunk))).then_some(TRUNK)
    }

    /// The same of what who sent this has written. Who is in one private network may be routed into others.
    pub(crate) fn off_limits(&self, arrival: &Arrival<'_, '_>, ip: IpAddr) -> Option<&'static str> {
        let (settings, ip) = (arrival.settings, ip.to_canonical());
        let from = arrival.from.remote.ip().to_canonical();
        if ip == from {
            return None;
        }
        let near = self.nearness(settings, from);
        let is_inside = || near.is_own || near.network.is_some();
        off_network(settings, near.is_own, is_inside, ip).or_else(|| self.off_trunk(settings, near.trunk, ip))
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
            NamedBy::End(Some(side)) if side.trunk.is_some() => self.off_dialog(arrival.settings, side, ip),
            NamedBy::Dialog(side) | NamedBy::End(Some(side)) => self
                .off_dialog(arrival.settings, side, ip)
                .or_else(|| self.off_trunk(arrival.settings, side.trunk, ip)),
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

fn off_network(
    settings: &Settings,
    by_own: bool,
    by_inside: impl FnOnce() -> bool,
    ip: IpAddr,
) -> Option<&'static str> {
    if settings.is_own_address(ip) {
        return (!by_own).then_some(OWN);
    }
    (is_inside(ip) && !by_inside()).then_some(INSIDE)
}

/// Whether an address is one of a private network, or of no network.
fn is_inside(ip: IpAddr) -> bool {
    Reach::Public.take(ip).is_none()
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
