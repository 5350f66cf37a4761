//! What the layer does with messages: matching, repetition, memory, limits. RFC 3261 §17, §9; RFC 6026.

mod world;

use offhook_transaction::*;
use world::*;

const BRANCH: &[u8] = b"z9hG4bKnashds8";

/// §17.2.3: branch, sent-by, method; the ACK to a refusal has the INVITE's branch.
#[test]
fn a_repeated_request_finds_its_transaction() {
    let mut world = World::new();
    let id = world.server(&key(BRANCH, b"INVITE"), true, false);
    assert_eq!(world.layer.find_server(&key(BRANCH, b"INVITE")), Some(id));
    assert_eq!(world.layer.find_acknowledged(&key(BRANCH, b"ACK"), |_| panic!("not asked")), Some(id));
    assert_eq!(world.layer.find_server(&key(BRANCH, b"BYE")), None);
    assert_eq!(world.layer.find_server(&key(b"z9hG4bKNASHDS8", b"INVITE")), None, "a branch is exact");
    let elsewhere = ServerKey::Rfc3261 { branch: BRANCH, sent_by: b"evil.example:5060", method: b"INVITE" };
    assert_eq!(world.layer.find_server(&elsewhere), None);
    let shouting =
        ServerKey::Rfc3261 { branch: BRANCH, sent_by: b"PC33.Atlanta.Example:5060", method: b"INVITE" };
    assert_eq!(world.layer.find_server(&shouting), Some(id));
    assert_eq!(world.layer.open_server(START_MS, &shouting, true, false, 9), Err(OpenError::AlreadyOpen(id)));
}

/// §9.2: "assuming that the request method is anything but CANCEL"; the CANCEL has a transaction of its own.
#[test]
fn a_cancel_finds_its_invite() {
    let mut world = World::new();
    let cancel = key(BRANCH, b"CANCEL");
    assert_eq!(world.layer.find_cancelled(&cancel), None);
    let invite = world.server(&key(BRANCH, b"INVITE"), true, false);
    assert_eq!(world.layer.find_cancelled(&cancel), Some(invite));
    assert_eq!(world.layer.find_server(&cancel), None);
    let own = world.server(&cancel, false, false);
    assert_eq!(world.layer.find_server(&cancel), Some(own));
    assert_eq!(world.layer.find_cancelled(&cancel), Some(invite));
}

fn old<'a>(to_tag: &'a [u8], method: &'a [u8]) -> ServerKey<'a> {
    ServerKey::Rfc2543 {
        request_uri: b"sip:bob@biloxi.example",
        to_tag,
        from_tag: b"88sja8x",
        call_id: b"987asjd97y7atg",
        cseq: 986_759,
        via: b"SIP/2.0/UDP pc33.atlanta.example",
        method,
    }
}

/// §17.2.3, the second half: the ACK's To tag is that of the response.
#[test]
fn a_client_of_rfc_2543_is_matched_by_its_headers() {
    let mut world = World::new();
    let id = world.server(&old(b"", b"INVITE"), true, false);
    assert_eq!(world.layer.find_server(&old(b"", b"INVITE")), Some(id));
    assert_eq!(world.layer.find_server(&old(b"x", b"INVITE")), None);
    assert_eq!(world.layer.find_cancelled(&old(b"", b"CANCEL")), Some(id));
    assert_eq!(world.respond(id, 486), ServerVerdict::Send);
    assert_eq!(world.layer.find_acknowledged(&old(b"t", b"ACK"), |response| response == b"486"), Some(id));
    assert_eq!(world.layer.find_acknowledged(&old(b"t", b"ACK"), |_| false), None);
    assert_eq!(world.layer.ack(START_MS, id), AckVerdict::Absorb);
    let again = world.layer.find_acknowledged(&old(b"t", b"ACK"), |_| false);
    assert_eq!(again, Some(id), "a retransmission of that previous ACK");
}

/// RFC 6026 §6: the ACK of an old client to a 2xx matches the INVITE's transaction; it is the user's.
#[test]
fn an_old_clients_ack_to_a_2xx_reaches_the_user() {
    let mut world = World::new();
    let id = world.server(&old(b"", b"INVITE"), true, false);
    assert_eq!(world.respond(id, 200), ServerVerdict::Send);
    assert_eq!(world.layer.find_acknowledged(&old(b"t", b"ACK"), |_| false), Some(id));
    assert_eq!(world.layer.ack(START_MS, id), AckVerdict::ToUser);
}

#[test]
fn a_repeated_invite_gets_the_last_response() {
    let mut world = World::new();
    let id = world.server(&key(BRANCH, b"INVITE"), true, false);
    assert_eq!(world.layer.request_again(START_MS, id), None, "nothing was sent yet");
    world.layer.keep_request(id, INVITE);
    for status in [100, 180, 486] {
        assert_eq!(world.respond(id, status), ServerVerdict::Send);
        let last = status.to_string();
        assert_eq!(world.layer.request_again(START_MS, id), Some(last.as_bytes()));
        let kept = world.layer.server(id).unwrap();
        assert_eq!((kept.status(), kept.request()), (status, if status < 200 { INVITE } else { b"" }));
    }
    assert_eq!(world.respond(id, 200), ServerVerdict::Discard);
    assert_eq!(world.layer.ack(START_MS, id), AckVerdict::Absorb);
    assert_eq!(world.layer.request_again(START_MS, id), None, "acknowledged");
    assert_eq!(world.layer.buffers().live_bytes(), 64, "only the key is left");
}

/// RFC 6026 §7.1: after a 2xx the repeated INVITE is absorbed; each further 2xx of a fork goes out.
#[test]
fn an_accepted_invite_is_absorbed_and_further_2xx_pass() {
    let mut world = World::new();
    let id = world.server(&key(BRANCH, b"INVITE"), true, false);
    world.layer.keep_request(id, INVITE);
    assert_eq!(world.respond(id, 180), ServerVerdict::Send);
    assert_eq!(world.respond(id, 200), ServerVerdict::Send);
    assert_eq!(world.respond(id, 200), ServerVerdict::Send);
    assert_eq!(world.respond(id, 486), ServerVerdict::Discard);
    assert_eq!(world.layer.request_again(START_MS, id), None);
    assert_eq!(world.layer.buffers().live_bytes(), 64, "only the key is left");
}

/// §17.2.2, RFC 4320 §4.
#[test]
fn a_repeated_non_invite_gets_the_last_response() {
    let mut world = World::new();
    let id = world.server(&key(BRANCH, b"OPTIONS"), false, false);
    assert_eq!(world.layer.request_again(START_MS, id), None);
    for (status, verdict) in [
        (183, ServerVerdict::Discard),
        (100, ServerVerdict::Send),
        (408, ServerVerdict::Discard),
        (200, ServerVerdict::Send),
        (500, ServerVerdict::Discard),
    ] {
        assert_eq!(world.respond(id, status), verdict, "{status}");
    }
    assert_eq!(world.layer.request_again(START_MS, id), Some(&b"200"[..]));
}

/// Over a stream the request is not repeated, so the response is not kept.
#[test]
fn over_a_stream_no_final_response_is_kept() {
    let mut world = World::new();
    let id = world.server(&key(BRANCH, b"OPTIONS"), false, true);
    assert_eq!(world.respond(id, 200), ServerVerdict::Send);
    assert_eq!(world.layer.server(id).unwrap().response(), b"");
}

/// RFC 6026 §7.2: every 2xx passes; a refusal after it does not.
#[test]
fn every_2xx_of_a_fork_reaches_the_user() {
    let mut world = World::new();
    let id = world.client(true, false);
    assert_eq!(world.layer.client(id).unwrap().request(), INVITE);
    for status in [100, 180, 200, 200, 202] {
        assert_eq!(world.response(id, status), ClientVerdict::Pass);
    }
    assert_eq!(world.response(id, 486), ClientVerdict::Discard);
    assert_eq!(world.response(id, 180), ClientVerdict::Discard);
    assert_eq!(world.layer.buffers().live(), 0, "nothing is sent again");
}

/// §17.1.3: branch and CSeq method.
#[test]
fn a_response_finds_its_client_by_branch_and_method() {
    let mut world = World::new();
    let (invite, other) = (world.client(true, false), world.client(false, false));
    assert_eq!(world.layer.find_client(invite, b"INVITE"), Some(invite));
    assert_eq!(world.layer.find_client(invite, b"BYE"), None);
    assert_eq!(world.layer.find_client(other, b"BYE"), Some(other));
    assert_eq!(world.layer.find_client(other, b"INVITE"), None);
    assert_eq!(ClientId::from_bits(other.to_bits()), Some(other));
}

/// §9.1: "If no provisional response has been received, the CANCEL request MUST NOT be sent"; it shares the branch.
#[test]
fn a_cancel_waits_for_a_provisional_response_and_shares_the_branch() {
    let mut world = World::new();
    let invite = world.client(true, false);
    assert_eq!(world.layer.open_cancel(START_MS, invite, 2), Err(OpenError::NotCancellable));
    assert_eq!(world.response(invite, 180), ClientVerdict::Pass);
    let cancel = world.layer.open_cancel(START_MS, invite, 2).unwrap();
    assert_eq!(world.layer.open_cancel(START_MS, invite, 2), Err(OpenError::NotCancellable), "once");
    assert_eq!(world.layer.find_client(invite, b"CANCEL"), Some(cancel));
    assert_eq!(world.layer.client(invite).unwrap().cancel(), Some(cancel));
    assert_eq!(world.response(cancel, 200), ClientVerdict::Pass);
    assert_eq!(world.response(invite, 487), ClientVerdict::PassAndAck);
    world.until(10_000);
    assert_eq!(world.layer.find_client(invite, b"CANCEL"), None, "ended by Timer K");
    world.until_the_end();
    assert!(world.layer.is_empty());
}

#[test]
fn a_cancel_ends_with_its_invite() {
    let mut world = World::new();
    let invite = world.client(true, true);
    assert_eq!(world.response(invite, 180), ClientVerdict::Pass);
    world.layer.open_cancel(START_MS, invite, 2).unwrap();
    assert_eq!(world.response(invite, 487), ClientVerdict::PassAndAck);
    assert_eq!(world.until(0), events([(0, "client ended"), (0, "client ended")]));
    assert!(world.layer.is_empty());
}

/// §17.1.4 for clients; RFC 6026 §8.8 for servers: their state remains.
#[test]
fn transport_failures() {
    let mut world = World::new();
    let (client, server) = (world.client(true, true), world.server(&key(BRANCH, b"INVITE"), true, true));
    assert_eq!(world.respond(server, 200), ServerVerdict::Send);
    assert!(world.layer.server_transport_failed(START_MS, server));
    assert!(world.layer.client_transport_failed(START_MS, client));
    assert!(!world.layer.client_transport_failed(START_MS, client), "told once");
    assert_eq!(world.response(client, 200), ClientVerdict::Discard);
    assert_eq!(world.until(0), events([(0, "client ended")]));
    assert_eq!(world.layer.find_server(&key(BRANCH, b"INVITE")), Some(server));
}

/// An abandoned server transaction makes room for the request as a new one.
#[test]
fn abandoned_by_the_user() {
    let mut world = World::new();
    let server = world.server(&key(BRANCH, b"INVITE"), true, false);
    world.layer.abandon_server(START_MS, server);
    assert_eq!(world.respond(server, 200), ServerVerdict::Discard);
    assert_eq!(world.until(0), events([(0, "server ended")]));
    assert_eq!(world.layer.find_server(&key(BRANCH, b"INVITE")), None);
    assert!(world.layer.is_empty());
}

#[test]
fn the_limits_are_answered() {
    let limits = Limits { servers_max: 2, clients_max: 1, message_bytes_max: 1_000 };
    let mut world = World::with(&Config { limits, ..config() });
    let first = world.server(&key(b"z9hG4bK1", b"INVITE"), true, false);
    world.server(&key(b"z9hG4bK2", b"INVITE"), true, false);
    let third = key(b"z9hG4bK3", b"INVITE");
    assert_eq!(world.layer.open_server(START_MS, &third, true, false, 1), Err(OpenError::ServersFull));
    let again = world.layer.open_server(START_MS, &key(b"z9hG4bK1", b"INVITE"), true, false, 1);
    assert_eq!(again, Err(OpenError::AlreadyOpen(first)), "a repetition is not refused");
    world.layer.abandon_server(START_MS, first);
    world.until(0);
    world.server(&third, true, false);
    world.client(true, false);
    assert_eq!(world.layer.open_client(START_MS, true, false, 2), Err(OpenError::ClientsFull));

    let mut world = World::with(&Config { limits, ..config() });
    let id = world.server(&key(b"z9hG4bK1", b"INVITE"), true, false);
    world.layer.keep_request(id, &[b'x'; 2_000]);
    assert_eq!(world.layer.open_client(START_MS, true, false, 2), Err(OpenError::BytesFull));
    assert_eq!(world.layer.open_server(START_MS, &third, true, false, 1), Err(OpenError::BytesFull));
    let endless = [b'x'; KEY_BYTES_MAX + 1];
    let result = world.layer.open_server(START_MS, &key(&endless, b"INVITE"), true, false, 1);
    assert_eq!(result, Err(OpenError::KeyTooLong));
}

/// Whatever is asked about a transaction that is gone, or never was, has an answer.
#[test]
fn stale_names_are_harmless() {
    let mut world = World::new();
    let (server, client) = (world.server(&key(BRANCH, b"INVITE"), true, false), world.client(true, false));
    world.layer.abandon_server(START_MS, server);
    world.layer.abandon_client(START_MS, client);
    world.until(0);
    world.server(&key(BRANCH, b"INVITE"), true, false);
    world.client(true, false);
    let invented = ClientId::from_bits(u64::MAX).unwrap();
    for client in [client, invented] {
        let layer = &mut world.layer;
        layer.set_request(client, INVITE);
        layer.store_ack(client, b"ACK");
        layer.set_user_timer(START_MS, client, 1);
        layer.stop_user_timer(client);
        layer.abandon_client(START_MS, client);
        assert_eq!(layer.response(START_MS, client, 200), ClientVerdict::Discard);
        assert_eq!(layer.open_cancel(START_MS, client, 2), Err(OpenError::NotCancellable));
        assert_eq!(layer.find_client(client, b"INVITE"), None);
        assert!(!layer.client_transport_failed(START_MS, client));
        assert!(layer.client(client).is_none() && layer.client_mut(client).is_none());
    }
    for server in [server, ServerId::from_bits(u64::MAX).unwrap()] {
        let layer = &mut world.layer;
        layer.keep_request(server, INVITE);
        layer.set_user_timer(START_MS, server, 1);
        layer.abandon_server(START_MS, server);
        assert_eq!(layer.request_again(START_MS, server), None);
        assert_eq!(layer.respond(START_MS, server, 200, b"200"), ServerVerdict::Discard);
        assert_eq!(layer.ack(START_MS, server), AckVerdict::ToUser);
        assert!(!layer.server_transport_failed(START_MS, server));
        assert!(layer.server(server).is_none() && layer.server_mut(server).is_none());
    }
    assert_eq!(world.until(400), []);
}

/// A clock that jumps, even back, neither panics nor repeats a message in a burst.
#[test]
fn absurd_clocks() {
    let mut world = World::new();
    let (server, client) = (world.server(&key(BRANCH, b"INVITE"), true, false), world.client(true, false));
    for now_ms in [u64::MAX, 0, START_MS, u64::MAX - 1, 1 << 41] {
        let _ = world.layer.respond(now_ms, server, 486, b"486");
        world.layer.set_user_timer(now_ms, client, u32::MAX);
        let mut events = 0;
        while world.layer.next_due(now_ms).is_some() {
            events += 1;
        }
        assert!(events < 10, "{events}");
        let _ = world.layer.next_deadline_ms();
    }
}

/// What a transaction costs: the record, its block, its place in the table and its reminders.
#[test]
fn memory_per_transaction() {
    assert!(size_of::<ServerRecord<u32>>() <= 48, "{}", size_of::<ServerRecord<u32>>());
    assert!(size_of::<ClientRecord<u32>>() <= 48, "{}", size_of::<ClientRecord<u32>>());
    let mut world = World::new();
    let server = world.server(&key(b"z9hG4bKPj0123456789abcdef0123456789abcdef", b"INVITE"), true, false);
    world.layer.keep_request(server, &[b'x'; 900]);
    let client = world.client(true, false);
    world.layer.set_request(client, &[b'x'; 1_020]);
    assert_eq!(world.layer.respond(START_MS, server, 180, &[b'x'; 450]), ServerVerdict::Send);
    let live_bytes = world.layer.buffers().live_bytes();
    assert!(live_bytes <= 1_536 + 1_024, "live: {live_bytes}");
    assert_eq!(world.response(client, 486), ClientVerdict::PassAndAck);
    world.layer.store_ack(client, &[b'x'; 350]);
    assert_eq!(world.layer.respond(START_MS, server, 486, &[b'x'; 440]), ServerVerdict::Send);
    let finished_bytes = world.layer.buffers().live_bytes();
    assert!(finished_bytes <= 512 + 384, "finished: {finished_bytes}");
}
