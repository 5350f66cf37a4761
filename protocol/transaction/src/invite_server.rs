//! INVITE server transaction: RFC 3261 §17.2.1, corrected by RFC 6026 §7.1 and §8.5 to §8.8 (Figure 7).
//!
//! ```text
//!      INVITE: last 1xx again, 1xx from the user: sent
//!                  ┌──┐
//!     INVITE ──► Proceeding ──300–699: sent──► Completed ─┐ INVITE, Timer G: response again
//!                  │                            │  │   ▲──┘
//!                  2xx: sent                   ACK └──Timer H: no ACK came, tell the user──┐
//!                  ▼                            ▼                                          │
//!                Accepted ─┐ INVITE: absorbed  Confirmed ─┐ INVITE, ACK: absorbed          │
//!                  │   ▲───┘ 2xx: sent          │     ▲───┘                                │
//!                  │         ACK: to the user   │                                          ▼
//!                  └──Timer L───────────────────┴──Timer I─────────────────────► Terminated
//! ```
//!
//! Why Accepted exists: the INVITE that was repeated because the 200 was slow must not start a second call.
//! A transport error changes no state (RFC 6026 §8.8); the user is told.
//! Left to the user: the 100 within 200 ms, repeating a 2xx until its ACK (§13.3.1.4), an end to Proceeding.

use crate::{Actions, Dispatch, ServerInput, Set, Tell, Timing};

/// The state of an INVITE server transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InviteServer {
    /// Not answered finally.
    Proceeding,
    /// A 300–699 was sent and is repeated until its ACK comes.
    Completed {
        /// How often Timer G has fired.
        resent: u8,
    },
    /// The ACK came; further ones are absorbed.
    Confirmed,
    /// A 2xx was sent; repeated INVITEs are absorbed, further 2xx go out, ACKs go to the user.
    Accepted,
    /// Over.
    Terminated,
}

impl InviteServer {
    /// An INVITE came and is passed to the user. No timer runs.
    pub fn start() -> (Self, Actions) {
        (Self::Proceeding, Actions::tell(Tell::Message))
    }

    /// Takes one input and says what to do.
    pub fn on(&mut self, input: ServerInput, reliable: bool, timing: &Timing) -> Actions {
        use InviteServer::{Accepted, Completed, Confirmed, Proceeding, Terminated};
        use ServerInput::{Abandon, Ack, EndTimer, Request, ResendTimer, Respond, TransportFailed};

        let (next, actions) = match (*self, input) {
            (Proceeding, Request) => (Proceeding, Actions::send(Dispatch::Response)),
            (Proceeding, Respond(100..=199)) => (Proceeding, Actions::send(Dispatch::Given)),
            (Proceeding, Respond(200..=299)) => {
                (Accepted, Actions::send(Dispatch::Given).end(Set::Linger(timing.timeout_ms())))
            }
            (Proceeding, Respond(300..=699)) => {
                let timer_g = if reliable { Set::Keep } else { Set::After(timing.timer_e_ms(0)) };
                let timer_h = Set::After(timing.timeout_ms());
                (Completed { resent: 0 }, Actions::send(Dispatch::Given).resend(timer_g).end(timer_h))
            }
            (Completed { .. }, Request) => (*self, Actions::send(Dispatch::Response)),
            (Completed { resent }, ResendTimer) => {
                let resent = resent.saturating_add(1);
                let timer_g = Set::After(timing.timer_e_ms(resent));
                (Completed { resent }, Actions::send(Dispatch::Response).resend(timer_g))
            }
            (Completed { .. }, EndTimer) => (Terminated, Actions::tell(Tell::TimedOut).terminate()),
            (Completed { .. }, Ack) => {
                let timer_i = Set::Linger(timing.timer_i_ms(reliable));
                (Confirmed, Actions::NOTHING.resend(Set::Stop).end(timer_i))
            }
            (Accepted, Respond(200..=299)) => (Accepted, Actions::send(Dispatch::Given)),
            (Accepted, Ack) => (Accepted, Actions::tell(Tell::Message)),
            (Proceeding | Completed { .. } | Accepted, TransportFailed) => {
                (*self, Actions::tell(Tell::TransportFailed))
            }
            (Confirmed | Accepted, EndTimer) => (Terminated, Actions::TERMINATED),
            (Terminated, _) | (_, Abandon) => (Terminated, Actions::TERMINATED),
            // Absorbed: what is repeated after its answer, and answers that come too late.
            (state, Request | Respond(_) | Ack | ResendTimer | EndTimer | TransportFailed) => {
                (state, Actions::NOTHING)
            }
        };
        *self = next;
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::InviteServer::{Accepted, Completed, Confirmed, Proceeding, Terminated};
    use super::*;
    use ServerInput::{Abandon, Ack, EndTimer, Request, ResendTimer, Respond, TransportFailed};

    const COMPLETED: InviteServer = Completed { resent: 0 };

    fn check(from: InviteServer, input: ServerInput, reliable: bool, to: InviteServer, expected: Actions) {
        let mut machine = from;
        let actions = machine.on(input, reliable, &Timing::default());
        assert_eq!((machine, actions), (to, expected), "{from:?} on {input:?}, reliable {reliable}");
    }

    fn check_both(from: InviteServer, input: ServerInput, to: InviteServer, expected: Actions) {
        check(from, input, false, to, expected);
        check(from, input, true, to, expected);
    }

    fn sent() -> Actions {
        Actions::send(Dispatch::Given)
    }

    /// "When a server transaction is constructed for a request, it enters the 'Proceeding' state. … The request MUST
    /// be passed to the TU."
    #[test]
    fn it_starts_in_proceeding() {
        assert_eq!(InviteServer::start(), (Proceeding, Actions::tell(Tell::Message)));
    }

    /// "If a request retransmission is received while in the 'Proceeding' state, the most recent provisional
    /// response … MUST be passed to the transport layer for retransmission."
    #[test]
    fn proceeding_repeats_the_provisional_response() {
        check_both(Proceeding, Request, Proceeding, Actions::send(Dispatch::Response));
    }

    /// "The TU passes any number of provisional responses … each of these MUST be passed to the transport layer."
    #[test]
    fn proceeding_sends_provisional_responses() {
        for status in [100, 180, 199] {
            check_both(Proceeding, Respond(status), Proceeding, sent());
        }
    }

    /// RFC 6026 §7.1: "the state machine MUST transition to the 'Accepted' state and set Timer L to 64*T1".
    #[test]
    fn a_2xx_is_sent_and_accepted() {
        for status in [200, 299] {
            check_both(Proceeding, Respond(status), Accepted, sent().end(Set::Linger(32_000)));
        }
    }

    /// "the state machine MUST enter the 'Completed' state. For unreliable transports, timer G is set to fire in T1
    /// seconds, and is not set to fire for reliable transports. … timer H MUST be set to fire in 64*T1 seconds for
    /// all transports."
    #[test]
    fn a_refusal_completes() {
        for status in [300, 487, 699] {
            let completed = sent().end(Set::After(32_000));
            check(Proceeding, Respond(status), true, COMPLETED, completed);
            check(Proceeding, Respond(status), false, COMPLETED, completed.resend(Set::After(500)));
        }
    }

    /// "while in the 'Completed' state, if a request retransmission is received, the server SHOULD pass the response
    /// to the transport for retransmission."
    #[test]
    fn completed_repeats_the_refusal() {
        check_both(
            Completed { resent: 3 },
            Request,
            Completed { resent: 3 },
            Actions::send(Dispatch::Response),
        );
    }

    /// "If timer G fires, the response is passed to the transport layer once more …, and timer G is set to fire in
    /// MIN(2*T1, T2) seconds."
    #[test]
    fn timer_g_repeats_the_refusal_and_doubles_up_to_t2() {
        for (resent, next_ms) in [(0, 1_000), (1, 2_000), (2, 4_000), (3, 4_000), (100, 4_000)] {
            let again = Actions::send(Dispatch::Response).resend(Set::After(next_ms));
            check(Completed { resent }, ResendTimer, false, Completed { resent: resent + 1 }, again);
        }
        for state in [Proceeding, Confirmed, Accepted] {
            check_both(state, ResendTimer, state, Actions::NOTHING);
        }
    }

    /// "If timer H fires while in the 'Completed' state, it implies that the ACK was never received. … MUST
    /// transition to the 'Terminated' state, and MUST indicate to the TU that a transaction failure has occurred."
    #[test]
    fn timer_h_tells_the_user() {
        check_both(COMPLETED, EndTimer, Terminated, Actions::tell(Tell::TimedOut).terminate());
    }

    /// "If an ACK is received while … in the 'Completed' state, the server transaction MUST transition to the
    /// 'Confirmed' state. … timer I is set to fire in T4 seconds for unreliable transports, and zero seconds for
    /// reliable transports."
    #[test]
    fn an_ack_confirms() {
        for (reliable, timer_i_ms) in [(false, 5_000), (true, 0)] {
            let confirmed = Actions::NOTHING.resend(Set::Stop).end(Set::Linger(timer_i_ms));
            check(COMPLETED, Ack, reliable, Confirmed, confirmed);
        }
    }

    /// "The purpose of the 'Confirmed' state is to absorb any additional ACK messages that arrive."
    #[test]
    fn confirmed_absorbs_everything() {
        for input in [Request, Ack, Respond(180), Respond(200), Respond(487), TransportFailed] {
            check_both(Confirmed, input, Confirmed, Actions::NOTHING);
        }
    }

    /// RFC 6026 §7.1: "any retransmissions of the INVITE received will … be absorbed by the machine without changing
    /// its state."
    #[test]
    fn accepted_absorbs_repeated_invites() {
        check_both(Accepted, Request, Accepted, Actions::NOTHING);
    }

    /// RFC 6026 §7.1: "Any retransmission of the 2xx response passed from the TU … while in the 'Accepted' state MUST
    /// be passed to the transport layer for transmission."
    #[test]
    fn accepted_sends_further_2xx_only() {
        check_both(Accepted, Respond(200), Accepted, sent());
        check_both(Accepted, Respond(180), Accepted, Actions::NOTHING);
        check_both(Accepted, Respond(487), Accepted, Actions::NOTHING);
    }

    /// RFC 6026 §7.1: "Any ACKs received from the network while in the 'Accepted' state MUST be passed directly to
    /// the TU and not absorbed."
    #[test]
    fn accepted_passes_acks() {
        check_both(Accepted, Ack, Accepted, Actions::tell(Tell::Message));
        check_both(Proceeding, Ack, Proceeding, Actions::NOTHING);
    }

    /// Responses after the final one are not sent: Figure 7 has no such arrows.
    #[test]
    fn completed_discards_further_responses() {
        for status in [100, 200, 486] {
            check_both(COMPLETED, Respond(status), COMPLETED, Actions::NOTHING);
        }
        for status in [0, 99, 700] {
            check_both(Proceeding, Respond(status), Proceeding, Actions::NOTHING);
        }
    }

    /// "Once timer I fires, the server MUST transition to the 'Terminated' state"; the same for Timer L.
    #[test]
    fn timers_i_and_l_end_it() {
        check_both(Confirmed, EndTimer, Terminated, Actions::TERMINATED);
        check_both(Accepted, EndTimer, Terminated, Actions::TERMINATED);
        check_both(Proceeding, EndTimer, Proceeding, Actions::NOTHING);
    }

    /// RFC 6026 §8.8: "the server transaction SHOULD inform the TU that a failure has occurred, and MUST remain in
    /// the current state."
    #[test]
    fn a_transport_error_changes_no_state() {
        for state in [Proceeding, COMPLETED, Accepted] {
            check_both(state, TransportFailed, state, Actions::tell(Tell::TransportFailed));
        }
    }

    #[test]
    fn abandoned_it_is_over_and_then_hears_nothing() {
        for state in [Proceeding, COMPLETED, Confirmed, Accepted, Terminated] {
            check_both(state, Abandon, Terminated, Actions::TERMINATED);
        }
        for input in [Request, Ack, Respond(200), Respond(486), ResendTimer, EndTimer, TransportFailed] {
            check_both(Terminated, input, Terminated, Actions::TERMINATED);
        }
    }
}
