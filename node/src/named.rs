//! Next hops of the configuration that are names: RFC 3263, as for URIs ([`crate::servers`]), with two differences. The
//! administrator wrote them, so they may lead into our own network; and they are looked up before anybody calls, so that
//! nobody waits.

use offhook_locate::{Hop, Wanted};
use offhook_net::{Flow, Outbox};
use offhook_route::{Rule, Target, Toward, Trunk};
use offhook_sip::{Refusal, Uri};

use crate::follow::flow_to;
use crate::names::Known;
use crate::relay::Passage;
use crate::servers::NamedBy;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::Targets;

impl Switchboard {
    /// Asks for the names of the configuration that are not known, or not for long any more.
    pub(crate) fn refresh_names(&mut self, settings: &Settings, now_ms: u64) {
        for wanted in settings.routing.names() {
            self.names.look(now_ms, wanted);
        }
    }

    /// The target of a rule that sends to a name, or what has to be asked first.
    pub(crate) fn push_name(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (rule, uri): (&Rule, &Uri<'_>),
        wanted: &Wanted,
        targets: &mut Targets,
    ) -> Result<(), Refusal<'static>> {
        let wanted = secured(passage, wanted);
        let host = uri.address.is_none().then(|| wanted.host.to_string());
        self.push_named(passage.arrival, wanted, NamedBy::Us, targets)?;
        if targets.awaits_names() {
            return Ok(());
        }
        if let Some(domain) = &rule.proves {
            targets.name_last(domain);
        }
        targets.readdress_last(|text| rule.change.write_uri(uri, host.as_deref(), text));
        Ok(())
    }

    /// The targets of a trunk of which some are names. Those that are not known yet are passed over while another one
    /// is; else the request waits for them.
    pub(crate) fn push_names_of<'t>(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (trunk, order): (&'t Trunk, &[usize]),
        targets: &mut Targets,
        out: &mut Outbox,
    ) -> Result<&'t Target, Refusal<'static>> {
        let (mut ways, mut unknown) = (Vec::new(), Vec::new());
        for target in order.iter().filter_map(|index| trunk.targets.get(*index)) {
            match &target.toward {
                Toward::Address(hop) => {
                    ways.push((target, flow_to(hop, target.proves.as_deref(), passage, out)));
                }
                Toward::Name(wanted) => {
                    let wanted = secured(passage, wanted);
                    match self.ways_to_name(passage, (target, &wanted), targets, out) {
                        Some(Ok(flows)) => ways.extend(flows.into_iter().map(|flow| (target, Ok(flow)))),
                        Some(Err(refusal)) => ways.push((target, Err(refusal))),
                        None => unknown.push((target, wanted)),
                    }
                }
            }
        }
        if let (false, Some((first, _))) = (ways.iter().any(|(_, way)| way.is_ok()), unknown.first()) {
            let first = *first;
            unknown.into_iter().for_each(|(_, wanted)| targets.await_name(wanted));
            return Ok(first);
        }
        targets.push_reached(ways.into_iter())
    }

    /// The ways to a target that is a name; `None`: it has been asked for.
    fn ways_to_name(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (target, wanted): (&Target, &Wanted),
        targets: &mut Targets,
        out: &mut Outbox,
    ) -> Option<Result<Vec<Flow>, Refusal<'static>>> {
        let arrival = passage.arrival;
        let found = match self.names.look(arrival.now_ms, wanted) {
            Known::NotYet => return None,
            Known::Nowhere(why) => Err(why),
            Known::Found(located) => self.flows_to(arrival, wanted, &located, NamedBy::Us),
        };
        let proves = target.proves.as_deref().unwrap_or(wanted.host.as_str());
        Some(match found {
            Ok(mut flows) => {
                for flow in flows.iter_mut().filter(|flow| flow.transport.is_secure()) {
                    flow.connection = out.toward(proves);
                }
                Ok(flows)
            }
            Err(why) => Err(self.unresolved(arrival, wanted, why, targets)),
        })
    }

    /// Whether a next hop is worth trying: a name, if any of its addresses is.
    pub(crate) fn is_up(&self, toward: &Toward) -> bool {
        if self.health.is_empty() {
            return true;
        }
        let is_dead = |transport, address| self.health.is_dead(Hop { transport, address });
        match toward {
            Toward::Address(hop) => !is_dead(hop.transport, hop.address),
            Toward::Name(wanted) => self.names.last_found(wanted).is_none_or(|located| {
                located.order(0).iter().any(|hop| !is_dead(hop.transport, hop.address))
            }),
        }
    }

    /// Whether a trunk is at this address: a target of it, by address or by name, or a place it sends from.
    pub(crate) fn trunk_is_at(&self, trunk: &Trunk, ip: std::net::IpAddr) -> bool {
        let leads_there = |wanted: &Wanted| {
            let located = self.names.last_found(wanted);
            located.is_some_and(|l| l.servers.iter().any(|server| server.addresses.contains(&ip)))
        };
        trunk.is_at(ip) || trunk.targets.iter().filter_map(|target| target.toward.name()).any(leads_there)
    }
}

/// RFC 3261 §26.2.2: for a `sips` URI nothing but TLS will do.
fn secured(passage: &Passage<'_, '_, '_>, wanted: &Wanted) -> Wanted {
    let secure = wanted.secure || passage.screened.routed.wants_security();
    Wanted { secure, ..wanted.clone() }
}
