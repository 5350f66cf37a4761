//! What a rule of the configuration makes of a request: a next hop, a target of a trunk, a user of ours, another URI
//! (RFC 3261 §16.5, §8.3).

use offhook_config::{NextHop, Spread};
use offhook_net::{Flow, Outbox};
use offhook_proxy::Screened;
use offhook_proxy::access::Sender;
use offhook_proxy::history::How;
use offhook_route::{Rule, Then, Toward, Trunk};
use offhook_sip::{Hint, Method, Refusal, Uri};

use crate::arrival::Arrival;
use crate::beyond;
use crate::history::mark_of;
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
        // The switch behind a trunk may write it into a line of its own.
        if matches!(rule.then, Then::To(_) | Then::Trunk(_)) && uri.has_control_character() {
            return Err(Refusal::new(400).because("Control character in the number"));
        }
        if let Some(suffix) = &rule.suffix
            && self.push_number(passage, (rule, uri, suffix), sender, targets)
        {
            return Ok(());
        }
        match &rule.then {
            Then::Number => Err(Refusal::new(404).because("That number has no SIP address")),
            Then::To(Toward::Name(wanted)) => self.push_name(passage, (rule, uri), wanted, targets),
            Then::To(Toward::Address(hop)) => {
                // A telephone number needs a host; a SIP URI keeps its own.
                let host = uri.address.is_none().then(|| hop.host_text());
                let flow = flow_to(hop, rule.proves.as_deref(), passage, out)?;
                targets.push_pinned(flow, false);
                targets.readdress_last(|text| rule.change.write_uri(uri, host.as_deref(), text));
                Ok(())
            }
            Then::Trunk(index) => {
                let trunk = settings.routing.trunk(*index).ok_or(Refusal::new(500))?;
                self.push_trunk(passage, (rule, uri), trunk, targets, out)?;
                targets.trunk_of_last(beyond::number(*index));
                if trunk.registers.is_some() {
                    // RFC 3608 §5: behind the target, which stands in for the outbound proxy.
                    settings.service_routes.with(*index, |route| targets.route_of_last(route));
                }
                Ok(())
            }
            Then::Users => {
                let identity = &settings.identity;
                let domain = identity.domain_of(uri).or_else(|| identity.first_domain()).unwrap_or_default();
                let mut text = b"sip:".to_vec();
                rule.change.write_user(uri, &mut text);
                text.extend_from_slice(b"@");
                text.extend_from_slice(domain.as_bytes());
                let user = Uri::parse(&text).map_err(|_| Refusal::new(404))?;
                targets.ring_for(rule.ring_s);
                self.find_bindings(passage, domain, &user, sender, targets)
            }
            // They were answered before anything was looked for.
            Then::Redirect(_) | Then::Refuse(_) => Err(Refusal::new(500)),
        }
    }

    /// The targets of a trunk in the order in which this request tries them: as the addresses behind a name, RFC 3263 §4.3.
    fn push_trunk(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (rule, uri): (&Rule, &Uri<'_>),
        trunk: &Trunk,
        targets: &mut Targets,
        out: &mut Outbox,
    ) -> Result<(), Refusal<'static>> {
        let (mut order, mut aor) = (std::mem::take(&mut self.order), std::mem::take(&mut self.aor));
        let is_up = |index: usize| trunk.targets.get(index).is_some_and(|target| self.is_up(&target.toward));
        with_spread_value(trunk.spread, passage.arrival, (uri, &mut aor), |value| {
            trunk.order(&self.spread_key, value, is_up, &mut order);
        });
        self.aor = aor;
        let reached = if trunk.has_names() {
            self.push_names_of(passage, (trunk, &order), targets, out)
        } else {
            targets.push_reached(order.iter().filter_map(|index| {
                let target = trunk.targets.get(*index)?;
                let hop = target.toward.address()?;
                Some((target, flow_to(&hop, target.proves.as_deref(), passage, out)))
            }))
        };
        self.order = order;
        if targets.awaits_names() {
            return Ok(());
        }
        let host = trunk.domain.as_deref().unwrap_or(&reached?.host);
        targets.readdress_last(|text| rule.change.write_uri(uri, Some(host), text));
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
        let (mut contact, how) = redirected(to, uri);
        contact.extend(mark_of(arrival, screened.routed.uri.text, how));
        self.refuse(arrival, Refusal::new(302).with(Hint::Contact(&contact)), out);
    }
}

/// The URI of a redirection, and whose it is; one that names only a host gets the user part that was dialled.
fn redirected(to: &str, uri: &Uri<'_>) -> (Vec<u8>, How) {
    let whole = to.as_bytes();
    let named = Uri::parse(whole).ok().and_then(|to| to.user);
    match (uri.user.filter(|_| named.is_none()), whole.iter().position(|&c| c == b':')) {
        (Some(user), Some(colon)) => {
            let contact = [b"<", &whole[..=colon], user, b"@", &whole[colon + 1..], b">"].concat();
            (contact, How::SameUser)
        }
        _ => {
            let how = if named == uri.user { How::SameUser } else { How::OtherUser };
            ([b"<", whole, b">"].concat(), how)
        }
    }
}

/// The way to a next hop of the configuration; by TLS it proves to be `proves`, or its address.
pub(crate) fn flow_to(
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

/// What the spread goes by. `aor` has room for it.
fn with_spread_value<R>(
    spread: Spread,
    arrival: &Arrival<'_, '_>,
    (uri, aor): (&Uri<'_>, &mut Vec<u8>),
    use_it: impl FnOnce(&[&[u8]]) -> R,
) -> R {
    match (spread, arrival.from.remote.ip()) {
        (Spread::CallId, _) => use_it(&[arrival.parts.call_id]),
        (Spread::Aor, _) => {
            aor.clear();
            write_spread_aor(arrival, uri, aor);
            use_it(&[aor])
        }
        (Spread::Source, std::net::IpAddr::V4(ip)) => use_it(&[&ip.octets()]),
        (Spread::Source, std::net::IpAddr::V6(ip)) => use_it(&[&ip.octets()]),
    }
}

/// Who is called, in one form. Who registers is in To, and the Request-URI of a REGISTER names only his domain (§10.2).
fn write_spread_aor(arrival: &Arrival<'_, '_>, uri: &Uri<'_>, aor: &mut Vec<u8>) {
    let registered = match arrival.message.method() {
        Some(Method::Register) => arrival.parts.to.parsed_uri().ok(),
        _ => None,
    };
    let uri = registered.as_ref().unwrap_or(uri);
    match uri.address {
        Some(at) if uri.user.is_some_and(|user| !user.is_empty()) => {
            let _has_user = uri.write_aor(at.host, aor);
        }
        Some(at) => offhook_sip::write_host(at.host, aor),
        None => aor.extend_from_slice(uri.user.unwrap_or_default()),
    }
}
