//! What a rule of the configuration makes of a request: a next hop, a target of a trunk, a user of ours, another URI
//! (RFC 3261 §16.5, §8.3).

use offhook_config::{NextHop, Spread};
use offhook_locate::Hop;
use offhook_net::{Flow, Outbox};
use offhook_proxy::Screened;
use offhook_proxy::access::Sender;
use offhook_route::{Rule, Then, Trunk};
use offhook_sip::{Hint, Refusal, Uri};

use crate::arrival::Arrival;
use crate::hop;
use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::Targets;
use crate::way::Way;

impl Switchboard {
    /// The targets of a request that a rule takes.
    pub(crate) fn follow_rule(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (rule, uri): (&Rule, &Uri<'_>),
        sender: Sender,
        targets: &mut Targets,
        out: &mut Outbox,
    ) -> Result<(), Refusal<'static>> {
        let settings = passage.arrival.settings;
        match &rule.then {
            Then::To(hop) => {
                // A telephone number needs a host; a SIP URI keeps its own.
                let host = uri.address.is_none().then(|| host_text(hop));
                let flow = flow_to(hop, rule.proves.as_deref(), passage, out)?;
                targets.push_changed(&[flow], |text| rule.change.write_uri(uri, host.as_deref(), text));
                Ok(())
            }
            Then::Trunk(index) => {
                let trunk = settings.routing.trunk(*index).ok_or(Refusal::new(500))?;
                self.push_trunk(passage, (rule, uri), trunk, targets, out)
            }
            Then::Users => {
                let identity = &settings.identity;
                let domain = identity.domain_of(uri).or_else(|| identity.first_domain()).unwrap_or_default();
                let mut text = b"sip:".to_vec();
                rule.change.write_user(uri, &mut text);
                text.extend_from_slice(b"@");
                text.extend_from_slice(domain.as_bytes());
                let user = Uri::parse(&text).map_err(|_| Refusal::new(404))?;
                self.find_bindings(passage, domain, &user, sender, targets)
            }
            // They were answered before anything was looked for.
            Then::Redirect(_) | Then::Refuse(_) => Err(Refusal::new(500)),
        }
    }

    /// The targets of a trunk in the order in which this request tries them: as the addresses behind a name, RFC 3263 §4.3.
    fn push_trunk(
        &self,
        passage: &Passage<'_, '_, '_>,
        (rule, uri): (&Rule, &Uri<'_>),
        trunk: &Trunk,
        targets: &mut Targets,
        out: &mut Outbox,
    ) -> Result<(), Refusal<'static>> {
        let mut value = Vec::new();
        write_spread_value(trunk.spread, passage.arrival, uri, &mut value);
        let is_up = |index: usize| {
            trunk.targets.get(index).is_some_and(|target| !self.health.is_dead(place(&target.hop)))
        };
        let mut order = Vec::with_capacity(trunk.targets.len());
        trunk.order(&self.spread_key, &value, is_up, &mut order);
        let (mut flows, mut host, mut failure) = (Vec::with_capacity(order.len()), None, None);
        for target in order.iter().filter_map(|index| trunk.targets.get(*index)) {
            match flow_to(&target.hop, target.proves.as_deref(), passage, out) {
                Ok(flow) => {
                    host.get_or_insert(target.hop);
                    flows.push(flow);
                }
                Err(refusal) => failure = Some(refusal),
            }
        }
        let Some(first) = host else { return Err(failure.unwrap_or(hop::NoHop::NoListener.refusal())) };
        let host = trunk.domain.clone().unwrap_or_else(|| host_text(&first));
        targets.push_changed(&flows, |text| rule.change.write_uri(uri, Some(&host), text));
        Ok(())
    }

    /// §8.3: the caller, if he may go there at all, is told another URI.
    pub(crate) fn redirect<'a>(
        &mut self,
        arrival: &Arrival<'_, 'a>,
        screened: &Screened<'_, 'a>,
        (way, uri, to): (&Way<'_, 'a>, &Uri<'_>, &str),
        out: &mut Outbox,
    ) {
        if self.admit(arrival, screened, way, out).is_none() {
            return;
        }
        let contact = redirected(to, uri);
        self.refuse(arrival, Refusal::new(302).with(Hint::Contact(&contact)), out);
    }
}

/// The URI of a redirection; one that names only a host gets the user part that was dialled.
fn redirected(to: &str, uri: &Uri<'_>) -> Vec<u8> {
    let whole = to.as_bytes();
    let user = uri.user.filter(|_| Uri::parse(whole).is_ok_and(|to| to.user.is_none()));
    match (user, whole.iter().position(|&c| c == b':')) {
        (Some(user), Some(colon)) => [b"<", &whole[..=colon], user, b"@", &whole[colon + 1..], b">"].concat(),
        _ => [b"<", whole, b">"].concat(),
    }
}

/// The way to a next hop of the configuration; by TLS it proves to be `proves`, or its address.
fn flow_to(
    hop: &NextHop,
    proves: Option<&str>,
    passage: &Passage<'_, '_, '_>,
    out: &mut Outbox,
) -> Result<Flow, Refusal<'static>> {
    let Passage { arrival, screened, .. } = passage;
    if screened.routed.wants_security() && !hop.transport.is_secure() {
        return Err(hop::NoHop::Insecure.refusal());
    }
    let listeners = &arrival.settings.listeners;
    let flow = hop::to_address(hop.transport, hop.address, listeners, arrival.from.listener);
    let mut flow = flow.ok_or(hop::NoHop::NoListener.refusal())?;
    if let Some(domain) = proves {
        flow.connection = out.toward(domain);
    }
    Ok(flow)
}

fn place(hop: &NextHop) -> Hop {
    Hop { transport: hop.transport, address: hop.address }
}

/// The address as the host part of a URI, without the port that goes without saying.
fn host_text(hop: &NextHop) -> String {
    let ip = match hop.address.ip() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    };
    match hop.address.port() {
        port if port == hop.transport.default_port() => ip,
        port => format!("{ip}:{port}"),
    }
}

fn write_spread_value(spread: Spread, arrival: &Arrival<'_, '_>, uri: &Uri<'_>, out: &mut Vec<u8>) {
    match spread {
        Spread::CallId => out.extend_from_slice(arrival.parts.call_id),
        Spread::Aor => {
            out.extend_from_slice(uri.user.unwrap_or_default());
            out.push(b'@');
            out.extend_from_slice(uri.address.map_or(&b""[..], |at| at.host_text));
        }
        Spread::Source => out.extend_from_slice(arrival.from.remote.ip().to_string().as_bytes()),
    }
}
