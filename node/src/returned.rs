//! A phone that has come back: its connection is gone, and with it the flow that its calls went by, but it has registered
//! anew, by another connection, with the Contact that its calls know, or elsewhere through us ([`crate::registrants`]). So a
//! browser hears of what happens in its calls after its network was away for a moment, and each phone on a stream after a
//! restart of ours. A datagram is lost in silence where a translator has forgotten its phone: it goes by the way by which
//! that has registered since ([`crate::moved`]).
//!
//! ```text
//!   in-dialog request, To: bob, Request-URI: his Contact ──► the flow of the call is gone
//!        ──► a binding of bob with this Contact, or of the same device, whose connection is there ──► by that connection
//! ```
//! Nobody else is reached by it than whom the request names: the user in To, at the Contact in the Request-URI.

use offhook_location::Binding;
use offhook_net::Flow;
use offhook_sip::{Refusal, Uri};

use crate::closed::connection_of;
use crate::register::user_in_to;
use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::Targets;
use crate::way::Way;

impl Switchboard {
    /// Adds the phone where it is now. `false`: the flow of its call is there, or it has not come back.
    pub(crate) fn push_returned(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        way: &Way<'_, '_>,
        targets: &mut Targets,
    ) -> bool {
        let routed = &passage.screened.routed;
        let Some(dialog) = routed.in_dialog.filter(|dialog| dialog.toward.is_some()) else { return false };
        let safe = |flow: &Flow| !routed.wants_security() || flow.transport.is_secure();
        match way {
            Way::Lost | Way::Uri(_) => {}
            Way::Dialog(flow) if !flow.transport.is_reliable() && self.have_any_moved() => {
                return self.push_moved(passage, flow, safe, targets);
            }
            _ => return false,
        }
        if let Some(flow) = dialog.toward_phone.and_then(|phone| self.flow_of_phone(phone)).filter(safe) {
            targets.push_pinned(flow, false);
            return true;
        }
        dialog
            .toward
            .is_some_and(|flow| self.have_any_moved() && self.push_moved(passage, &flow, safe, targets))
            || self.with_callee(passage, |board, aor| board.push_connected(passage, aor, targets))
    }

    /// A phone whose way nobody had to remember, and which is behind a translator now: it has registered with a Contact in a
    /// private network and told the other side so. Where nobody may be looked for (`refusal`), its binding leads.
    ///
    /// # Errors
    /// That refusal: nobody of this name has registered there.
    pub(crate) fn push_hidden(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        refusal: Refusal<'static>,
        targets: &mut Targets,
    ) -> Result<(), Refusal<'static>> {
        let may_be = passage.screened.routed.in_dialog.is_some() && refusal.status() == 403;
        let found =
            may_be && self.with_callee(passage, |board, aor| board.push_connected(passage, aor, targets));
        if found { Ok(()) } else { Err(refusal) }
    }

    fn push_moved(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        before: &Flow,
        safe: impl Fn(&Flow) -> bool,
        targets: &mut Targets,
    ) -> bool {
        self.with_callee(passage, |board, aor| {
            let flow = board.moved_from(aor, before).filter(safe);
            flow.is_some_and(|flow| {
                targets.push_pinned(flow, false);
                true
            })
        })
    }

    /// Looks for the user in To. `false`: he is none of ours, or it was in vain.
    fn with_callee(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        look: impl FnOnce(&Self, &[u8]) -> bool,
    ) -> bool {
        let mut aor = std::mem::take(&mut self.aor);
        let found = user_in_to(passage.arrival, &mut aor).is_some_and(|domain| {
            self.resolve_alias(domain, &mut aor);
            look(self, &aor)
        });
        self.aor = aor;
        found
    }

    fn push_connected(&self, passage: &Passage<'_, '_, '_>, aor: &[u8], targets: &mut Targets) -> bool {
        let arrival = passage.arrival;
        let uri = &passage.screened.routed.uri;
        let secure = passage.screened.routed.wants_security();
        let mut found = false;
        self.location.read(aor, arrival.now_ms, |bindings| {
            let is_meant = |binding: &Binding<'_>| is_contact(uri, binding.contact);
            // The way of its device that is gone is known as long as it is registered: RFC 5626 §4.2.1 gives it another.
            let has_device = |binding: &Binding<'_>| is_meant(binding) && !binding.instance.is_empty();
            let device = bindings.clone().find(has_device).map(|binding| binding.instance);
            let is_its = |binding: &Binding<'_>| is_meant(binding) || device == Some(binding.instance);
            let its = bindings.filter(|binding| self.leads_back(binding) && is_its(binding));
            if let Some(binding) = its.max_by_key(|binding| binding.registered_at_ms) {
                let (listeners, listener) = (&arrival.settings.listeners, arrival.from.listener);
                found = targets.push_binding(&binding, listeners, listener, secure).is_ok();
                targets.keep_uri_for_last();
            }
        });
        found
    }

    /// Whether the phone is reached by the way that its REGISTER came.
    fn leads_back(&self, binding: &Binding<'_>) -> bool {
        let flow = &binding.flow;
        let connection = connection_of(flow);
        match flow.transport.is_reliable() {
            true => connection.is_some() && !self.closed.has(self.shard, connection),
            false => flow.nat,
        }
    }
}

/// Whether a phone means the same by both: in a call its Contact may have parameters that the registered one has not, such as
/// `ob` (RFC 5626 §4.3).
fn is_contact(uri: &Uri<'_>, contact: &[u8]) -> bool {
    let Ok(contact) = Uri::parse(contact) else { return false };
    let at = |uri: &Uri<'_>| uri.address.map(|at| (at.host_text.to_ascii_lowercase(), at.port));
    uri.user.is_some()
        && uri.canonical_user().eq(contact.canonical_user())
        && at(uri) == at(&contact)
        && uri.transport() == contact.transport()
}
