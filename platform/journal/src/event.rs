//! The list of everything that happens.
//!
//! Text that came from the network is `&[u8]` and is escaped when shown; `&str` are words of our own. No field
//! holds a secret.

use std::fmt;
use std::net::SocketAddr;

use crate::declare::events;

events! {
    /// The server has opened its sockets and takes requests.
    ServerReady "server.ready" Info { listeners: &'a str }
        "listening on {listeners}";

    /// The server was asked to stop and takes no new requests.
    ServerStopping "server.stopping" Info { why: &'a str }
        "stopping: {why}";

    /// The server has stopped.
    ServerStopped "server.stopped" Info { uptime_s: u64 }
        "stopped after {uptime_s} s";

    /// The configuration was read and is in force.
    ConfigLoaded "config.loaded" Info { file: &'a str }
        "configuration read from {file}";

    /// Accounts were changed in the store and the change is in force.
    AccountsRefreshed "accounts.refreshed" Info { added: u64, removed: u64 }
        "accounts read again: {added} added, {removed} removed";

    /// A phone registered or refreshed its registration.
    RegisterAccepted "register.accepted" Info
        { aor: &'a [u8], contact: &'a [u8], expires_s: u32, source: SocketAddr }
        "{aor} is at {contact}, for {expires_s} s (from {source})";

    /// A phone took its registration back.
    RegisterRemoved "register.removed" Info { aor: &'a [u8], contact: &'a [u8], source: SocketAddr }
        "{aor} is no longer at {contact} (from {source})";

    /// An account was removed, and what one of its phones had registered with it.
    RegisterForgotten "register.forgotten" Info { aor: &'a [u8], contact: &'a [u8] }
        "the account {aor} is removed, and its phone at {contact} is not reached any more";

    /// A registration was refused after its sender was known or needed not be.
    RegisterRefused "register.refused" Info { aor: &'a [u8], source: SocketAddr, status: u16, reason: &'a str }
        "registration of {aor} refused with {status}: {reason} (from {source})";

    /// A request without credentials was answered with a challenge. Every phone meets this.
    AuthChallenged "auth.challenged" Debug { method: &'a [u8], realm: &'a [u8], source: SocketAddr }
        "{method} is asked for credentials of {realm} (from {source})";

    /// Credentials were right once, but for a nonce that is too old; a new one was sent. Every phone meets this.
    AuthStale "auth.stale" Debug { user: &'a [u8], realm: &'a [u8], source: SocketAddr }
        "{user} is given a new nonce for {realm} (from {source})";

    /// Credentials were wrong: a mistyped password, or someone is guessing. The peer is not told which.
    AuthFailed "auth.failed" Warn { user: &'a [u8], realm: &'a [u8], source: SocketAddr, why: AuthFailure }
        "{user} failed to authenticate for {realm}: {why} (from {source})";

    /// A call was sent on its way; once for each target.
    CallRouted "call.routed" Debug { from: &'a [u8], to: &'a [u8], target: &'a [u8], call_id: &'a [u8] }
        "call from {from} to {to} goes to {target} (Call-ID {call_id})";

    /// A call was not answered with success, whoever refused it; busy and no answer are among these.
    CallFailed "call.failed" Info
        { from: &'a [u8], to: &'a [u8], status: u16, reason: &'a [u8], call_id: &'a [u8] }
        "call from {from} to {to} ended with {status} {reason} (Call-ID {call_id})";

    /// A well-formed request was refused by us.
    RequestRefused "request.refused" Debug
        { method: &'a [u8], source: SocketAddr, status: u16, reason: &'a str, call_id: &'a [u8] }
        "{method} refused with {status}: {reason} (from {source}, Call-ID {call_id})";

    /// A new request was turned away because there was too much to do. Counted; `limit.reached` says it in the log.
    RequestTurnedAway "request.turnedaway" Debug { source: SocketAddr }
        "turned away, there is too much to do (from {source})";

    /// A new request was dropped unread because there was far too much to do. Counted.
    RequestShed "request.shed" Debug { source: SocketAddr }
        "dropped unread, there is far too much to do (from {source})";

    /// A source has failed too often, and its requests are dropped unread for a time. See abuse.md.
    BanBegan "ban.began" Warn { source: &'a str, offence: &'a str, failures: u32, lasts_s: u32, times: u32 }
        "{source} is banned for {lasts_s} s: {offence}, {failures} failures, ban number {times}";

    /// A ban is over.
    BanEnded "ban.ended" Info { source: &'a str, dropped: u64 }
        "the ban of {source} is over, {dropped} requests were dropped";

    /// Bans of before the start hold again.
    BanRestored "ban.restored" Info { bans: u64 }
        "{bans} bans of before the start hold again";

    /// The administrator has ended a ban.
    BanLifted "ban.lifted" Info { source: &'a str, dropped: u64 }
        "the ban of {source} was lifted, {dropped} requests were dropped";

    /// A request was dropped, for its source or the account it names has failed too often lately. Counted.
    RequestSilenced "request.silenced" Debug { method: &'a [u8], user: &'a [u8], source: SocketAddr }
        "{method} of {user} dropped, too much has failed lately (from {source})";

    /// A request of a known scanner was dropped. Counted.
    RequestScanning "request.scanning" Debug { method: &'a [u8], agent: &'a [u8], source: SocketAddr }
        "{method} of a scanner ({agent}) dropped (from {source})";

    /// A request got no answer, for its address may be forged and was answered often, or too much would have to be said; or a
    /// phone repeats it without pause. Counted.
    RequestUnanswered "request.unanswered" Debug { source: SocketAddr }
        "not answered (from {source})";

    /// Commands cannot ask this server: its socket could not be made, or broke.
    ControlFailed "control.failed" Warn { error: &'a str }
        "commands cannot ask this server: {error}";

    /// A next hop asked for less (RFC 7339): new requests to it are held back, so many in a hundred of all it would get.
    NextHopOverloaded "nexthop.overloaded" Warn { neighbour: SocketAddr, percent: u32 }
        "{neighbour} has too much to do and asks for {percent} % less";

    /// A next hop takes everything again.
    NextHopRecovered "nexthop.recovered" Info { neighbour: SocketAddr, throttled: u64 }
        "{neighbour} takes everything again; {throttled} requests were held back";

    /// A request was answered 503 by us because its next hop had asked for less, or has left one after the other unanswered.
    /// Counted.
    RequestThrottled "request.throttled" Debug { neighbour: SocketAddr, method: &'a [u8], source: SocketAddr }
        "{method} held back, {neighbour} has too much to do, or does not answer (from {source})";

    /// What came was no SIP request that could be understood. Status none: it was dropped without an answer.
    RequestMalformed "request.malformed" Debug { source: SocketAddr, status: Option<u16>, reason: &'a str }
        "malformed request: {reason}, status {status} (from {source})";

    /// An answer could not be understood and was dropped, as if it had not come.
    ResponseMalformed "response.malformed" Debug { source: SocketAddr, reason: &'a str }
        "malformed answer: {reason} (from {source})";

    /// A connection was opened by either side.
    ConnectionOpened "connection.opened" Debug { transport: &'a str, peer: SocketAddr }
        "{transport} connection with {peer} opened";

    /// A connection was closed by either side.
    ConnectionClosed "connection.closed" Debug { transport: &'a str, peer: SocketAddr, why: &'a str }
        "{transport} connection with {peer} closed: {why}";

    /// A connection was not secured (TLS): which side is wrong, and in what.
    TlsFailed "tls.failed" Warn { peer: SocketAddr, why: &'a str }
        "TLS with {peer} failed: {why}";

    /// A peer has proved by its certificate to be these domains: RFC 5922 §7.4.
    TlsProved "tls.proved" Info { peer: SocketAddr, domains: &'a [u8] }
        "{peer} has proved to be {domains}";

    /// A client has shown a certificate of somebody whom we trust, but it names no SIP domain (RFC 5922 §7.1): it proves
    /// nothing that a trunk could ask for.
    TlsNameless "tls.nameless" Info { peer: SocketAddr }
        "the certificate of {peer} names no SIP domain, so it proves none";

    /// A certificate was made, for nobody has named one.
    TlsMade "tls.made" Info { file: &'a str, names: &'a str }
        "certificate made in {file} for {names}";

    /// The files of certificates have changed and are in force for new connections.
    TlsReloaded "tls.reloaded" Info { files: &'a str }
        "certificates read again, changed are {files}";

    /// A certificate that we show has expired, or will soon: peers that look will not speak with us. Told at start, when it
    /// is read again, and once a day.
    TlsEnding "tls.ending" Warn { file: &'a str, when: &'a str }
        "the certificate in {file} {when}: it needs a new one";

    /// The files of certificates have changed and cannot be used. What was in force stays.
    TlsRefused "tls.refused" Error { error: &'a str }
        "certificates have changed and are not used, the old ones stay: {error}";

    /// A WebSocket was not opened, or broke its rules; the peer was told the same.
    WebSocketFailed "websocket.failed" Info { peer: SocketAddr, why: &'a str }
        "WebSocket of {peer} failed: {why}";

    /// A bound was reached and something was refused for it. Source none: no single one has caused it.
    LimitReached "limit.reached" Warn { which: &'a str, limit: u64, source: Option<SocketAddr> }
        "{which} of {limit} reached, source {source}";

    /// The store could not do what it must.
    StoreFailed "store.failed" Error { what: &'a str, error: &'a str }
        "the store failed to {what}: {error}";

    /// Facts about calls could not be written to the spool of call records; calls go on. Those that are not lost wait.
    CdrUnwritten "cdr.unwritten" Error { lost: u64, error: &'a str }
        "call records: the spool cannot be written ({error}), facts lost: {lost}";

    /// Facts about calls are gone: there was no room for them, or their bytes on disk make no sense. Records may be missing
    /// or incomplete.
    CdrLost "cdr.lost" Error { facts: u64, damaged_bytes: u64 }
        "call records: {facts} facts were lost, {damaged_bytes} bytes cannot be read; records may be incomplete";

    /// What the server knew of its calls when it was stopped is gone, or was changed on disk: a call of then may have two
    /// records, or none.
    CdrForgotten "cdr.forgotten" Error { open_calls: u64 }
        "call records: the log of open calls was damaged; it has {open_calls}, others of then may have two records or none";

    /// A message was kept for a recipient who could not be reached; its sender was told 202.
    MessageKept "message.kept" Info { aor: &'a [u8], sender: &'a [u8] }
        "a message of {sender} is kept for {aor}";

    /// A kept message has reached a device.
    MessageDelivered "message.delivered" Info { aor: &'a [u8], id: u64 }
        "message {id} was delivered to {aor}";

    /// A kept message was refused by its recipient's devices and is gone.
    MessageRefused "message.refused" Warn { aor: &'a [u8], id: u64, status: u16 }
        "message {id} was refused by the devices of {aor} with {status} and is gone";

    /// Kept messages have expired before their recipients could be reached, and are gone.
    MessageExpired "message.expired" Info { messages: u64 }
        "{messages} messages have expired undelivered";

    /// Registrations were read back at start. Torn bytes are what a crash cut off in the middle of writing.
    LocationRecovered "location.recovered" Info { bindings: u64, torn_bytes: u64 }
        "{bindings} bindings recovered, {torn_bytes} torn bytes dropped";

    /// Bytes of the registrations on disk make no sense, or whole files of them (which are set aside): a fault of the disk, or of
    /// whoever changed them. Phones whose registrations were there are not reached until they register again.
    LocationDamaged "location.damaged" Error { damaged_bytes: u64, damaged_files: u64 }
        "registrations were damaged: {damaged_bytes} bytes and {damaged_files} files cannot be read, some may be lost";

    /// No name server gave an answer that could be used, and there is no older one.
    NameUnanswered "name.unanswered" Warn { question: &'a str, error: &'a str }
        "no answer to {question}: {error}";

    /// No name server gave an answer that could be used; an older one is used on (RFC 8767).
    NameStale "name.stale" Warn { question: &'a str, error: &'a str }
        "no answer to {question}, an old one is used: {error}";

    /// A name leads to servers, and to records that cannot be used: port 0, addresses that lead nowhere.
    NameStrange "name.strange" Warn { name: &'a str, dropped: u64 }
        "{dropped} records of {name} cannot be used";

    /// A request could not be sent because its next hop's name leads nowhere.
    NameUnresolved "name.unresolved" Info { name: &'a str, why: &'a str, status: u16 }
        "{name} leads nowhere: {why} (answered {status})";

    /// A request did not reach a phone or a next hop: the network says so (ICMP: nobody listens at that port, the host is off, a
    /// firewall refuses), or there was no connection, or no way from this machine. Its branch has failed; another one may go on.
    TargetUnreachable "target.unreachable" Info
        { to: &'a [u8], target: SocketAddr, why: &'a str, call_id: &'a [u8] }
        "the request for {to} has not reached {target}: {why} (Call-ID {call_id})";

    /// A next hop failed and is passed over until it answers: silence, 503, no connection, or what the network says.
    TargetDead "target.dead" Warn { target: SocketAddr, transport: &'a str, why: &'a str }
        "{target} ({transport}) is taken for dead: {why}";

    /// A next hop that was taken for dead has answered.
    TargetAlive "target.alive" Info { target: SocketAddr, transport: &'a str }
        "{target} ({transport}) answers again";

    /// A trunk has taken our registration: for the first time, or after it was lost. Renewals are not told.
    TrunkRegistered "trunk.registered" Info { trunk: &'a str, aor: &'a str, target: SocketAddr, expires_s: u32 }
        "{aor} is registered at {trunk} for {expires_s} s (at {target})";

    /// No target of a trunk takes our registration. It is tried again.
    TrunkUnregistered "trunk.unregistered" Warn { trunk: &'a str, aor: &'a str, why: &'a str, retry_s: u64 }
        "{aor} could not be registered at {trunk}: {why}; tried again in {retry_s} s";

    /// The registration at a trunk was taken back, as the server stops.
    TrunkLeft "trunk.left" Info { trunk: &'a str, aor: &'a str }
        "{aor} is no longer registered at {trunk}";

    /// A trunk does not take our user name and password. Callers get 403.
    TrunkRefused "trunk.refused" Warn { trunk: &'a str, user: &'a [u8], realm: &'a [u8], target: SocketAddr }
        "{trunk} does not take the password of {user} for {realm} (at {target})";

    /// A trunk asks for credentials of a realm that is not its `realm`: it was not answered, callers are asked.
    TrunkForeign "trunk.foreign" Warn { trunk: &'a str, realm: &'a [u8], target: SocketAddr }
        "{trunk} asks for credentials of {realm}, which is not its realm here (at {target})";

    /// A trunk asks for credentials, but not by a digest that we could make (RFC 7616): another scheme or algorithm, or no
    /// challenge at all. Callers are asked.
    TrunkUnanswerable "trunk.unanswerable" Warn { trunk: &'a str, target: SocketAddr }
        "{trunk} asks for credentials in a way that is not known here (at {target})";

    /// A bug of ours was met. What it met has ended, everything else goes on.
    PanicCaught "panic.caught" Error { what: &'a str, message: &'a str }
        "a bug ended {what}: {message}";

    /// More lines of one kind than a second may have.
    LogSuppressed "log.suppressed" Warn { of: &'a str, lines: u64 }
        "lines left out: {lines} of {of}";

    /// Standard error did not take lines as fast as they came.
    LogLost "log.lost" Warn { lines: u64 }
        "lines lost: {lines}, the reader of this log does not keep up";
}

/// Why credentials were not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthFailure {
    /// No user of this name in this realm.
    UnknownUser,
    /// The user is known, the response does not fit: the password is another.
    WrongResponse,
    /// The nonce is none of ours, or was given to someone else.
    ForeignNonce,
}

impl fmt::Display for AuthFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownUser => "unknown user",
            Self::WrongResponse => "wrong response",
            Self::ForeignNonce => "a nonce that was not given to this address",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_stable_words_and_unique() {
        let names: HashSet<&str> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), EventKind::ALL.len());
        for name in names {
            let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
            assert!(
                name.split_once('.').is_some_and(|(area, what)| is_word(area) && is_word(what)),
                "{name}"
            );
        }
    }

    #[test]
    fn no_field_is_named_after_a_secret() {
        let secrets = [
            "password",
            "secret",
            "ha1",
            "nonce",
            "cnonce",
            "response",
            "authorization",
            "credentials",
            "key",
        ];
        for kind in EventKind::ALL {
            let leak = kind.fields().iter().find(|field| secrets.iter().any(|secret| field.contains(secret)));
            assert_eq!(leak, None, "{}", kind.name());
        }
    }

    #[test]
    fn no_field_hides_what_every_json_line_has() {
        for kind in EventKind::ALL {
            assert!(
                !kind.fields().iter().any(|field| ["ts", "level", "event", "msg"].contains(field)),
                "{}",
                kind.name()
            );
        }
    }

    #[test]
    fn a_sentence_shows_every_field() {
        for kind in EventKind::ALL {
            let hidden =
                kind.fields().iter().find(|field| !kind.sentence().contains(&format!("{{{field}}}")));
            assert_eq!(hidden, None, "{}", kind.name());
        }
    }

    #[test]
    fn kinds_are_their_place_in_the_list() {
        assert!(EventKind::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
    }
}
