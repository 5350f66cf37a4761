//! Where a request wants to go: RFC 3261 §16.5, before anything is looked up. Rights depend on it.

use offhook_net::{ConnectionId, Flow};
use offhook_proxy::Screened;
use offhook_proxy::access::Aim;
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

impl Way<'_, '_> {
    /// What rights are needed.
    pub(crate) fn aim(&self) -> Aim {
        match self {
            Self::User { .. } | Self::Us => Aim::OurUser,
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
    if let Some(next) = routed.next {
        return Way::Route(next);
    }
    let uri = routed.uri;
    if let Some(flow) = routed.in_dialog.and_then(|d| d.toward) {
        let is_datagram = !flow.transport.is_reliable();
        if is_datagram || flow.connection.is_some() && !is_gone(flow.connection) {
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

fn takes(route: &StaticRoute, uri: &Uri<'_>) -> bool {
    let Some(domain) = &route.domain else { return false };
    let Some(at) = uri.address else { return false };
    Host::parse(domain.as_bytes()).is_some_and(|host| host.same(at.host))
}
