//! Requests for `sips`: TLS on every hop, or a refusal (RFC 3261 §26.2.2, RFC 5630 §5.3, and the manual's `tls.md`).

use super::packet::{Packet, param, user_and_host};
use super::{Oracle, Registered};
use crate::lines;

impl<'a> Oracle<'a> {
    /// What is registered by a Contact that a copy names; one of `sips` is called by `sip` as well.
    pub(super) fn registered_as(&self, uri: &str) -> Option<&Registered<'a>> {
        let by_scheme = |scheme: &str| self.registered.get(&*format!("{scheme}:{}", lines::bare(uri)));
        self.registered.get(uri).or_else(|| by_scheme("sips"))
    }

    /// A request for `sips` that goes nowhere: nobody can be reached so, and that is said; or somebody must be asked who he is.
    pub(super) fn is_refused_for_safety(&mut self, server: usize, response: &Packet<'a>) {
        let request = self.servers[server].request.clone();
        let begins = param(request.value("To"), "tag").is_empty() && request.method != "CANCEL";
        let is_sure = !self.closed && self.life == 1 && begins;
        if !is_sure || !lines::is_sips(request.uri()) || matches!(response.status, 407 | 500) {
            return;
        }
        let warns = response.values("Warning").any(|value| value.starts_with("380 "));
        let is_said = response.status == 480 && warns;
        if self.facts.neighbour_of(request.uri()).is_some() {
            return self.expect(is_said, "RFC 5630 §5.3", format!("{} for an unsafe way", response.first));
        }
        let (user, host) = user_and_host(request.uri());
        let phones = self.registered.iter().filter(|(_, phone)| phone.user == user && phone.is_bound);
        let is_safe = |contact: &str| lines::is_sips(contact);
        let phones: Vec<bool> = phones.map(|(contact, _)| is_safe(contact)).collect();
        if host == self.facts.domain && !phones.is_empty() {
            let is_reached = phones.contains(&true);
            let text = format!("{}, and somebody is there: {is_reached}", response.first);
            self.expect(is_said && !is_reached, "RFC 5630 §5.3", text);
        }
    }
}
