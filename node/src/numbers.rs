//! Numbers that are looked up: ENUM, RFC 6116. What is found is somebody else's word, so it leads where the URI of a request
//! may lead, and to users of ours where it names a domain of ours.

use offhook_locate::{Domain, Number, Reach, Wanted};
use offhook_proxy::access::Sender;
use offhook_route::Rule;
use offhook_sip::{Host, Uri};

use crate::names::Known;
use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::Targets;

impl Switchboard {
    /// Adds the target that a number leads to, or what has to be asked first. `false`: it has no address that is of use,
    /// and the rest of the rule counts.
    pub(crate) fn push_number(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (rule, uri, suffix): (&Rule, &Uri<'_>, &Domain),
        sender: Sender,
        targets: &mut Targets,
    ) -> bool {
        let mut text = Vec::new();
        rule.change.write_user(uri, &mut text);
        let Some(number) = Number::parse(&text) else { return false };
        let wanted = Wanted::of_number(number, suffix.clone());
        let located = match self.names.look(passage.arrival.now_ms, &wanted) {
            Known::NotYet => {
                targets.await_name(wanted);
                return true;
            }
            Known::Nowhere(_) => return false,
            Known::Found(located) => located,
        };
        located.uris.iter().any(|text| self.push_found(passage, text, sender, targets))
    }

    /// One address of a number. `false`: it is of no use.
    fn push_found(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        text: &str,
        sender: Sender,
        targets: &mut Targets,
    ) -> bool {
        let Ok(uri) = Uri::parse(text.as_bytes()) else { return false };
        if let Some(domain) = passage.arrival.settings.identity.domain_of(&uri) {
            return self.find_bindings(passage, domain, &uri, sender, targets).is_ok();
        }
        if leads_inside(&uri, passage.arrival.settings.reach) {
            return false;
        }
        if self.push_uri(passage, &uri, targets).is_err() {
            return false;
        }
        if !targets.awaits_names() {
            targets.readdress_last(|out| {
                out.extend_from_slice(text.as_bytes());
                true
            });
        }
        true
    }
}

/// Whether it says an address that a name may not lead to either: whoever owns the number could not reach it by himself.
fn leads_inside(uri: &Uri<'_>, reach: Reach) -> bool {
    let maddr = uri.param(b"maddr").and_then(|param| Host::parse(param.value?)).and_then(Host::ip);
    let host = uri.address.and_then(|at| at.host.ip());
    maddr.into_iter().chain(host).any(|ip| reach.take(ip).is_none())
}
