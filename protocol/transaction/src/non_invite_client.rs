//! Non-INVITE client transaction: RFC 3261 §17.1.2 (Figure 6).
//!
//! ```text
//!              Timer E: request again          Timer E: request again, every T2
//!                  ┌──┐                              ┌──┐
//!     request ──► Trying ──────────1xx──────────► Proceeding ─┐ 1xx to the user
//!                  │  │                              │  │  ▲──┘
//!                  │  └──────200–699 to user─────────┼──┴──► Completed ─┐ every response absorbed
//!                  │                                 │          │    ▲──┘
//!                  └──Timer F, transport error───────┴──────► Terminated ◄─ Timer K
//! ```
//!
//! A provisional response does not stop Timer E: the request is repeated so that the final response is, too.
//! Left to the user: no 408 goes upstream when Timer F fires, and a late response is not forwarded (RFC 4320 §4.2).

use crate::{Actions, ClientInput, Dispatch, Set, Tell, Timing};

/// The state of a non-INVITE client transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NonInviteClient {
    /// Nothing heard yet.
    Trying {
        /// How often Timer E has fired.
        resent: u8,
    },
    /// A provisional response came.
    Proceeding,
    /// The final response came; repetitions are absorbed.
    Completed,
    /// Over.
    Terminated,
}

impl NonInviteClient {
    /// The user sends a request: Timers E and F start.
    pub fn start(reliable: bool, timing: &Timing) -> (Self, Actions) {
        let timer_e = if reliable { Set::Keep } else { Set::After(timing.timer_e_ms(0)) };
        let actions = Actions::NOTHING.resend(timer_e).end(Set::After(timing.timeout_ms()));
        (Self::Trying { resent: 0 }, actions)
    }

    /// Takes one input and says what to do.
    pub fn on(&mut self, input: ClientInput, reliable: bool, timing: &Timing) -> Actions {
        use ClientInput::{Abandon, EndTimer, ResendTimer, Response, TransportFailed};
        use NonInviteClient::{Completed, Proceeding, Terminated, Trying};

        let pass = Actions::tell(Tell::Message);
        let (next, actions) = match (*self, input) {
            (Trying { resent }, ResendTimer) => {
                let resent = resent.saturating_add(1);
                let timer_e = Set::After(timing.timer_e_ms(resent));
                (Trying { resent }, Actions::send(Dispatch::Request).resend(timer_e))
            }
            (Proceeding, ResendTimer) => {
                let timer_e = Set::After(timing.timer_e_proceeding_ms());
                (Proceeding, Actions::send(Dispatch::Request).resend(timer_e))
            }
            (Trying { .. } | Proceeding, EndTimer) => (Terminated, Actions::tell(Tell::TimedOut).terminate()),
            (Trying { .. } | Proceeding, TransportFailed) => {
                (Terminated, Actions::tell(Tell::TransportFailed).terminate())
            }
            (Trying { .. } | Proceeding, Response(100..=199)) => (Proceeding, pass),
            (Trying { .. } | Proceeding, Response(200..=699)) => {
                let timer_k = Set::Linger(timing.timer_i_ms(reliable));
                (Completed, pass.resend(Set::Stop).end(timer_k))
            }
            (Completed, EndTimer) => (Terminated, Actions::TERMINATED),
            (Terminated, _) | (_, Abandon) => (Terminated, Actions::TERMINATED),
            (state, ResendTimer | TransportFailed | Response(_)) => (state, Actions::NOTHING),
        };
        *self = next;
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::NonInviteClient::{Completed, Proceeding, Terminated, Trying};
    use super::*;
    use ClientInput::{Abandon, EndTimer, ResendTimer, Response, TransportFailed};

    const TRYING: NonInviteClient = Trying { resent: 0 };

    fn check(
        from: NonInviteClient,
        input: ClientInput,
        reliable: bool,
        to: NonInviteClient,
        expected: Actions,
    ) {
        let mut machine = from;
        let actions = machine.on(input, reliable, &Timing::default());
        assert_eq!((machine, actions), (to, expected), "{from:?} on {input:?}, reliable {reliable}");
    }

    fn check_both(from: NonInviteClient, input: ClientInput, to: NonInviteClient, expected: Actions) {
        check(from, input, false, to, expected);
        check(from, input, true, to, expected);
    }

    fn pass() -> Actions {
        Actions::tell(Tell::Message)
    }

    /// "the client transaction SHOULD set timer F to fire in 64*T1 seconds … If an unreliable transport is in use,
    /// the client transaction MUST set timer E to fire in T1 seconds."
    #[test]
    fn trying_starts_timers_e_and_f() {
        let f = Set::After(32_000);
        let unreliable = NonInviteClient::start(false, &Timing::default());
        assert_eq!(unreliable, (TRYING, Actions::NOTHING.resend(Set::After(500)).end(f)));
        let reliable = NonInviteClient::start(true, &Timing::default());
        assert_eq!(reliable, (TRYING, Actions::NOTHING.end(f)));
    }

    /// "If timer E fires while still in this state, the timer is reset, but this time with a value of MIN(2*T1, T2)."
    #[test]
    fn timer_e_resends_and_doubles_up_to_t2() {
        for (resent, next_ms) in [(0, 1_000), (1, 2_000), (2, 4_000), (3, 4_000), (200, 4_000)] {
            let again = Actions::send(Dispatch::Request).resend(Set::After(next_ms));
            check(Trying { resent }, ResendTimer, false, Trying { resent: resent + 1 }, again);
        }
    }

    /// "If Timer E fires while in the 'Proceeding' state, the request MUST be passed to the transport layer for
    /// retransmission, and Timer E MUST be reset with a value of T2 seconds."
    #[test]
    fn timer_e_in_proceeding_is_t2() {
        let again = Actions::send(Dispatch::Request).resend(Set::After(4_000));
        check(Proceeding, ResendTimer, false, Proceeding, again);
        check(Completed, ResendTimer, false, Completed, Actions::NOTHING);
    }

    /// "If timer F fires while in the 'Proceeding' state, the TU MUST be informed of a timeout, and the client
    /// transaction MUST transition to the terminated state."
    #[test]
    fn timer_f_tells_the_user() {
        let timed_out = Actions::tell(Tell::TimedOut).terminate();
        check_both(TRYING, EndTimer, Terminated, timed_out);
        check_both(Proceeding, EndTimer, Terminated, timed_out);
    }

    /// "If a provisional response is received while in the 'Trying' state, the response MUST be passed to the TU,
    /// and then the client transaction SHOULD move to the 'Proceeding' state."
    #[test]
    fn a_provisional_response_is_passed_and_no_timer_changes() {
        for status in [100, 183, 199] {
            check_both(TRYING, Response(status), Proceeding, pass());
            check_both(Proceeding, Response(status), Proceeding, pass());
        }
    }

    /// "If a final response (status codes 200-699) is received …, the response MUST be passed to the TU, and the
    /// client transaction MUST transition to the 'Completed' state. … MUST set Timer K to fire in T4 seconds for
    /// unreliable transports, and zero seconds for reliable transports."
    #[test]
    fn a_final_response_completes() {
        for (reliable, timer_k_ms) in [(false, 5_000), (true, 0)] {
            for status in [200, 302, 401, 699] {
                let completed = pass().resend(Set::Stop).end(Set::Linger(timer_k_ms));
                check(TRYING, Response(status), reliable, Completed, completed);
                check(Proceeding, Response(status), reliable, Completed, completed);
            }
        }
    }

    /// "The 'Completed' state exists to buffer any additional response retransmissions."
    #[test]
    fn completed_absorbs_every_response() {
        for status in [100, 200, 486, 999] {
            check_both(Completed, Response(status), Completed, Actions::NOTHING);
        }
        for state in [TRYING, Proceeding] {
            check_both(state, Response(99), state, Actions::NOTHING);
            check_both(state, Response(700), state, Actions::NOTHING);
        }
    }

    /// "If Timer K fires while in this state, the client transaction MUST transition to the 'Terminated' state."
    #[test]
    fn timer_k_ends_it() {
        check_both(Completed, EndTimer, Terminated, Actions::TERMINATED);
    }

    /// Figure 6: "Timer F or Transport Err. / inform TU", from Trying and Proceeding.
    #[test]
    fn a_transport_error_ends_it_while_it_sends() {
        let failed = Actions::tell(Tell::TransportFailed).terminate();
        check_both(TRYING, TransportFailed, Terminated, failed);
        check_both(Proceeding, TransportFailed, Terminated, failed);
        check_both(Completed, TransportFailed, Completed, Actions::NOTHING);
    }

    #[test]
    fn abandoned_it_is_over_and_then_hears_nothing() {
        for state in [TRYING, Proceeding, Completed, Terminated] {
            check_both(state, Abandon, Terminated, Actions::TERMINATED);
        }
        for input in [ResendTimer, EndTimer, TransportFailed, Response(180), Response(200)] {
            check_both(Terminated, input, Terminated, Actions::TERMINATED);
        }
    }
}
