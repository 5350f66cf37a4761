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
    let in_dialog = is_let_in(screened, trunk);
    access::decide(screened.method, in_dialog, sender, way.aim(trunk), rights)
}

/// Whether a request belongs to what was let in. Trunks write into From what they like, as ever.
pub(crate) fn is_let_in(screened: &Screened<'_, '_>, trunk: Option<usize>) -> bool {
    screened.routed.is_let_in() || trunk.is_some() && screened.routed.in_dialog.is_some()
}

impl Switchboard {
    /// The trunk that a request comes from: by what proves it, or else by its address.
    pub(crate) fn peer_of(&self, arrival: &Arrival<'_, '_>, screened: &Screened<'_, '_>) -> Option<usize> {
        let known = self.known_trunk(arrival.settings, &arrival.from, &screened.routed.uri);
        known.or_else(|| arrival.settings.routing.peer(arrival.from.remote.ip()))
    }
}
