//! Requests to one device of a user: RFC 5627 §6.1, and the flows of RFC 5626 §7 it is reached by.

use memchr::memchr_iter;
use offhook_location::Binding;
use offhook_net::Flow;
use offhook_proxy::access::Sender;
use offhook_registrar::gruu::{Fit, Gruu, is_gruu};
use offhook_sip::{Method, Name, NameAddr, Refusal, Uri, same_in_any_case};
use offhook_transaction::ClientId;

use crate::closed::connection_of;
use crate::hop;
use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::Targets;
use crate::trust::proved_account;
use crate::way::Besides;

impl Switchboard {
    /// RFC 5627 §6.2: who begins a dialog and says that he can be reached at the GRUU of somebody else would have the other's
    /// phone called in his place.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn check_own_gruu(&self, passage: &Passage<'_, '_, '_>) -> Result<(), Refusal<'static>> {
        let Passage { arrival, screened, .. } = *passage;
        let begins_dialog = matches!(screened.method, Method::Invite | Method::Subscribe | Method::Refer);
        let contact = arrival.message.value(Name::Contact).filter(|_| begins_dialog).unwrap_or_default();
        // Most have none, and that is seen at once.
        let is_gr =
            |at: usize| contact.get(at + 1..at + 3).is_some_and(|name| name.eq_ignore_ascii_case(b"gr"));
        let may_be_gruu = || memchr_iter(b';', contact).any(is_gr);
        if arrival.parts.to_tag.is_empty() && may_be_gruu() && self.is_gruu_of_another(passage, contact) {
            return Err(Refusal::new(403).because("Contact is a GRUU of somebody else"));
        }
        Ok(())
    }

    fn is_gruu_of_another(&self, passage: &Passage<'_, '_, '_>, contact: &[u8]) -> bool {
        let Some((user, home)) = proved_account(passage) else { return false };
        let Some(uri) = NameAddr::parse(contact).and_then(|contact| contact.parsed_uri().ok()) else {
            return false;
        };
        let Some(domain) = passage.arrival.settings.identity.domain_of(&uri).filter(|_| is_gruu(&uri)) else {
            return false;
        };
        let mut aor = Vec::new();
        let is_one = Gruu::read(&uri, domain, &self.gruus, &mut aor).is_some();
        self.resolve_alias(domain, &mut aor);
        let own = [user, b"@", home].concat();
        is_one && !same_in_any_case(&aor, &own)
    }

    /// The device that a GRUU names: 404 if the name was never given or counts no more, 480 if the device is not there.
    pub(crate) fn find_device(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (domain, uri): (&str, &Uri<'_>),
        besides: &Besides<'_>,
        sender: Sender,
        targets: &mut Targets,
    ) -> Result<(), Refusal<'static>> {
        let arrival = passage.arrival;
        let listeners = &arrival.settings.listeners;
        let secure = passage.screened.routed.wants_security();
        let is_safe = |flow: &Flow| !secure || flow.transport.is_secure();
        if let Besides::Route(next) = besides {
            let uri = next.parsed_uri().map_err(|_| Refusal::new(400).because("Malformed Route"))?;
            self.push_uri(passage, &uri, targets)?;
        }
        let mut aor = std::mem::take(&mut self.aor);
        let gruu = Gruu::read(uri, domain, &self.gruus, &mut aor);
        let mut outdated = gruu.is_none();
        let mut newest_ms = None;
        let mut unfit = None;
        if let Some(gruu) = gruu {
            self.location.read(&aor, arrival.now_ms, |bindings| {
                for binding in bindings {
                    match gruu.fits(&binding) {
                        Fit::OtherDevice => {}
                        Fit::Outdated => outdated = true,
                        Fit::Yes if matches!(besides, Besides::Route(_)) => {
                            if newest_ms < Some(binding.registered_at_ms) {
                                newest_ms = Some(binding.registered_at_ms);
                                targets.readdress_first(&binding, secure);
                            }
                        }
                        Fit::Yes if self.is_gone(&binding) => {}
                        Fit::Yes => {
                            let pushed =
                                targets.push_binding(&binding, listeners, arrival.from.listener, secure);
                            unfit = pushed.err().or(unfit);
                        }
                    }
                }
            });
        }
        targets.order(arrival.settings.fork_targets_max);
        match besides {
            Besides::Dialog(flow) if targets.list().is_empty() && is_safe(flow) => {
                targets.push_pinned(*flow, true)
            }
            _ => {}
        }
        let known = !outdated && self.knows(&aor, domain);
        self.aor = aor;
        if !targets.list().is_empty() || matches!(besides, Besides::Route(_)) {
            return Ok(());
        }
        // A stranger learns nothing about who has an account here.
        Err(nobody_there(known || sender == Sender::Stranger && !outdated, unfit))
    }

    fn knows(&self, aor: &[u8], domain: &str) -> bool {
        let user = aor.split(|&c| c == b'@').next().unwrap_or_default();
        self.directory.load().find(user, domain.as_bytes()).is_some()
    }

    /// Whether a binding is a flow whose connection has ended: RFC 5626 §7 forbids to dial it.
    pub(crate) fn is_gone(&self, binding: &Binding<'_>) -> bool {
        let flow = &binding.flow;
        let is_closed = binding.reg_id != 0 && self.closed.has(self.shard, connection_of(flow));
        is_closed || self.closed.ended(self.shard, flow)
    }

    /// Whether the device that this branch goes to can be reached by another flow.
    pub(crate) fn has_other_flow(&self, id: ClientId) -> bool {
        let Some(branch) = self.transactions.client(id).map(|record| &record.user) else { return false };
        let upstream = branch.server.and_then(|server| self.transactions.server(server));
        let rest = upstream.and_then(|record| record.user.rest.as_ref());
        rest.is_some_and(|rest| rest.targets.has_spare(branch.device))
    }
}

/// Why there is no way to the device. `counts`: the name may be told to be a good one.
fn nobody_there(counts: bool, unfit: Option<hop::NoHop>) -> Refusal<'static> {
    match unfit {
        // RFC 5630 §5.3: it is there, and the scheme of the request is not its own.
        Some(scheme @ (hop::NoHop::Insecure | hop::NoHop::SecureOnly)) => scheme.refusal(),
        _ => Refusal::new(if counts { 480 } else { 404 }),
    }
}
