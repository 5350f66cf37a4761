//! Where a request wants to go: RFC 3261 §16.5, before anything is looked up. Rights depend on it.

use std::net::IpAddr;

use offhook_net::{ConnectionId, Flow};
use offhook_proxy::access::Aim;
use offhook_proxy::flow_token::FlowRoute;
use offhook_proxy::{Identity, Screened};
use offhook_registrar::gruu;
use offhook_route::{Facts, Rule, Then};
use offhook_sip::{NameAddr, Uri};

use crate::admit::realm_shown;
use crate::arrival::Arrival;
use crate::maddr;

/// The kind of destination.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way<'m, 'a> {
    /// The server itself.
    Us,
    /// The other side of a dialog, over the flow that Record-Route remembers.
    Dialog(Flow),
    /// The other side of a dialog, whose connection is gone; where its Contact points, somebody else may be.
    Lost,
    /// The phone behind a flow that we have put into its Path (RFC 5626 §5.3.1).
    Flow(Flow),
    /// One device of a user of ours: RFC 5627 §6.1.
    Gruu {
        /// The domain, in canonical form.
        domain: &'m str,
        /// The Request-URI.
        uri: Uri<'a>,
        /// Where else it may go: the flow that the dialog remembers, or the next value of Route.
        besides: Besides<'a>,
    },
    /// The next value of Route.
    Route(NameAddr<'a>),
    /// What a rule of the configuration says about this URI.
    Rule(&'m Rule, Uri<'a>),
    /// A user of a domain of ours.
    User {
        /// The domain, in canonical form.
        domain: &'m str,
        /// The Request-URI.
        uri: Uri<'a>,
    },
    /// The address in the Request-URI.
    Uri(Uri<'a>),
}

/// What is known of the way to a device beside its registration.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Besides<'a> {
    /// Nothing.
    Nothing,
    /// The flow of the dialog, for when the device is not registered any more.
    Dialog(Flow),
    /// The rest of the route: it goes there, and Path is left out (RFC 5627 §6.1).
    Route(NameAddr<'a>),
}

impl Way<'_, '_> {
    /// What rights are needed; `peer` is the trunk whose peer has sent the request.
    pub(crate) fn aim(&self, peer: Option<usize>) -> Aim {
        match self {
            Self::User { .. } | Self::Us => Aim::OurUser,
            // A GRUU of ours that is only to be resolved on its way elsewhere opens no doors there.
            Self::Gruu { besides: Besides::Route(_), .. } => Aim::Elsewhere,
            Self::Gruu { .. } => Aim::OurUser,
            // Whoever has the token was given it by us or by the phone, and it leads to that phone alone.
            Self::Flow(_) => Aim::OpenRoute,
            Self::Rule(rule, _) => match rule.then {
                Then::Redirect(_) | Then::Refuse(_) => Aim::OurUser,
                // A number that is looked up may lead anywhere.
                Then::Users if rule.suffix.is_none() => Aim::OurUser,
                _ if rule.open => Aim::OpenRoute,
                _ if peer.is_some_and(|trunk| rule.is_for_peer(trunk)) => Aim::PeerRoute,
                _ => Aim::Elsewhere,
            },
            _ => Aim::Elsewhere,
        }
    }

    /// The domain of ours whose user is meant.
    pub(crate) fn domain<'i>(&'i self, identity: &'i Identity) -> Option<&'i str> {
        match self {
            Self::User { domain, .. } | Self::Gruu { domain, .. } => Some(domain),
            // A number without a domain is one of the first, see `follow_rule`.
            Self::Rule(rule, uri) => {
                let first = || identity.first_domain().filter(|_| matches!(rule.then, Then::Users));
                identity.domain_of(uri).or_else(first)
            }
            _ => None,
        }
    }

    /// Whether the request is forwarded without a transaction (RFC 3261 §16.11): by the rule that it falls under, or as the
    /// one that made its dialog was.
    pub(crate) fn is_stateless(&self, screened: &Screened<'_, '_>) -> bool {
        matches!(self, Self::Rule(rule, _) if rule.stateless)
            || screened.routed.in_dialog.is_some_and(|dialog| dialog.stateless)
    }
}

/// Finds the destination of a screened request.
pub(crate) fn find<'m, 'a>(
    arrival: &Arrival<'m, 'a>,
    screened: &Screened<'_, 'a>,
    is_gone: impl Fn(ConnectionId) -> bool,
    trunk_of: impl Fn(&Uri<'_>) -> Option<usize>,
) -> Way<'m, 'a> {
    let routed = &screened.routed;
    let uri = routed.uri;
    match routed.flow {
        // §5.3: a request that comes by the flow itself is on its way out.
        Some(FlowRoute::To(flow)) if !is_same_peer(&flow, &arrival.from) => return Way::Flow(flow),
        _ => {}
    }
    if let Some(rule) = refusal_of_own_way(arrival, screened, &trunk_of) {
        return Way::Rule(rule, uri);
    }
    let is_there =
        |flow: &Flow| !flow.transport.is_reliable() || flow.connection.is_some() && !is_gone(flow.connection);
    let toward = routed.in_dialog.and_then(|d| d.toward);
    if gruu::is_gruu(&uri)
        && let Some(domain) = arrival.settings.identity.domain_of(&uri).filter(|_| uri.user.is_some())
    {
        let besides = match (routed.next, toward.filter(is_there)) {
            (Some(next), _) => Besides::Route(next),
            (None, Some(flow)) => Besides::Dialog(flow),
            (None, None) => Besides::Nothing,
        };
        return Way::Gruu { domain, uri, besides };
    }
    if let Some(next) = routed.next {
        return Way::Route(next);
    }
    if let Some(flow) = toward {
        if is_there(&flow) {
            return Way::Dialog(flow);
        }
        // A phone behind a NAT is not where its Contact says. Without one it can be dialled there.
        if uri.address.and_then(|at| at.host.ip()) != Some(flow.remote.ip()) {
            return Way::Lost;
        }
    }
    // §16.5: where `maddr` names somebody else, it alone says where.
    if maddr::leads_away(&uri, &arrival.settings.identity) {
        return Way::Uri(uri);
    }
    let domain = arrival.settings.identity.domain_of(&uri);
    if let Some(rule) = rule_for(arrival, uri, (domain, routed.in_dialog.is_some()), trunk_of) {
        return match rule.then {
            // Where nobody is named the domain is meant, and that is us.
            Then::Users if domain.is_some() && uri.user.is_none() && rule.change.keeps_user() => Way::Us,
            _ => Way::Rule(rule, uri),
        };
    }
    match domain {
        Some(domain) if uri.user.is_some() => Way::User { domain, uri },
        Some(_) => Way::Us,
        None => Way::Uri(uri),
    }
}

/// Whether a request in a dialog goes to a phone on a connection, be it there or not.
pub(crate) fn is_to_phone(screened: &Screened<'_, '_>) -> bool {
    let routed = &screened.routed;
    let toward = routed.in_dialog.and_then(|dialog| dialog.toward);
    routed.next.is_none() && toward.is_some_and(|flow| flow.transport.is_reliable())
}

fn is_same_peer(a: &Flow, b: &Flow) -> bool {
    a.transport == b.transport && a.remote == b.remote && a.connection == b.connection
}

fn rule_for<'m>(
    arrival: &Arrival<'m, '_>,
    uri: Uri<'_>,
    (domain, in_dialog): (Option<&str>, bool),
    trunk_of: impl Fn(&Uri<'_>) -> Option<usize>,
) -> Option<&'m Rule> {
    let routing = &arrival.settings.routing;
    if routing.is_empty() {
        return None;
    }
    let (method, from) = (arrival.message.method_text(), arrival.parts.from);
    let trunk = trunk_of(&uri);
    let source = (arrival.from.remote.ip(), trunk);
    let home = home_of(arrival, trunk);
    routing.first(&facts((method, from, home), source, arrival.now_ms, (uri, domain, in_dialog)))
}

/// The rule that refuses a request whose sender says himself which way it goes (Route, `maddr`): no lock is passed so.
fn refusal_of_own_way<'m>(
    arrival: &Arrival<'m, '_>,
    screened: &Screened<'_, '_>,
    trunk_of: impl Fn(&Uri<'_>) -> Option<usize>,
) -> Option<&'m Rule> {
    let (routed, settings) = (&screened.routed, arrival.settings);
    if routed.in_dialog.is_some() || settings.routing.is_empty() {
        return None;
    }
    if routed.next.is_none() && !maddr::leads_away(&routed.uri, &settings.identity) {
        return None;
    }
    let trunk = trunk_of(&routed.uri);
    let source = (arrival.from.remote.ip(), trunk);
    let (method, from) = (arrival.message.method_text(), arrival.parts.from);
    let home = home_of(arrival, trunk);
    let aim = (routed.uri, settings.identity.domain_of(&routed.uri), false);
    settings.routing.refusal(&facts((method, from, home), source, arrival.now_ms, aim))
}

/// Our domain that the sender is of, if any rule asks: that of the account by which he is let in, or of his From. What he shows
/// is not proved yet; see [`crate::admit`].
fn home_of<'m>(arrival: &Arrival<'m, '_>, trunk: Option<usize>) -> Option<&'m str> {
    let settings = arrival.settings;
    if !settings.routing.asks_home() {
        return None;
    }
    let from = arrival.parts.from.parsed_uri().ok();
    let home = from.and_then(|uri| settings.identity.domain_of(&uri));
    let is_peer = || trunk.is_some() || settings.routing.peer(arrival.from.remote.ip()).is_some();
    if home.is_some() || !settings.rights.authenticate_calls || is_peer() {
        return home;
    }
    realm_shown(arrival)
}

/// What rules look at.
pub(crate) fn facts<'f>(
    (method, from, home): (&'f [u8], NameAddr<'f>, Option<&'f str>),
    (source, trunk): (IpAddr, Option<usize>),
    now_ms: u64,
    (uri, domain, in_dialog): (Uri<'f>, Option<&'f str>, bool),
) -> Facts<'f> {
    // ACK and CANCEL go where their INVITE went.
    let method = if matches!(method, b"ACK" | b"CANCEL") { b"INVITE" } else { method };
    Facts { method, uri, domain, in_dialog, from, home, source, trunk, now_ms }
}
