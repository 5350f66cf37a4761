//! Any sequence of calls, in any order, with any name: nothing panics, nothing leaks, and the messages that go out are
//! those the RFC allows.

mod world;

use std::collections::HashMap;

use offhook_transaction::*;
use proptest::prelude::*;
use world::*;

#[derive(Clone, Debug)]
enum Step {
    OpenServer { branch: u8, invite: bool, reliable: bool },
    OpenClient { invite: bool, reliable: bool },
    KeepRequest(u8),
    RequestAgain(u8),
    Respond(u8, u16),
    Ack(u8),
    ServerFails(u8),
    AbandonServer(u8),
    Cancel(u8),
    Response(u8, u16),
    StoreAck(u8),
    ClientFails(u8),
    AbandonClient(u8),
    UserTimer(u8, bool, u32),
    StopUserTimer(u8, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let status = || prop::sample::select(&[0, 99, 100, 180, 183, 200, 202, 302, 408, 486, 503, 699, 700]);
    prop_oneof![
        2 => (0_u8..8, any::<bool>(), any::<bool>()).prop_map(|(branch, invite, reliable)| Step::OpenServer {
            branch,
            invite,
            reliable
        }),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(invite, reliable)| Step::OpenClient { invite, reliable }),
        1 => any::<u8>().prop_map(Step::KeepRequest),
        1 => any::<u8>().prop_map(Step::RequestAgain),
        4 => (any::<u8>(), status()).prop_map(|(n, status)| Step::Respond(n, status)),
        1 => any::<u8>().prop_map(Step::Ack),
        1 => any::<u8>().prop_map(Step::ServerFails),
        1 => any::<u8>().prop_map(Step::AbandonServer),
        1 => any::<u8>().prop_map(Step::Cancel),
        4 => (any::<u8>(), status()).prop_map(|(n, status)| Step::Response(n, status)),
        1 => any::<u8>().prop_map(Step::StoreAck),
        1 => any::<u8>().prop_map(Step::ClientFails),
        1 => any::<u8>().prop_map(Step::AbandonClient),
        1 => (any::<u8>(), any::<bool>(), 0_u32..300_000).prop_map(|(n, c, ms)| Step::UserTimer(n, c, ms)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(n, c)| Step::StopUserTimer(n, c)),
        4 => prop_oneof![0_u64..100, 0_u64..5_000, 0_u64..40_000].prop_map(Step::Wait),
    ]
}

/// The layer, and what a watcher remembers of each transaction.
struct Watched {
    world: World,
    servers: Vec<(ServerId, bool)>,
    clients: Vec<(ClientId, bool)>,
    /// The final response each server transaction has sent.
    answered: HashMap<ServerId, u16>,
    refused: HashMap<ClientId, u16>,
    accepted: HashMap<ClientId, u16>,
}

impl Watched {
    fn new() -> Self {
        Self {
            world: World::new(),
            servers: Vec::new(),
            clients: Vec::new(),
            answered: HashMap::new(),
            refused: HashMap::new(),
            accepted: HashMap::new(),
        }
    }

    fn server(&self, n: u8) -> Option<(ServerId, bool)> {
        self.servers.get(usize::from(n) % self.servers.len().max(1)).copied()
    }

    fn client(&self, n: u8) -> Option<(ClientId, bool)> {
        self.clients.get(usize::from(n) % self.clients.len().max(1)).copied()
    }

    fn play(&mut self, step: &Step) {
        let now_ms = self.world.now_ms;
        match *step {
            Step::OpenServer { branch, invite, reliable } => self.open_server(branch, invite, reliable),
            Step::OpenClient { invite, reliable } => {
                self.clients.push((self.world.client(invite, reliable), invite));
            }
            Step::Respond(n, status) => self.respond(n, status),
            Step::Response(n, status) => self.response(n, status),
            Step::Wait(ms) => drop(self.world.until(self.world.elapsed_ms() + ms)),
            Step::UserTimer(n, on_client, ms) => {
                let id = if on_client {
                    self.client(n).map(|(id, _)| TransactionId::from(id))
                } else {
                    self.server(n).map(|(id, _)| id.into())
                };
                id.into_iter().for_each(|id| self.world.layer.set_user_timer(now_ms, id, ms));
            }
            Step::StopUserTimer(n, on_client) => {
                let id = if on_client {
                    self.client(n).map(|(id, _)| TransactionId::from(id))
                } else {
                    self.server(n).map(|(id, _)| id.into())
                };
                id.into_iter().for_each(|id| self.world.layer.stop_user_timer(id));
            }
            Step::KeepRequest(n)
            | Step::RequestAgain(n)
            | Step::Ack(n)
            | Step::ServerFails(n)
            | Step::AbandonServer(n) => self.on_server(step, n),
            Step::Cancel(n) | Step::StoreAck(n) | Step::ClientFails(n) | Step::AbandonClient(n) => {
                self.on_client(step, n);
            }
        }
    }

    fn open_server(&mut self, branch: u8, invite: bool, reliable: bool) {
        let branch = format!("z9hG4bK{branch}");
        let key = key(branch.as_bytes(), if invite { b"INVITE" } else { b"BYE" });
        let found = self.world.layer.find_server(&key);
        match self.world.layer.open_server(self.world.now_ms, &key, invite, reliable, 1) {
            Ok(id) => {
                assert_eq!(found, None, "only what is not there is opened");
                assert_eq!(self.world.layer.find_server(&key), Some(id));
                self.servers.push((id, invite));
            }
            Err(error) => assert_eq!(Some(error), found.map(OpenError::AlreadyOpen)),
        }
    }

    fn respond(&mut self, n: u8, status: u16) {
        let Some((id, invite)) = self.server(n) else { return };
        if self.world.respond(id, status) == ServerVerdict::Discard {
            return;
        }
        assert!((100..=699).contains(&status));
        assert!(invite || (status >= 200 || status == 100) && status != 408, "RFC 4320");
        let before = self.answered.get(&id).copied();
        let again_2xx =
            invite && (200..300).contains(&status) && before.is_some_and(|b| (200..300).contains(&b));
        assert!(before.is_none() || again_2xx, "{status} after {before:?}");
        if status >= 200 {
            self.answered.insert(id, status);
        }
    }

    fn response(&mut self, n: u8, status: u16) {
        let Some((id, invite)) = self.client(n) else { return };
        let verdict = self.world.response(id, status);
        let refusal = (300..=699).contains(&status);
        match verdict {
            ClientVerdict::Discard => {}
            ClientVerdict::Pass => {
                assert!((100..=699).contains(&status) && !(invite && refusal));
                assert!(!self.refused.contains_key(&id));
                let before = self.accepted.get(&id);
                assert!(
                    before.is_none() || invite && (200..300).contains(&status),
                    "{status} after {before:?}"
                );
                if status >= 200 {
                    self.accepted.insert(id, status);
                }
            }
            ClientVerdict::PassAndAck => {
                assert!(invite && refusal && !self.accepted.contains_key(&id));
                assert_eq!(self.refused.insert(id, status), None, "passed once");
            }
            ClientVerdict::AckAgain => assert!(refusal && self.refused.contains_key(&id)),
        }
    }

    fn on_server(&mut self, step: &Step, n: u8) {
        let now_ms = self.world.now_ms;
        let Some((id, invite)) = self.server(n) else { return };
        let layer = &mut self.world.layer;
        match step {
            Step::KeepRequest(_) => layer.keep_request(id, INVITE),
            Step::RequestAgain(_) => {
                if let Some(response) = layer.request_again(now_ms, id).map(<[u8]>::to_vec) {
                    let status = layer.server(id).unwrap().status();
                    assert_eq!(response, status.to_string().as_bytes());
                    assert!(!invite || !(200..300).contains(&status), "RFC 6026: absorbed");
                }
            }
            Step::Ack(_) => {
                let _verdict = layer.ack(now_ms, id);
            }
            Step::ServerFails(_) => {
                let state = layer.server(id).map(ServerRecord::state);
                layer.server_transport_failed(now_ms, id);
                assert_eq!(layer.server(id).map(ServerRecord::state), state, "RFC 6026 §8.8");
            }
            _ => layer.abandon_server(now_ms, id),
        }
    }

    fn on_client(&mut self, step: &Step, n: u8) {
        let now_ms = self.world.now_ms;
        let Some((id, invite)) = self.client(n) else { return };
        let layer = &mut self.world.layer;
        match step {
            Step::Cancel(_) => {
                if let Ok(cancel) = layer.open_cancel(now_ms, id, 2) {
                    assert!(invite);
                    layer.set_request(cancel, b"CANCEL");
                    self.clients.push((cancel, false));
                }
            }
            Step::StoreAck(_) => layer.store_ack(id, b"ACK"),
            Step::ClientFails(_) => drop(layer.client_transport_failed(now_ms, id)),
            _ => layer.abandon_client(now_ms, id),
        }
    }

    /// The user answers what it has not: then time alone must end everything.
    fn finish(mut self) {
        for n in 0..self.servers.len() {
            let _already = self.world.respond(self.servers[n].0, 500);
        }
        for n in 0..self.clients.len() {
            let _already = self.world.response(self.clients[n].0, 500);
        }
        let Timing { t4_ms, .. } = Timing::default();
        let end_ms =
            self.world.elapsed_ms() + u64::from(Timing::default().timeout_ms() + t4_ms + 2 * LINGER_GRAIN_MS);
        self.world.until(end_ms);
        let layer = &self.world.layer;
        assert!(
            layer.is_empty(),
            "{} servers, {} clients, {} blocks are left",
            layer.servers_len(),
            layer.clients_len(),
            layer.buffers().live()
        );
        assert_eq!(layer.buffers().live_bytes(), 0);
        self.world.until_the_end();
        assert_eq!(self.world.layer.timer_entries(), 0);
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_nothing_leaks(steps in prop::collection::vec(step(), 0..300)) {
        let mut watched = Watched::new();
        for step in &steps {
            watched.play(step);
        }
        watched.finish();
    }
}
