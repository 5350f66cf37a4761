//! Whether a request may go where it wants, and where that is: RFC 3261 §16.3 step 6 and §16.5. The facts for
//! [`offhook_proxy::access`], and the target set.

use offhook_digest::Credentials;
use offhook_locate::Wanted;
use offhook_location::Binding;
use offhook_net::{Flow, Outbox};
use offhook_proxy::Screened;
use offhook_proxy::access::{Access, Sender};
use offhook_sip::{Host, Line, Name, Params, Refusal, Uri};

use crate::access_of;
use crate::arrival::Arrival;
use crate::hop;
use crate::identify::{Door, Proof};
use crate::maddr;
use crate::off_limits::by_whom;
use crate::preference;
use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::Targets;
use crate::way::Way;

/// What was found out about who sent a request that may go on.
pub(crate) struct Admitted<'m> {
    /// The credentials that were meant for us.
    pub spent: Option<&'m Line>,
    /// Who sent it.
    pub sender: Sender,
    /// The credentials were used before: they open nothing a second time, see [`Switchboard::challenge_again`].
    pub again: bool,
}

impl<'m> Admitted<'m> {
    fn new(spent: Option<&'m Line>, sender: Sender) -> Self {
        Self { spent, sender, again: false }
    }

    /// One whose credentials nobody asked for.
    pub(crate) fn by(sender: Sender, arrival: &Arrival<'m, '_>) -> Self {
        Self::new(own_credentials(arrival), sender)
    }
}

impl Switchboard {
    /// Decides whether the sender may do this, and asks it for proof where that is missing. `None`: it was answered.
    pub(crate) fn admit<'m, 'a>(
        &mut self,
        arrival: &Arrival<'m, 'a>,
        screened: &Screened<'m, 'a>,
        way: &Way<'_, 'a>,
        out: &mut Outbox,
    ) -> Option<Admitted<'m>> {
        if screened.routed.is_let_in() || !arrival.settings.rights.authenticate_calls {
            return Some(Admitted::by(Sender::Proved, arrival));
        }
        let peer = self.peer_of(arrival, screened);
        if access_of::is_let_in(screened, peer) {
            return Some(Admitted::by(Sender::Proved, arrival));
        }
        if peer.is_some() {
            return self.admit_peer((arrival, screened), peer, way, out);
        }
        let from_uri = arrival.parts.from.parsed_uri().ok();
        let (home, realm) = home_and_realm(arrival, from_uri.as_ref());
        let realm = realm?;
        let (proof, again) = match self.prove(arrival, Door::Proxy, realm) {
            Proof::Again { user, line } => {
                // Who keeps no transactions cannot tell a repetition from a replay.
                let tells = !way.is_stateless(screened) || arrival.from.transport.is_websocket();
                (Proof::Valid { user, line }, tells)
            }
            proof => (proof, false),
        };
        let (sender, spent) = match proof {
            Proof::Valid { user, line } if home.is_none() || from_uri.and_then(|u| u.user) == Some(user) => {
                (Sender::Proved, Some(line))
            }
            Proof::Silenced => return None,
            Proof::Valid { line, .. } => (Sender::ProvedAnother, Some(line)),
            Proof::Absent if home.is_some_and(|domain| self.speaks_by_its_flow(arrival, domain)) => {
                (Sender::Proved, own_credentials(arrival))
            }
            Proof::Absent | Proof::Wrong | Proof::Foreign if self.is_scanner(arrival) => return None,
            _ if home.is_some() => (Sender::ClaimsOurs, None),
            // The rules took him for one of ours, by what he shows.
            Proof::Wrong | Proof::Stale | Proof::Foreign if arrival.settings.routing.asks_home() => {
                (Sender::ClaimsOurs, None)
            }
            _ => (Sender::Stranger, own_credentials(arrival)),
        };
        let is_unproved = matches!(sender, Sender::ClaimsOurs | Sender::Stranger);
        let whom = asked_for(arrival, sender);
        if is_unproved && self.is_walker(arrival, whom) {
            return None;
        }
        if self.subscribes_without_rest(arrival, matches!(sender, Sender::Proved | Sender::ProvedAnother)) {
            return None;
        }
        match access_of::decide((arrival, screened), (sender, None), way) {
            Access::Allow => self.counted(arrival, Admitted { spent, sender, again }, realm, out),
            Access::Refuse(refusal) => {
                self.refuse(arrival, refusal, out);
                None
            }
            Access::Challenge => {
                let user = from_uri.and_then(|uri| uri.user).unwrap_or_default();
                self.note_challenge(arrival, whom, (user, realm));
                let is_stale = matches!(proof, Proof::Stale | Proof::Foreign);
                self.challenge(arrival, Door::Proxy, realm, is_stale, out);
                None
            }
        }
    }

    /// Lets in who does not come too often.
    fn counted<'m>(
        &mut self,
        arrival: &Arrival<'_, '_>,
        admitted: Admitted<'m>,
        realm: &str,
        out: &mut Outbox,
    ) -> Option<Admitted<'m>> {
        let Err(refusal) = self.count_request(arrival, admitted.sender, realm) else { return Some(admitted) };
        self.refuse(arrival, refusal, out);
        None
    }

    /// Credentials that were used before lead nowhere: somebody may have overheard them (RFC 7616 §5.4). A refusal is as
    /// good the second time, so a repetition of what was refused without a transaction gets the same answer.
    pub(crate) fn challenge_again(&mut self, arrival: &Arrival<'_, '_>, out: &mut Outbox) {
        let from_uri = arrival.parts.from.parsed_uri().ok();
        if let (_, Some(realm)) = home_and_realm(arrival, from_uri.as_ref()) {
            self.challenge(arrival, Door::Proxy, realm, true, out);
        }
    }

    /// A neighbour whose address the administrator wrote down proves nothing more.
    fn admit_peer<'m>(
        &mut self,
        (arrival, screened): (&Arrival<'m, '_>, &Screened<'_, '_>),
        peer: Option<usize>,
        way: &Way<'_, '_>,
        out: &mut Outbox,
    ) -> Option<Admitted<'m>> {
        if let Access::Refuse(refusal) = access_of::decide((arrival, screened), (Sender::Peer, peer), way) {
            self.refuse(arrival, refusal, out);
            return None;
        }
        Some(Admitted::by(Sender::Peer, arrival))
    }

    /// §16.5.
    pub(crate) fn find_targets(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        way: &Way<'_, '_>,
        sender: Sender,
        targets: &mut Targets,
        out: &mut Outbox,
    ) -> Result<(), Refusal<'static>> {
        if self.push_returned(passage, way, targets) {
            return Ok(());
        }
        let flow = match way {
            Way::User { domain, uri } => {
                return self.find_bindings(passage, domain, uri, sender, targets);
            }
            Way::Us => return Err(Refusal::new(404)),
            Way::Lost => return Err(Refusal::new(480)),
            Way::Gruu { domain, uri, besides } => {
                return self.find_device(passage, (domain, uri), besides, sender, targets);
            }
            Way::Flow(flow) if self.closed.has(self.shard, flow.connection) => return Err(Refusal::new(430)),
            Way::Flow(flow) => *flow,
            Way::Dialog(flow) => *flow,
            Way::Rule(rule, uri) => return self.follow_rule(passage, (rule, uri), sender, targets, out),
            Way::Route(next) => {
                let uri = next.parsed_uri().map_err(|_| Refusal::new(400).because("Malformed Route"))?;
                return self.push_uri(passage, &uri, targets);
            }
            Way::Uri(uri) => {
                let found = match maddr::without_ours(uri, &passage.arrival.settings.identity) {
                    None => self.push_uri(passage, uri, targets),
                    Some(plain) => self.push_rewritten(passage, &plain, targets),
                };
                return found.or_else(|refusal| self.push_hidden(passage, refusal, targets));
            }
        };
        push_safe(passage, (flow, matches!(way, Way::Flow(_))), targets)
    }

    /// The same for a Request-URI of ours in the place of the received one.
    fn push_rewritten(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        text: &[u8],
        targets: &mut Targets,
    ) -> Result<(), Refusal<'static>> {
        let uri = Uri::parse(text).map_err(|_| Refusal::new(400).because("Malformed Request-URI"))?;
        self.push_uri(passage, &uri, targets)?;
        targets.address_all(text);
        Ok(())
    }

    /// §16.6 step 7: where a URI leads, by its address or by name.
    pub(crate) fn push_uri(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        uri: &Uri<'_>,
        targets: &mut Targets,
    ) -> Result<(), Refusal<'static>> {
        let arrival = passage.arrival;
        if let Some(mut wanted) = Wanted::of_uri(uri) {
            wanted.secure |= passage.screened.routed.wants_security();
            return self.push_named(arrival, wanted, by_whom(passage), targets);
        }
        let flow = hop::to_uri(uri, &arrival.settings.listeners, arrival.from.listener);
        let flow = flow.map_err(hop::NoHop::refusal)?;
        self.may_lead_to(passage, flow.remote.ip())?;
        push_safe(passage, (flow, false), targets)
    }

    /// An address-of-record that is another name of an account becomes that of the account. Accounts come first.
    #[inline]
    pub(crate) fn resolve_alias(&self, domain: &str, aor: &mut Vec<u8>) {
        let directory = self.directory.load();
        let Some(alias) = aor.len().checked_sub(domain.len() + 1).and_then(|end| aor.get(..end)) else {
            return;
        };
        if let Some(user) = directory.user_of_alias(alias, domain.as_bytes())
            && directory.find(alias, domain.as_bytes()).is_none()
        {
            let user = [user, b"@", domain.as_bytes()].concat();
            *aor = user;
        }
    }

    pub(crate) fn find_bindings(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        domain: &str,
        uri: &Uri<'_>,
        sender: Sender,
        targets: &mut Targets,
    ) -> Result<(), Refusal<'static>> {
        let arrival = passage.arrival;
        let preferences = preference::preferences(passage)?;
        let mut aor = std::mem::take(&mut self.aor);
        aor.clear();
        let named = uri.write_aor(Host::Name(domain.as_bytes()), &mut aor).is_some();
        let listeners = &arrival.settings.listeners;
        let secure = passage.screened.routed.wants_security();
        let preferences = &preferences;
        let mut unfit = None;
        self.resolve_alias(domain, &mut aor);
        self.location.read(&aor, arrival.now_ms, |bindings| {
            bindings.filter(|b| !self.is_gone(b)).for_each(|binding: Binding<'_>| {
                let pushed = targets.push_binding(&binding, listeners, arrival.from.listener, secure);
                if let (Ok(()), Some(wants), false) = (pushed, preferences, binding.params.is_empty()) {
                    targets.judge_last(wants.judge(Params::new(binding.params)));
                }
                unfit = pushed.err().or(unfit);
            });
        });
        let registered = !targets.list().is_empty();
        if let Some(preferences) = preferences {
            targets.leave_unwanted(preferences);
        }
        preference::arrange(arrival, targets);
        let user = aor.split(|&c| c == b'@').next().unwrap_or_default();
        let known = registered || named && self.directory.load().find(user, domain.as_bytes()).is_some();
        self.aor = aor;
        if !targets.list().is_empty() {
            return Ok(());
        }
        // RFC 5630 §5.3: there are phones, and the scheme of the request is not theirs.
        if let Some(scheme @ (hop::NoHop::Insecure | hop::NoHop::SecureOnly)) = unfit {
            return Err(scheme.refusal());
        }
        if sender == Sender::Stranger {
            self.note_miss(arrival);
        }
        // A stranger learns nothing about who has an account here.
        let tell = known || sender == Sender::Stranger;
        Err(Refusal::new(if tell { 480 } else { 404 }))
    }
}

/// Whom one who proves nothing asks for: a stranger the one he calls, else whom he says to be himself.
fn asked_for<'a>(arrival: &Arrival<'_, 'a>, sender: Sender) -> &'a [u8] {
    if sender == Sender::Stranger { arrival.message.request_uri_text() } else { arrival.parts.from.uri }
}

/// The domain of ours that the sender says he is of, and the one for which he proves who he is: a stranger with an account
/// does for that whose credentials he shows, and is asked for those of the one that he calls, or else of the first.
pub(crate) fn home_and_realm<'m>(
    arrival: &Arrival<'m, '_>,
    from: Option<&Uri<'_>>,
) -> (Option<&'m str>, Option<&'m str>) {
    let settings: &'m crate::Settings = arrival.settings;
    let home = from.and_then(|uri| settings.identity.domain_of(uri));
    let called = || arrival.message.request_uri().ok().and_then(|uri| settings.identity.domain_of(&uri));
    let realm = home.or_else(|| realm_shown(arrival)).or_else(called);
    (home, realm.or_else(|| settings.identity.first_domain()))
}

/// The domain of ours whose credentials are shown, whether they are right or not.
pub(crate) fn realm_shown<'m>(arrival: &Arrival<'m, '_>) -> Option<&'m str> {
    let (settings, message): (&'m crate::Settings, _) = (arrival.settings, arrival.message);
    message.lines_of(Name::ProxyAuthorization).find_map(|line| {
        let credentials = Credentials::parse(message.line_value(line)).ok()?;
        settings.identity.domain_named(credentials.realm)
    })
}

/// RFC 3261 §26.2.2: never a hop that others can read.
fn push_safe(
    passage: &Passage<'_, '_, '_>,
    (flow, pinned): (Flow, bool),
    targets: &mut Targets,
) -> Result<(), Refusal<'static>> {
    if passage.screened.routed.wants_security() && !flow.transport.is_secure() {
        return Err(hop::NoHop::Insecure.refusal());
    }
    targets.push_pinned(flow, pinned);
    Ok(())
}

/// Credentials that were meant for us, though nobody asked: an ACK repeats those of its INVITE (§22.1), and many phones
/// send them with each request of a dialog. They go no further: with them the callee could guess at the password.
pub(crate) fn own_credentials<'m>(arrival: &Arrival<'m, '_>) -> Option<&'m Line> {
    let message = arrival.message;
    message.lines_of(Name::ProxyAuthorization).find(|line| {
        let credentials = Credentials::parse(message.line_value(line));
        credentials.is_ok_and(|c| arrival.settings.identity.is_domain(c.realm))
    })
}
