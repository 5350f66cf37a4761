//! How each event looks, to people and to programs.

use std::collections::HashSet;
use std::net::SocketAddr;

use offhook_journal::{AuthFailure, Event, EventKind, Format, Journal, Level, MemoryLines};
use serde_json::Value;

/// 2026-11-21T08:15:03.123Z
const NOW_MS: u64 = 1_795_248_903_123;

fn line(format: Format, event: &Event<'_>) -> String {
    let memory = MemoryLines::new();
    Journal::new(Level::Debug, format, memory.sink()).note(NOW_MS, event);
    memory.lines().concat()
}

/// One of each kind, with its sentence.
#[rustfmt::skip]
fn one_of_each() -> Vec<(Event<'static>, &'static str)> {
    let source: SocketAddr = "192.0.2.7:5060".parse().unwrap();
    let peer: SocketAddr = "[2001:db8::7]:5060".parse().unwrap();
    let (aor, contact): (&[u8], &[u8]) = (b"alice@example.org", b"sip:alice@192.0.2.7");
    let (from, to, call_id): (&[u8], &[u8], &[u8]) = (b"sip:alice@example.org", b"sip:bob@example.org", b"a84b4c76e66710");
    let (user, realm): (&[u8], &[u8]) = (b"alice", b"example.org");
    let why = AuthFailure::WrongResponse;
    vec![
        (Event::ServerReady { listeners: "udp 127.0.0.1:5060, tcp 127.0.0.1:5060" }, "listening on udp 127.0.0.1:5060, tcp 127.0.0.1:5060"),
        (Event::ServerStopping { why: "SIGTERM" }, "stopping: SIGTERM"),
        (Event::ServerStopped { uptime_s: 61 }, "stopped after 61 s"),
        (Event::ConfigLoaded { file: "/etc/offhook.toml" }, "configuration read from /etc/offhook.toml"),
        (Event::AccountsRefreshed { added: 3, removed: 1 }, "accounts read again: 3 added, 1 removed"),
        (Event::RegisterAccepted { aor, contact, expires_s: 3600, source }, "alice@example.org is at sip:alice@192.0.2.7, for 3600 s (from 192.0.2.7:5060)"),
        (Event::RegisterRemoved { aor, contact, source }, "alice@example.org is no longer at sip:alice@192.0.2.7 (from 192.0.2.7:5060)"),
        (Event::RegisterForgotten { aor, contact }, "the account alice@example.org is removed, and its phone at sip:alice@192.0.2.7 is not reached any more"),
        (Event::RegisterRefused { aor, source, status: 423, reason: "Interval Too Brief" }, "registration of alice@example.org refused with 423: Interval Too Brief (from 192.0.2.7:5060)"),
        (Event::AuthChallenged { method: b"INVITE", realm, source }, "INVITE is asked for credentials of example.org (from 192.0.2.7:5060)"),
        (Event::AuthStale { user, realm, source }, "alice is given a new nonce for example.org (from 192.0.2.7:5060)"),
        (Event::AuthFailed { user, realm, source, why }, "alice failed to authenticate for example.org: wrong response (from 192.0.2.7:5060)"),
        (Event::CallRouted { from, to, target: contact, call_id }, "call from sip:alice@example.org to sip:bob@example.org goes to sip:alice@192.0.2.7 (Call-ID a84b4c76e66710)"),
        (Event::CallFailed { from, to, status: 486, reason: b"Busy Here", call_id }, "call from sip:alice@example.org to sip:bob@example.org ended with 486 \"Busy Here\" (Call-ID a84b4c76e66710)"),
        (Event::RequestRefused { method: b"OPTIONS", source, status: 483, reason: "Too Many Hops", call_id: b"c@h" }, "OPTIONS refused with 483: Too Many Hops (from 192.0.2.7:5060, Call-ID c@h)"),
        (Event::RequestTurnedAway { source }, "turned away, there is too much to do (from 192.0.2.7:5060)"),
        (Event::RequestShed { source }, "dropped unread, there is far too much to do (from 192.0.2.7:5060)"),
        (Event::BanBegan { source: "2001:db8:0:1::/64", offence: "wrong password", failures: 20, lasts_s: 300, times: 1 }, "2001:db8:0:1::/64 is banned for 300 s: wrong password, 20 failures, ban number 1"),
        (Event::BanEnded { source: "192.0.2.7", dropped: 17 }, "the ban of 192.0.2.7 is over, 17 requests were dropped"),
        (Event::BanRestored { bans: 3 }, "3 bans of before the start hold again"),
        (Event::BanLifted { source: "192.0.2.7", dropped: 17 }, "the ban of 192.0.2.7 was lifted, 17 requests were dropped"),
        (Event::RequestSilenced { method: b"REGISTER", user, source }, "REGISTER of alice dropped, too much has failed lately (from 192.0.2.7:5060)"),
        (Event::RequestScanning { method: b"OPTIONS", agent: b"friendly-scanner", source }, "OPTIONS of a scanner (friendly-scanner) dropped (from 192.0.2.7:5060)"),
        (Event::RequestUnanswered { source }, "not answered (from 192.0.2.7:5060)"),
        (Event::ControlFailed { error: "permission denied" }, "commands cannot ask this server: permission denied"),
        (Event::NextHopOverloaded { neighbour: peer, percent: 20 }, "[2001:db8::7]:5060 has too much to do and asks for 20 % less"),
        (Event::NextHopRecovered { neighbour: peer, throttled: 117 }, "[2001:db8::7]:5060 takes everything again; 117 requests were held back"),
        (Event::RequestThrottled { neighbour: peer, method: b"INVITE", source }, "INVITE held back, [2001:db8::7]:5060 has too much to do, or does not answer (from 192.0.2.7:5060)"),
        (Event::RequestMalformed { source, status: None, reason: "no Via" }, "malformed request: no Via, status none (from 192.0.2.7:5060)"),
        (Event::ResponseMalformed { source, reason: "Too many headers" }, "malformed answer: Too many headers (from 192.0.2.7:5060)"),
        (Event::ConnectionOpened { transport: "tcp", peer }, "tcp connection with [2001:db8::7]:5060 opened"),
        (Event::ConnectionClosed { transport: "tcp", peer, why: "idle" }, "tcp connection with [2001:db8::7]:5060 closed: idle"),
        (Event::TlsFailed { peer, why: "the peer went away during the handshake" }, "TLS with [2001:db8::7]:5060 failed: the peer went away during the handshake"),
        (Event::TlsProved { peer, domains: b"trunk.example.com" }, "[2001:db8::7]:5060 has proved to be trunk.example.com"),
        (Event::TlsNameless { peer }, "the certificate of [2001:db8::7]:5060 names no SIP domain, so it proves none"),
        (Event::TlsMade { file: "data/tls/certificate.pem", names: "example.org" }, "certificate made in data/tls/certificate.pem for example.org"),
        (Event::TlsReloaded { files: "/etc/offhook/fullchain.pem" }, "certificates read again, changed are /etc/offhook/fullchain.pem"),
        (Event::TlsEnding { file: "a.pem", when: "has expired on 2026-11-01" }, "the certificate in a.pem has expired on 2026-11-01: it needs a new one"),
        (Event::TlsRefused { error: "cannot read a.pem" }, "certificates have changed and are not used, the old ones stay: cannot read a.pem"),
        (Event::WebSocketFailed { peer, why: "closed with 1002: frame without mask" }, "WebSocket of [2001:db8::7]:5060 failed: closed with 1002: frame without mask"),
        (Event::LimitReached { which: "connections_per_source_max", limit: 500, source: Some(source) }, "connections_per_source_max of 500 reached, source 192.0.2.7:5060"),
        (Event::StoreFailed { what: "write a binding", error: "disk full" }, "the store failed to write a binding: disk full"),
        (Event::CdrUnwritten { lost: 3, error: "disk full" }, "call records: the spool cannot be written (disk full), facts lost: 3"),
        (Event::CdrLost { facts: 3, damaged_bytes: 17 }, "call records: 3 facts were lost, 17 bytes cannot be read; records may be incomplete"),
        (Event::CdrForgotten { open_calls: 2 }, "call records: the log of open calls was damaged; it has 2, others of then may have two records or none"),
        (Event::MessageKept { aor, sender: b"bob@example.org" }, "a message of bob@example.org is kept for alice@example.org"),
        (Event::MessageDelivered { aor, id: 7 }, "message 7 was delivered to alice@example.org"),
        (Event::MessageRefused { aor, id: 7, status: 415 }, "message 7 was refused by the devices of alice@example.org with 415 and is gone"),
        (Event::MessageExpired { messages: 3 }, "3 messages have expired undelivered"),
        (Event::LocationRecovered { bindings: 1_000, torn_bytes: 17 }, "1000 bindings recovered, 17 torn bytes dropped"),
        (Event::LocationDamaged { damaged_bytes: 17, damaged_files: 1 }, "registrations were damaged: 17 bytes and 1 files cannot be read, some may be lost"),
        (Event::NameUnanswered { question: "SRV _sip._udp.example.org", error: "request timed out" }, "no answer to SRV _sip._udp.example.org: request timed out"),
        (Event::NameStale { question: "A example.org", error: "request timed out" }, "no answer to A example.org, an old one is used: request timed out"),
        (Event::NameStrange { name: "sip:example.org", dropped: 3 }, "3 records of sip:example.org cannot be used"),
        (Event::NameUnresolved { name: "sip:example.org", why: "there is no such name, or it has no address", status: 404 }, "sip:example.org leads nowhere: there is no such name, or it has no address (answered 404)"),
        (Event::TargetUnreachable { to: b"sip:alice@example.com", target: source, why: "port unreachable", call_id: b"a84b4c76e66710" }, "the request for sip:alice@example.com has not reached 192.0.2.7:5060: port unreachable (Call-ID a84b4c76e66710)"),
        (Event::TargetDead { target: source, transport: "udp", why: "silence" }, "192.0.2.7:5060 (udp) is taken for dead: silence"),
        (Event::TargetAlive { target: source, transport: "udp" }, "192.0.2.7:5060 (udp) answers again"),
        (Event::TrunkRegistered { trunk: "provider", aor: "sip:4930123@example.net", target: source, expires_s: 3600 }, "sip:4930123@example.net is registered at provider for 3600 s (at 192.0.2.7:5060)"),
        (Event::TrunkUnregistered { trunk: "provider", aor: "sip:4930123@example.net", why: "403 Forbidden", retry_s: 60 }, "sip:4930123@example.net could not be registered at provider: 403 Forbidden; tried again in 60 s"),
        (Event::TrunkLeft { trunk: "provider", aor: "sip:4930123@example.net" }, "sip:4930123@example.net is no longer registered at provider"),
        (Event::TrunkRefused { trunk: "provider", user: b"4930123", realm, target: source }, "provider does not take the password of 4930123 for example.org (at 192.0.2.7:5060)"),
        (Event::TrunkForeign { trunk: "provider", realm, target: source }, "provider asks for credentials of example.org, which is not its realm here (at 192.0.2.7:5060)"),
        (Event::TrunkUnanswerable { trunk: "provider", target: source }, "provider asks for credentials in a way that is not known here (at 192.0.2.7:5060)"),
        (Event::PanicCaught { what: "an INVITE", message: "index out of bounds" }, "a bug ended an INVITE: index out of bounds"),
        (Event::LogSuppressed { of: "auth.failed", lines: 150 }, "lines left out: 150 of auth.failed"),
        (Event::LogLost { lines: 12 }, "lines lost: 12, the reader of this log does not keep up"),
    ]
}

#[test]
fn the_table_has_one_of_each_kind() {
    let kinds: Vec<EventKind> = one_of_each().iter().map(|(event, _)| event.kind()).collect();
    assert_eq!(kinds, EventKind::ALL);
}

#[test]
fn people_read_time_level_name_and_a_sentence() {
    for (event, sentence) in one_of_each() {
        let kind = event.kind();
        let expected =
            format!("2026-11-21T08:15:03.123Z {:<5} {:<18}  {sentence}", kind.level(), kind.name());
        assert_eq!(line(Format::Text, &event), expected);
    }
    let (event, _) = one_of_each()[5];
    let expected = "2026-11-21T08:15:03.123Z info  register.accepted   alice@example.org is at \
        sip:alice@192.0.2.7, for 3600 s (from 192.0.2.7:5060)";
    assert_eq!(line(Format::Text, &event), expected);
}

#[test]
fn programs_read_one_object_with_the_same_sentence_and_the_fields() {
    for (event, sentence) in one_of_each() {
        let text = line(Format::Json, &event);
        let object: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(object["ts"], "2026-11-21T08:15:03.123Z");
        assert_eq!(object["level"], event.kind().level().name());
        assert_eq!(object["event"], event.kind().name());
        assert_eq!(object["msg"], sentence);
        assert!(object.as_object().is_some_and(|object| object.len() > 4), "no fields: {text}");
    }
}

#[test]
fn fields_have_the_types_of_json() {
    let (event, _) = one_of_each()[5];
    let object: Value = serde_json::from_str(&line(Format::Json, &event)).unwrap();
    assert_eq!(object["aor"], "alice@example.org");
    assert_eq!(object["expires_s"], 3600);
    assert_eq!(object["source"], "192.0.2.7:5060");

    let (event, _) = one_of_each()[19];
    let object: Value = serde_json::from_str(&line(Format::Json, &event)).unwrap();
    assert_eq!(object["status"], Value::Null);
}

#[test]
fn keys_of_an_object_are_unique() {
    for (event, _) in one_of_each() {
        let text = line(Format::Json, &event);
        let object: Value = serde_json::from_str(&text).unwrap();
        let keys: HashSet<&String> =
            object.as_object().into_iter().flat_map(|object| object.keys()).collect();
        assert_eq!(keys.len(), text.matches("\":").count() - text.matches("\\\":").count(), "{text}");
    }
}
