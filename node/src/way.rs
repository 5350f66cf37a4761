//! Where a request wants to go: RFC 3261 §16.5, before anything is looked up. Rights depend on it.

use offhook_net::{ConnectionId, Flow};
use offhook_proxy::Screened;
use offhook_proxy::access::Aim;
use offhook_proxy::flow_token::FlowRoute;
use offhook_registrar::gruu;
use offhook_sip::{Host, NameAddr, Uri};

use crate::arrival::Arrival;
use crate::settings::StaticRoute;

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
    /// A static route of the configuration.
    Static(&'m StaticRoute),
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
    /// What rights are needed.
    pub(crate) fn aim(&self) -> Aim {
        match self {
            Self::User { .. } | Self::Us => Aim::OurUser,
            // A GRUU of ours that is only to be resolved on its way elsewhere opens no doors there.
            Self::Gruu { besides: Besides::Route(_), .. } => Aim::Elsewhere,
            Self::Gruu { .. } => Aim::OurUser,
            // Whoever has the token was given it by us or by the phone, and it leads to that phone alone.
            Self::Flow(_) => Aim::OpenRoute,
            Self::Static(route) if route.open => Aim::OpenRoute,
            _ => Aim::Elsewhere,
        }
    }
}

/// Finds the destination of a screened request.
pub(crate) fn find<'m, 'a>(
    arrival: &Arrival<'m, 'a>,
    screened: &Screened<'_, 'a>,
    is_gone: impl Fn(ConnectionId) -> bool,
) -> Way<'m, 'a> {
    let routed = &screened.routed;
    let uri = routed.uri;
    match routed.flow {
        // §5.3: a request that comes by the flow itself is on its way out.
        Some(FlowRoute::To(flow)) if !is_same_peer(&flow, &arrival.from) => return Way::Flow(flow),
        _ => {}
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
    if let Some(route) = arrival.settings.routes.iter().find(|r| takes(r, &uri)) {
        return Way::Static(route);
    }
    match arrival.settings.identity.domain_of(&uri) {
        Some(domain) if uri.user.is_some() => Way::User { domain, uri },
        Some(_) => Way::Us,
        None => Way::Uri(uri),
    }
}

fn is_same_peer(a: &Flow, b: &Flow) -> bool {
    a.transport == b.transport && a.remote == b.remote && a.connection == b.connection
}

fn takes(route: &StaticRoute, uri: &Uri<'_>) -> bool {
    let Some(domain) = &route.domain else { return false };
    let Some(at) = uri.address else { return false };
    Host::parse(domain.as_bytes()).is_some_and(|host| host.same(at.host))
}
