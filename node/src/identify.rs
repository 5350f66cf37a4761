//! Who sent a request: digest credentials checked, challenges made (RFC 3261 §22). Nothing is remembered between a
//! challenge and its answer: nonces are sealed.

use offhook_digest::{Algorithm, Challenge, Credentials, Ha1, NonceVerdict, verify};
use offhook_journal::{AuthFailure, Event};
use offhook_net::Outbox;
use offhook_sip::{Line, Message, Method, Name, Reply, Uri};

use crate::arrival::Arrival;
use crate::switchboard::Switchboard;

/// The two places where credentials are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    /// 401, WWW-Authenticate, Authorization: the registrar (§22.2).
    Registrar,
    /// 407, Proxy-Authenticate, Proxy-Authorization: the proxy (§22.3).
    Proxy,
}

impl Door {
    const fn credentials(self) -> Name {
        match self {
            Self::Registrar => Name::Authorization,
            Self::Proxy => Name::ProxyAuthorization,
        }
    }

    const fn challenge(self) -> (u16, Name) {
        match self {
            Self::Registrar => (401, Name::WwwAuthenticate),
            Self::Proxy => (407, Name::ProxyAuthenticate),
        }
    }
}

/// What the credentials of a request prove.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof<'m, 'a> {
    /// None for our realm.
    Absent,
    /// The nonce is too old; nothing else was looked at.
    Stale,
    /// Not right.
    Wrong,
    /// With a nonce that was not made for this address: the phone has another one than before, or it is made up. A new one
    /// may be asked for without asking the user ("only if it receives a request for which the nonce is invalid", RFC 7616 §3.3).
    Foreign,
    /// Not looked at: too much has failed lately. There is no answer.
    Silenced,
    /// Right, but used before: a repetition, or somebody has overheard them.
    Again {
        /// The account's user part.
        user: &'a [u8],
        /// The header line that said so.
        line: &'m Line,
    },
    /// The sender knows the secret of this account.
    Valid {
        /// The account's user part.
        user: &'a [u8],
        /// The header line that said so: meant for us alone.
        line: &'m Line,
    },
}

impl Switchboard {
    /// Checks the credentials that a request carries for `realm`.
    pub(crate) fn prove<'m, 'a>(
        &mut self,
        arrival: &Arrival<'m, 'a>,
        door: Door,
        realm: &str,
    ) -> Proof<'m, 'a> {
        match shown_for(arrival.message, door, realm) {
            Some((credentials, line)) => self.check(arrival, &credentials, line, realm),
            None => Proof::Absent,
        }
    }

    fn check<'m, 'a>(
        &mut self,
        arrival: &Arrival<'m, 'a>,
        credentials: &Credentials<'a>,
        line: &'m Line,
        realm: &str,
    ) -> Proof<'m, 'a> {
        let source = arrival.from.remote.ip();
        let lifetime_ms = arrival.settings.nonce_lifetime_ms;
        let nonce =
            self.nonces.check(credentials.nonce, arrival.now_ms, source, realm.as_bytes(), lifetime_ms);
        let issue = match nonce {
            NonceVerdict::Forged => {
                self.wrong(arrival, credentials, AuthFailure::ForeignNonce);
                return Proof::Foreign;
            }
            // RFC 7616 §3.3 asks for no more: an old nonce is no way to guess, and proves no address.
            NonceVerdict::Stale => return Proof::Stale,
            NonceVerdict::Valid(issue) => issue,
        };
        let user = account_name(credentials.username, realm.as_bytes());
        if self.is_silenced(arrival, user, realm) {
            return Proof::Silenced;
        }
        let directory = self.directory.load();
        // An unknown user costs the same work as a wrong password, whatever algorithm is used: the time tells nothing.
        let found = directory.find_or_another(user, realm.as_bytes());
        let (stored, is_known) =
            found.filter(|(c, _)| c.has(credentials.algorithm)).unwrap_or((&self.decoy, false));
        let ha1 = stored.ha1(credentials.algorithm);
        let right = ha1.is_some_and(|ha1| is_right(credentials, &ha1, arrival));
        drop(directory);
        if !is_known {
            self.note_failure(arrival, user, realm);
            return self.wrong(arrival, credentials, AuthFailure::UnknownUser);
        }
        if !right {
            self.note_failure(arrival, user, realm);
            return self.wrong(arrival, credentials, AuthFailure::WrongResponse);
        }
        self.guard.proved(arrival.now_ms, source);
        // An ACK repeats the credentials of its INVITE (RFC 3261 §22.1). Without a count, a nonce is good once.
        let is_ack = arrival.message.method() == Some(Method::Ack);
        let count = credentials.nc.unwrap_or(1);
        if is_ack || self.guard.takes_count(issue.counter, issue.at_ms, count, lifetime_ms) {
            Proof::Valid { user, line }
        } else {
            Proof::Again { user, line }
        }
    }

    fn wrong<'m, 'a>(
        &mut self,
        arrival: &Arrival<'m, 'a>,
        credentials: &Credentials<'a>,
        why: AuthFailure,
    ) -> Proof<'m, 'a> {
        let event = Event::AuthFailed {
            user: credentials.username,
            realm: credentials.realm,
            source: arrival.from.remote,
            why,
        };
        self.journal.note(arrival.now_ms, &event);
        Proof::Wrong
    }

    /// Asks for credentials: one challenge for each algorithm, the preferred one first (RFC 8760 §2.3). Leaves no state
    /// behind.
    pub(crate) fn challenge(
        &mut self,
        arrival: &Arrival<'_, '_>,
        door: Door,
        realm: &str,
        stale: bool,
        out: &mut Outbox,
    ) {
        if !self.may_answer(arrival.settings, arrival.now_ms, &arrival.from) {
            return;
        }
        let (status, header) = door.challenge();
        let tag = self.stateless_tag(arrival.parts);
        self.nonce_counter = self.nonce_counter.wrapping_add(1);
        let source = arrival.from.remote;
        let nonce = self.nonces.issue(arrival.now_ms, self.nonce_counter, source.ip(), realm.as_bytes());
        let start = out.begin();
        let arena = out.arena();
        Reply::new(arrival.message, status).to_tag(&tag).top_via(arrival.answer_via).write_head(arena);
        let head_end = arena.len();
        let algorithms = &arrival.settings.algorithms[..];
        let write = |algorithms: &[Algorithm], arena: &mut Vec<u8>| {
            for &algorithm in algorithms {
                let (realm, nonce) = (realm.as_bytes(), nonce.as_bytes());
                let challenge =
                    Challenge { realm, nonce, opaque: None, algorithm, auth: true, auth_int: false, stale };
                arena.extend_from_slice(header.text().as_bytes());
                arena.extend_from_slice(b": ");
                challenge.write(arena);
                arena.extend_from_slice(b"\r\n");
            }
            Reply::write_end(arena);
        };
        write(algorithms, arena);
        // A short request of a stranger: the algorithm that is known best has room.
        if let [_, .., last] = algorithms
            && self.is_too_much(arrival, start, out)
        {
            out.arena().truncate(head_end);
            write(&[*last], out.arena());
        }
        self.send_answer(arrival, start, out);
        self.journal.note(
            arrival.now_ms,
            &Event::AuthChallenged { method: arrival.message.method_text(), realm: realm.as_bytes(), source },
        );
    }
}

/// The credentials that a request shows for this realm.
fn shown_for<'m, 'a>(
    message: &'m Message<'a>,
    door: Door,
    realm: &str,
) -> Option<(Credentials<'a>, &'m Line)> {
    message.lines_of(door.credentials()).find_map(|line| {
        let credentials = Credentials::parse(message.line_value(line)).ok()?;
        credentials.realm.eq_ignore_ascii_case(realm.as_bytes()).then_some((credentials, line))
    })
}

/// The account that a request has proved to be of, if it was let in by credentials for this realm.
pub(crate) fn account_shown<'a>(message: &Message<'a>, realm: &str) -> Option<&'a [u8]> {
    let (credentials, _) = shown_for(message, Door::Proxy, realm)?;
    Some(account_name(credentials.username, realm.as_bytes()))
}

/// Some phones send `alice@example.org` as user name.
pub(crate) fn account_name<'a>(username: &'a [u8], realm: &[u8]) -> &'a [u8] {
    match username.iter().position(|&c| c == b'@') {
        Some(at) if username[at + 1..].eq_ignore_ascii_case(realm) => &username[..at],
        _ => username,
    }
}

/// Whether credentials are right, and for this request. RFC 3261 §22.1: "any credentials in the INVITE that were accepted by
/// a server MUST be accepted by that server for the ACK", which has the method and often the target of its own.
fn is_right(credentials: &Credentials<'_>, ha1: &Ha1, arrival: &Arrival<'_, '_>) -> bool {
    let fits = |method: &[u8]| verify(credentials, ha1, method, arrival.message.body());
    let method = arrival.message.method_text();
    if arrival.message.method() == Some(Method::Ack) && fits(b"INVITE") {
        return true;
    }
    fits(method) && speaks_of(credentials, arrival)
}

/// Whether the credentials were made for this target. Credentials overheard for one user must not call another, so a user
/// part must be that of the Request-URI. Some phones name only the server; that is taken, as RFC 8760 §2.6 point 6 lets
/// the URIs differ.
fn speaks_of(credentials: &Credentials<'_>, arrival: &Arrival<'_, '_>) -> bool {
    let target = arrival.message.request_uri_text();
    if credentials.uri == target {
        return true;
    }
    let Ok(said) = Uri::parse(credentials.uri) else { return false };
    let same_host = |meant: &Uri<'_>| match (said.address, meant.address) {
        (Some(a), Some(b)) => a.host.same(b.host),
        _ => false,
    };
    said.user.is_none() || Uri::parse(target).is_ok_and(|meant| said.user == meant.user && same_host(&meant))
}
