//! The facts for [`offhook_proxy::access`]: for a request as it came, and for one that follows a redirection. Both go where
//! the same rights lead.

use offhook_proxy::Screened;
use offhook_proxy::access::{self, Access, Sender};

use crate::arrival::Arrival;
use crate::switchboard::Switchboard;
use crate::way::Way;

/// Whether this sender may send such a request that way; `trunk`: the one that it comes from.
pub(crate) fn decide(
    (arrival, screened): (&Arrival<'_, '_>, &Screened<'_, '_>),
    (sender, trunk): (Sender, Option<usize>),
    way: &Way<'_, '_>,
) -> Access {
    let rights = arrival.settings.rights_at(way.domain(&arrival.settings.identity));
    let in_dialog = screened.routed.in_dialog.is_some();
    access::decide(screened.method, in_dialog, sender, way.aim(trunk), rights)
}

impl Switchboard {
    /// The trunk that a request comes from: by what proves it, or else by its address.
    pub(crate) fn peer_of(&self, arrival: &Arrival<'_, '_>, screened: &Screened<'_, '_>) -> Option<usize> {
        let known = self.known_trunk(arrival.settings, &arrival.from, &screened.routed.uri);
        known.or_else(|| arrival.settings.routing.peer(arrival.from.remote.ip()))
    }
}
