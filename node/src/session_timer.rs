//! Session timers that we ask for (RFC 4028 §8): what the configuration wants, and what a transaction remembers of it.

use offhook_proxy::Screened;
use offhook_proxy::session_timer::{self, Demand};
use offhook_sip::{Message, Name, Refusal};
use offhook_transaction::ServerId;

use crate::arrival::Arrival;
use crate::switchboard::Switchboard;

/// The session timer that goes into the copies of a request.
///
/// # Errors
/// Its interval is too short for us.
pub(crate) fn demand(
    arrival: &Arrival<'_, '_>,
    screened: &Screened<'_, '_>,
) -> Result<Option<Demand>, Refusal<'static>> {
    let Some(wish) = arrival.settings.session_timer else { return Ok(None) };
    Demand::of(wish, screened.method, arrival.message)
}

impl Switchboard {
    /// The session timer that the caller is told: the callee's, or ours where he knows none. `buffer` takes ours.
    pub(crate) fn session_told<'v>(
        &self,
        server: ServerId,
        message: &Message<'v>,
        buffer: &'v mut Vec<u8>,
    ) -> &'v [u8] {
        let remembered_s = self.transactions.server(server).map_or(0, |record| record.user.session_s);
        if remembered_s != 0 && session_timer::is_missing(message) {
            session_timer::write_answer(remembered_s, buffer);
            return buffer;
        }
        message.value(Name::SessionExpires).unwrap_or_default()
    }
}
