//! Non-INVITE server transaction: RFC 3261 §17.2.2 (Figure 8), with the prohibitions of RFC 4320 §4.
//!
//! ```text
//!     request ──► Trying ──100: sent──► Proceeding ─┐ 100: sent, request: 100 again
//!                  │  ▲─┘ request:         │  │  ▲──┘
//!                  │      absorbed         │  │
//!                  ├─────200–699: sent─────┴──┼──► Completed ─┐ request: response again
//!                  │                          │       │    ▲──┘
//!                  └─────never answered───────┴──► Terminated ◄─ Timer J
//! ```
//!
//! What RFC 4320 forbids is not sent, whoever asks for it: 101–199, and 408 (§4.1, §4.2). Two things are ours:
//! - RFC 3261 lets an unanswered transaction live for ever. Here it ends after 64·T1: the client has given up then
//!   (Timer F), and "an element that cannot respond before the transaction expires will not send a final response
//!   at all" (RFC 4320 §4.2).
//! - A transport error changes no state: RFC 6026 §8.8 replaced the text behind the arrows of Figure 8.
//!
//! Left to the user: no 100 over datagrams before, and one over any transport after
//! [`Timing::non_invite_trying_after_ms`] (RFC 4320 §4.1).

use crate::{Actions, Dispatch, ServerInput, Set, Tell, Timing};

/// The state of a non-INVITE server transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NonInviteServer {
    /// The user has said nothing yet.
    Trying,
    /// A 100 was sent.
    Proceeding,
    /// The final response was sent and is repeated when the request is.
    Completed,
    /// Over.
    Terminated,
}

impl NonInviteServer {
    /// A request came and is passed to the user.
    pub fn start(timing: &Timing) -> (Self, Actions) {
        (Self::Trying, Actions::tell(Tell::Message).end(Set::Linger(timing.timeout_ms())))
    }

    /// Takes one input and says what to do.
    pub fn on(&mut self, input: ServerInput, reliable: bool, timing: &Timing) -> Actions {
        use NonInviteServer::{Completed, Proceeding, Terminated, Trying};
        use ServerInput::{Abandon, Ack, EndTimer, Request, ResendTimer, Respond, TransportFailed};

        let (next, actions) = match (*self, input) {
            (Proceeding | Completed, Request) => (*self, Actions::send(Dispatch::Response)),
            (Trying | Proceeding, Respond(100)) => (Proceeding, Actions::send(Dispatch::Given)),
            (Trying | Proceeding, Respond(408)) => (*self, Actions::NOTHING),
            (Trying | Proceeding, Respond(200..=699)) => {
                let timer_j = Set::Linger(timing.timer_j_ms(reliable));
                (Completed, Actions::send(Dispatch::Given).end(timer_j))
            }
            (Proceeding | Completed, TransportFailed) => (*self, Actions::tell(Tell::TransportFailed)),
            (Trying | Proceeding | Completed, EndTimer) => (Terminated, Actions::TERMINATED),
            (Terminated, _) | (_, Abandon) => (Terminated, Actions::TERMINATED),
            (state, Request | Respond(_) | Ack | ResendTimer | TransportFailed) => (state, Actions::NOTHING),
        };
        *self = next;
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::NonInviteServer::{Completed, Proceeding, Terminated, Trying};
    use super::*;
    use ServerInput::{Abandon, Ack, EndTimer, Request, ResendTimer, Respond, TransportFailed};

    fn check(
        from: NonInviteServer,
        input: ServerInput,
        reliable: bool,
        to: NonInviteServer,
        expected: Actions,
    ) {
        let mut machine = from;
        let actions = machine.on(input, reliable, &Timing::default());
        assert_eq!((machine, actions), (to, expected), "{from:?} on {input:?}, reliable {reliable}");
    }

    fn check_both(from: NonInviteServer, input: ServerInput, to: NonInviteServer, expected: Actions) {
        check(from, input, false, to, expected);
        check(from, input, true, to, expected);
    }

    fn sent() -> Actions {
        Actions::send(Dispatch::Given)
    }

    /// "The state machine is initialized in the 'Trying' state … This request is passed up to the TU."
    #[test]
    fn it_starts_in_trying_and_will_end() {
        let started = Actions::tell(Tell::Message).end(Set::Linger(32_000));
        assert_eq!(NonInviteServer::start(&Timing::default()), (Trying, started));
    }

    /// "Once in the 'Trying' state, any further request retransmissions are discarded."
    #[test]
    fn trying_discards_repeated_requests() {
        check_both(Trying, Request, Trying, Actions::NOTHING);
    }

    /// "while in the 'Trying' state, if the TU passes a provisional response …, the server transaction MUST enter the
    /// 'Proceeding' state. The response MUST be passed to the transport layer for transmission."
    #[test]
    fn a_100_is_sent() {
        check_both(Trying, Respond(100), Proceeding, sent());
        check_both(Proceeding, Respond(100), Proceeding, sent());
    }

    /// "If a retransmission of the request is received while in the 'Proceeding' state, the most recently sent
    /// provisional response MUST be passed to the transport layer for retransmission."
    #[test]
    fn proceeding_repeats_the_100() {
        check_both(Proceeding, Request, Proceeding, Actions::send(Dispatch::Response));
    }

    /// RFC 4320 §4.1: "MUST NOT send any provisional response with a Status-Code other than 100 to a non-INVITE
    /// request"; §4.2: "MUST NOT send a response with Status-Code of 408 to a non-INVITE request".
    #[test]
    fn what_rfc_4320_forbids_is_not_sent() {
        for state in [Trying, Proceeding] {
            for status in [101, 180, 199, 408] {
                check_both(state, Respond(status), state, Actions::NOTHING);
            }
        }
    }

    /// "When the server transaction enters the 'Completed' state, it MUST set Timer J to fire in 64*T1 seconds for
    /// unreliable transports, and zero seconds for reliable transports."
    #[test]
    fn a_final_response_is_sent_and_completes() {
        for (reliable, timer_j_ms) in [(false, 32_000), (true, 0)] {
            for status in [200, 302, 404, 407, 409, 699] {
                check(Trying, Respond(status), reliable, Completed, sent().end(Set::Linger(timer_j_ms)));
                check(Proceeding, Respond(status), reliable, Completed, sent().end(Set::Linger(timer_j_ms)));
            }
        }
    }

    /// "While in the 'Completed' state, the server transaction MUST pass the final response to the transport layer for
    /// retransmission whenever a retransmission of the request is received. Any other final responses passed by the
    /// TU … MUST be discarded."
    #[test]
    fn completed_repeats_the_final_response_and_takes_no_other() {
        check_both(Completed, Request, Completed, Actions::send(Dispatch::Response));
        for status in [100, 200, 500] {
            check_both(Completed, Respond(status), Completed, Actions::NOTHING);
        }
        for status in [0, 99, 700] {
            check_both(Trying, Respond(status), Trying, Actions::NOTHING);
        }
    }

    /// "remains in this state until Timer J fires, at which point it MUST transition to the 'Terminated' state".
    #[test]
    fn timer_j_ends_it() {
        check_both(Completed, EndTimer, Terminated, Actions::TERMINATED);
    }

    /// RFC 4320 §4.2: "an element that cannot respond before the transaction expires will not send a final response".
    #[test]
    fn never_answered_it_expires() {
        check_both(Trying, EndTimer, Terminated, Actions::TERMINATED);
        check_both(Proceeding, EndTimer, Terminated, Actions::TERMINATED);
    }

    /// RFC 6026 §8.8: "SHOULD inform the TU that a failure has occurred, and MUST remain in the current state".
    #[test]
    fn a_transport_error_changes_no_state() {
        check_both(Proceeding, TransportFailed, Proceeding, Actions::tell(Tell::TransportFailed));
        check_both(Completed, TransportFailed, Completed, Actions::tell(Tell::TransportFailed));
        check_both(Trying, TransportFailed, Trying, Actions::NOTHING);
    }

    #[test]
    fn there_is_no_ack_and_no_timer_g_here() {
        for state in [Trying, Proceeding, Completed] {
            check_both(state, Ack, state, Actions::NOTHING);
            check_both(state, ResendTimer, state, Actions::NOTHING);
        }
    }

    #[test]
    fn abandoned_it_is_over_and_then_hears_nothing() {
        for state in [Trying, Proceeding, Completed, Terminated] {
            check_both(state, Abandon, Terminated, Actions::TERMINATED);
        }
        for input in [Request, Respond(200), ResendTimer, EndTimer, TransportFailed] {
            check_both(Terminated, input, Terminated, Actions::TERMINATED);
        }
    }
}
