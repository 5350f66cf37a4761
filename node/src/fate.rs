//! What becomes of a request once its targets have been looked for: when it has just come, and when it has waited for a name.

use offhook_net::Outbox;
use offhook_sip::Refusal;

use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::Targets;

/// What is to be done with it.
pub(crate) enum Fate {
    /// It leads nowhere.
    Refused(Refusal<'static>),
    /// Its credentials were used before: they are asked for anew.
    AskedAgain,
    /// Nobody is there to take the message: it is kept.
    Kept,
    /// The caller is told these values of Contact (RFC 3841 §9.1).
    Redirected(Vec<u8>),
    /// It goes to the targets, or waits for the names among them.
    Forwarded,
}

impl Switchboard {
    /// Looks for the targets of a request, and decides. `used_before`: its credentials were.
    pub(crate) fn fate_of(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        used_before: bool,
        targets: &mut Targets,
        out: &mut Outbox,
    ) -> Fate {
        let Passage { arrival, way, sender, .. } = *passage;
        match self.find_targets(passage, way, sender, targets, out) {
            // A bare 480 is for who has no device; one with a warning is for devices that may not be called so.
            Err(refusal) if refusal != Refusal::new(480) || !self.may_keep(passage) => Fate::Refused(refusal),
            _ if used_before => Fate::AskedAgain,
            Err(_) => Fate::Kept,
            // RFC 7339 §5.10: without Retry-After, or the peer would leave us alone, not only that next hop.
            Ok(()) => match self.holds_back(arrival, targets) {
                Some(why) => Fate::Refused(Refusal::new(503).because(why)),
                None => self.redirects(passage, targets).map_or(Fate::Forwarded, Fate::Redirected),
            },
        }
    }
}
