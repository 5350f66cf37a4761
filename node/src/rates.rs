//! How often somebody may begin something: an account, and an address where nobody has proved who he is. A password that was
//! stolen, or a program that has gone wild, shall not ring a thousand phones a second or spend a day's money in a minute.
//!
//! ```text
//!   let in ──► by an account: so many a second ──► on its way, or 503 with Retry-After
//!          └─► by a stranger: so many a second of his address ──┘
//! ```
//! Five seconds' worth may come at once. What belongs to a call is never counted, nor who is a peer or exempt.

use offhook_abuse::Guess;
use offhook_journal::Event;
use offhook_proxy::access::Sender;
use offhook_sip::{Hint, Method, Refusal};

use crate::arrival::Arrival;
use crate::identify::account_shown;
use crate::switchboard::Switchboard;

/// By then there is room for several more.
const RETRY_AFTER_S: u32 = 2;

impl Switchboard {
    /// Counts a request that was let in and begins something.
    ///
    /// # Errors
    /// 503: it is one too many.
    pub(crate) fn count_request(
        &mut self,
        arrival: &Arrival<'_, '_>,
        sender: Sender,
        realm: &str,
    ) -> Result<(), Refusal<'static>> {
        // It repeats an INVITE that was counted.
        if arrival.message.method() == Some(Method::Ack) {
            return Ok(());
        }
        let user = match sender {
            Sender::Proved | Sender::ProvedAnother => {
                // By its flow it is who it says.
                let claimed = || arrival.parts.from.parsed_uri().ok()?.user;
                account_shown(arrival.message, realm).or_else(claimed)
            }
            _ => None,
        };
        self.count_for(arrival, user, realm)
    }

    /// The same for an account, or nobody.
    pub(crate) fn count_for(
        &mut self,
        arrival: &Arrival<'_, '_>,
        user: Option<&[u8]>,
        realm: &str,
    ) -> Result<(), Refusal<'static>> {
        let (now_ms, from) = (arrival.now_ms, arrival.from.remote);
        if !arrival.settings.counts(from.ip()) {
            return Ok(());
        }
        let policy = &arrival.settings.abuse.policy;
        let (may, which, limit) = match user {
            Some(user) => {
                let guess = Guess { from: from.ip(), user, realm: realm.as_bytes() };
                let may = self.guard.may_request(now_ms, &guess);
                (may, "abuse.account_requests_max", policy.account_requests_max)
            }
            None => {
                let may = self.guard.may_ask(now_ms, from.ip(), arrival.from.transport.is_reliable());
                (may, "abuse.stranger_requests_max", policy.stranger_requests_max)
            }
        };
        if may {
            return Ok(());
        }
        self.journal.note(now_ms, &Event::LimitReached { which, limit: limit.into(), source: Some(from) });
        Err(Refusal::new(503).with(Hint::RetryAfter(RETRY_AFTER_S)))
    }
}
