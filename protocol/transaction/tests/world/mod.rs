//! A transaction layer in virtual time: it sleeps from deadline to deadline and writes down what becomes due.

#![allow(dead_code, reason = "each test file uses its part")]

use offhook_transaction::*;

pub(crate) type Layer = Transactions<u32, u32>;

/// When the worlds begin: a multiple of the grain, so that lingering ends are easy to foresee.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

pub(crate) struct World {
    pub(crate) layer: Layer,
    pub(crate) now_ms: u64,
    /// How often the clock stopped at a deadline.
    pub(crate) wakes: usize,
}

pub(crate) fn config() -> Config {
    let limits = Limits { servers_max: 20_000, clients_max: 20_000, ..Limits::default() };
    Config { timing: Timing::default(), limits, hash_key: [7; 16], user_delays_ms: vec![200, 180_000] }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&config())
    }

    pub(crate) fn with(config: &Config) -> Self {
        Self { layer: Transactions::new(config), now_ms: START_MS, wakes: 0 }
    }

    /// Milliseconds since the beginning.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.now_ms - START_MS
    }

    /// Lets time pass until so many milliseconds after the beginning: what became due, and when.
    pub(crate) fn until(&mut self, elapsed_ms: u64) -> Vec<(u64, String)> {
        let mut events = Vec::new();
        let end_ms = START_MS + elapsed_ms;
        while let Some(deadline_ms) = self.layer.next_deadline_ms().filter(|&at_ms| at_ms <= end_ms) {
            assert!(
                deadline_ms > self.now_ms || self.wakes == 0 || deadline_ms == self.now_ms,
                "time goes on"
            );
            self.now_ms = self.now_ms.max(deadline_ms);
            self.wakes += 1;
            while let Some(due) = self.layer.next_due(self.now_ms) {
                self.check(&due);
                events.push((self.elapsed_ms(), name(&due)));
            }
            let next_ms = self.layer.next_deadline_ms();
            assert!(next_ms.is_none_or(|at_ms| at_ms > self.now_ms), "what is due has been done");
        }
        self.now_ms = self.now_ms.max(end_ms);
        events
    }

    /// Only what was lost without a trace is sent again, and only where messages are lost.
    fn check(&self, due: &Due<u32, u32>) {
        match *due {
            Due::ResendRequest(id) => {
                let record = self.layer.client(id).unwrap();
                assert!(
                    !record.is_reliable() && !record.state().is_answered() && !record.request().is_empty()
                );
            }
            Due::ResendResponse(id) => {
                let record = self.layer.server(id).unwrap();
                let completed = matches!(record.state(), ServerState::Invite(InviteServer::Completed { .. }));
                assert!(completed && !record.is_reliable() && !record.response().is_empty());
            }
            Due::ClientTimedOut(id) => assert!(self.layer.client(id).is_some(), "it ends after this"),
            Due::ServerTimedOut(id) => assert!(self.layer.server(id).is_some(), "it ends after this"),
            Due::ClientEnded(id, _) => assert!(self.layer.client(id).is_none()),
            Due::ServerEnded(id, _) => assert!(self.layer.server(id).is_none()),
            Due::UserTimer(_) => {}
        }
    }

    /// The same for an hour: long enough for everything to end.
    pub(crate) fn until_the_end(&mut self) -> Vec<(u64, String)> {
        self.until(self.elapsed_ms() + 3_600_000)
    }

    pub(crate) fn server(&mut self, key: &ServerKey<'_>, invite: bool, reliable: bool) -> ServerId {
        self.layer.open_server(self.now_ms, key, invite, reliable, 1).unwrap()
    }

    pub(crate) fn client(&mut self, invite: bool, reliable: bool) -> ClientId {
        let id = self.layer.open_client(self.now_ms, invite, reliable, 2).unwrap();
        self.layer.set_request(id, if invite { INVITE } else { MESSAGE });
        id
    }

    pub(crate) fn respond(&mut self, id: ServerId, status: u16) -> ServerVerdict {
        self.layer.respond(self.now_ms, id, status, status.to_string().as_bytes())
    }

    pub(crate) fn response(&mut self, id: ClientId, status: u16) -> ClientVerdict {
        self.layer.response(self.now_ms, id, status)
    }
}

pub(crate) const INVITE: &[u8] = b"INVITE sip:bob@biloxi.example SIP/2.0";
pub(crate) const MESSAGE: &[u8] = b"MESSAGE sip:bob@biloxi.example SIP/2.0";

pub(crate) fn key<'a>(branch: &'a [u8], method: &'a [u8]) -> ServerKey<'a> {
    ServerKey::Rfc3261 { branch, sent_by: b"pc33.atlanta.example:5060", method }
}

/// When a transaction ends that lingers until at least this time.
pub(crate) fn lingering(elapsed_ms: u64) -> u64 {
    elapsed_ms.next_multiple_of(u64::from(LINGER_GRAIN_MS))
}

/// The times and names expected.
pub(crate) fn events<const N: usize>(expected: [(u64, &str); N]) -> Vec<(u64, String)> {
    expected.map(|(at_ms, name)| (at_ms, name.to_owned())).to_vec()
}

fn name(due: &Due<u32, u32>) -> String {
    match due {
        Due::ResendRequest(_) => "request again",
        Due::ResendResponse(_) => "response again",
        Due::ClientTimedOut(_) => "no response came",
        Due::ServerTimedOut(_) => "no ack came",
        Due::UserTimer(TransactionId::Client(_)) => "client's user timer",
        Due::UserTimer(TransactionId::Server(_)) => "server's user timer",
        Due::ClientEnded(_, user) => {
            assert_eq!(*user, 2, "the user's data comes back");
            "client ended"
        }
        Due::ServerEnded(_, user) => {
            assert_eq!(*user, 1, "the user's data comes back");
            "server ended"
        }
    }
    .to_owned()
}
