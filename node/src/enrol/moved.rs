//! A registrar that sends us to another one: RFC 3261 §8.1.3.4, §21.3.
//!
//! ```text
//!   302, Contact: a target of the trunk ──► it is asked next
//!   302, Contact: anything else         ──► the attempt has failed, and says where it was sent
//! ```
//! The configuration says where a trunk is. Elsewhere somebody would be shown what answers a challenge with our password.

use offhook_net::Outbox;
use offhook_proxy::redirect::{self, REDIRECTIONS_MAX};
use offhook_route::{Setback, Target, Toward};
use offhook_sip::{Host, Message, Uri};

use crate::settings::Settings;
use crate::switchboard::Switchboard;

/// Of an address that is not ours to follow so much is told, bytes.
const TOLD_BYTES_MAX: usize = 100;

impl Switchboard {
    /// A REGISTER of ours was redirected. `told`: status and reason.
    pub(super) fn registrar_moved(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        index: usize,
        (message, told): (&Message<'_>, &str),
        out: &mut Outbox,
    ) {
        let Some(one) = self.enrolments.list.get_mut(index) else { return };
        let Some(trunk) = settings.routing.trunk(one.trunk) else { return };
        one.redirections += 1;
        let may_follow = one.redirections <= REDIRECTIONS_MAX;
        let choices = redirect::choices(message);
        let mut meant = Vec::new();
        for choice in choices.iter().filter(|_| may_follow) {
            let is_meant = |target: &Target| is_at(&target.toward, &choice.uri);
            meant.extend(self.registrars(settings, now_ms, trunk, is_meant).0);
        }
        if meant.is_empty() {
            let first = choices.first().map_or(&b"nowhere"[..], |choice| choice.uri.text);
            let first = String::from_utf8_lossy(first.get(..TOLD_BYTES_MAX).unwrap_or(first));
            let why = match may_follow {
                true => format!("{told}: it sends us to {first}, where no target of the trunk is"),
                false => format!("{told}: it sends us from target to target"),
            };
            return self.enrolment_failed(settings, now_ms, index, (Setback::Refused, None), &why);
        }
        if let Some(one) = self.enrolments.list.get_mut(index) {
            one.targets.extend(meant.into_iter().rev());
        }
        self.register_at_next(settings, now_ms, index, out);
    }
}

/// Whether a target is what a URI names.
fn is_at(toward: &Toward, uri: &Uri<'_>) -> bool {
    let Some(at) = uri.address else { return false };
    match toward {
        Toward::Address(hop) => {
            let port = at.port.unwrap_or(uri.transport().unwrap_or(hop.transport).default_port());
            at.host.ip() == Some(hop.address.ip())
                && port == hop.address.port()
                && uri.transport().is_none_or(|transport| transport == hop.transport)
        }
        Toward::Name(wanted) => {
            let same_host = |name: &[u8]| name.eq_ignore_ascii_case(wanted.host.as_str().as_bytes());
            matches!(at.host, Host::Name(name) if same_host(name)) && at.port == wanted.port
        }
    }
}
