//! INVITE client transaction: RFC 3261 §17.1.1, corrected by RFC 6026 §7.2 and §8.4 (Figure 5).
//!
//! ```text
//!              Timer A: INVITE again
//!                  ┌──┐
//!     INVITE ──► Calling ──1xx──► Proceeding ─┐ 1xx to the user
//!                  │  │             │  │   ▲──┘
//!                  │  └──300–699────┼──┤
//!                  │     ACK        │  └──────────► Completed ─┐ 300–699: ACK again
//!     Timer B,     ├──2xx to user───┴──► Accepted      │    ▲──┘
//!     transport    │                     │  ▲─┘ 2xx    │
//!     error        ▼                     │             │
//!                Terminated ◄──Timer M───┴──Timer D, transport error
//! ```
//!
//! Why Accepted exists: a forked INVITE may be answered twice; without it the second 200 finds nobody.
//! Not here: the ACK to a 2xx (the dialog's, §13.2.2.4); building the ACK to the others (§17.1.1.3) needs the messages;
//! Timer C, which ends Proceeding (§16.8), is the proxy's: without it this state lasts for ever.

use crate::{Actions, ClientInput, Dispatch, Set, Tell, Timing};

/// The state of an INVITE client transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InviteClient {
    /// Nothing heard yet.
    Calling {
        /// How often Timer A has fired.
        resent: u8,
    },
    /// A provisional response came.
    Proceeding,
    /// A 300–699 came; its repetitions are acknowledged.
    Completed,
    /// A 2xx came; further ones, perhaps of other forks, are passed on.
    Accepted,
    /// Over.
    Terminated,
}

impl InviteClient {
    /// The user sends an INVITE: Timers A and B start.
    pub fn start(reliable: bool, timing: &Timing) -> (Self, Actions) {
        let timer_a = if reliable { Set::Keep } else { Set::After(timing.timer_a_ms(0)) };
        let actions = Actions::NOTHING.resend(timer_a).end(Set::After(timing.timeout_ms()));
        (Self::Calling { resent: 0 }, actions)
    }

    /// Takes one input and says what to do.
    pub fn on(&mut self, input: ClientInput, reliable: bool, timing: &Timing) -> Actions {
        use ClientInput::{Abandon, EndTimer, ResendTimer, Response, TransportFailed};
        use InviteClient::{Accepted, Calling, Completed, Proceeding, Terminated};

        let pass = Actions::tell(Tell::Message);
        let (next, actions) = match (*self, input) {
            (Calling { resent }, ResendTimer) => {
                let resent = resent.saturating_add(1);
                let timer_a = Set::After(timing.timer_a_ms(resent));
                (Calling { resent }, Actions::send(Dispatch::Request).resend(timer_a))
            }
            (Calling { .. }, EndTimer) => (Terminated, Actions::tell(Tell::TimedOut).terminate()),
            (Calling { .. } | Completed, TransportFailed) => {
                (Terminated, Actions::tell(Tell::TransportFailed).terminate())
            }
            (Calling { .. }, Response(100..=199)) => (Proceeding, pass.resend(Set::Stop).end(Set::Stop)),
            (Proceeding, Response(100..=199)) => (Proceeding, pass),
            (Calling { .. } | Proceeding, Response(200..=299)) => {
                (Accepted, pass.resend(Set::Stop).end(Set::Linger(timing.timeout_ms())))
            }
            (Calling { .. } | Proceeding, Response(300..=699)) => {
                let timer_d = Set::Linger(timing.timer_d_ms(reliable));
                let acknowledge = Actions::send(Dispatch::Ack).and_tell(Tell::Message);
                (Completed, acknowledge.resend(Set::Stop).end(timer_d))
            }
            (Completed, Response(300..=699)) => (Completed, Actions::send(Dispatch::Ack)),
            (Accepted, Response(200..=299)) => (Accepted, pass),
            (Completed | Accepted, EndTimer) => (Terminated, Actions::TERMINATED),
            (Terminated, _) | (_, Abandon) => (Terminated, Actions::TERMINATED),
            // A retransmission cannot be wanted, a late response of another class cannot be used, and where nothing
            // was sent no transport can fail.
            (state, ResendTimer | EndTimer | TransportFailed | Response(_)) => (state, Actions::NOTHING),
        };
        *self = next;
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::InviteClient::{Accepted, Calling, Completed, Proceeding, Terminated};
    use super::*;
    use ClientInput::{Abandon, EndTimer, ResendTimer, Response, TransportFailed};

    const CALLING: InviteClient = Calling { resent: 0 };
    const STATES: [InviteClient; 5] = [CALLING, Proceeding, Completed, Accepted, Terminated];

    fn check(from: InviteClient, input: ClientInput, reliable: bool, to: InviteClient, expected: Actions) {
        let mut machine = from;
        let actions = machine.on(input, reliable, &Timing::default());
        assert_eq!((machine, actions), (to, expected), "{from:?} on {input:?}, reliable {reliable}");
    }

    fn check_both(from: InviteClient, input: ClientInput, to: InviteClient, expected: Actions) {
        check(from, input, false, to, expected);
        check(from, input, true, to, expected);
    }

    fn pass() -> Actions {
        Actions::tell(Tell::Message)
    }

    /// "If an unreliable transport is being used, the client transaction MUST start timer A with a value of T1 …
    /// For any transport, the client transaction MUST start timer B with a value of 64*T1".
    #[test]
    fn calling_starts_timers_a_and_b() {
        let b = Set::After(32_000);
        let unreliable = InviteClient::start(false, &Timing::default());
        assert_eq!(unreliable, (CALLING, Actions::NOTHING.resend(Set::After(500)).end(b)));
        let reliable = InviteClient::start(true, &Timing::default());
        assert_eq!(reliable, (CALLING, Actions::NOTHING.end(b)));
    }

    /// "When timer A fires, the client transaction MUST retransmit the request … and MUST reset the timer with a
    /// value of 2*T1."
    #[test]
    fn timer_a_resends_the_invite_and_doubles() {
        for (resent, next_ms) in [(0, 1_000), (1, 2_000), (2, 4_000), (3, 8_000), (4, 16_000), (5, 32_000)] {
            let again = Actions::send(Dispatch::Request).resend(Set::After(next_ms));
            check(Calling { resent }, ResendTimer, false, Calling { resent: resent + 1 }, again);
        }
    }

    /// "These retransmissions SHOULD only be done while the client transaction is in the 'calling' state."
    #[test]
    fn timer_a_is_ignored_later() {
        for state in [Proceeding, Completed, Accepted] {
            check_both(state, ResendTimer, state, Actions::NOTHING);
        }
    }

    /// "If the client transaction is still in the 'Calling' state when timer B fires, the client transaction SHOULD
    /// inform the TU that a timeout has occurred."
    #[test]
    fn timer_b_tells_the_user() {
        check_both(CALLING, EndTimer, Terminated, Actions::tell(Tell::TimedOut).terminate());
        check_both(Proceeding, EndTimer, Proceeding, Actions::NOTHING);
    }

    /// "If the client transaction receives a provisional response while in the 'Calling' state, it transitions to
    /// 'Proceeding' … the provisional response MUST be passed to the TU."
    #[test]
    fn a_provisional_response_stops_the_timers_and_is_passed() {
        for status in [100, 180, 199] {
            check_both(CALLING, Response(status), Proceeding, pass().resend(Set::Stop).end(Set::Stop));
            check_both(Proceeding, Response(status), Proceeding, pass());
        }
    }

    /// RFC 6026 §8.4: "MUST transition to the 'Accepted' state, and Timer M MUST be started with a value of 64*T1."
    #[test]
    fn a_2xx_is_accepted_and_passed_without_ack() {
        for status in [200, 202, 299] {
            let accepted = pass().resend(Set::Stop).end(Set::Linger(32_000));
            check_both(CALLING, Response(status), Accepted, accepted);
            check_both(Proceeding, Response(status), Accepted, accepted);
            check_both(Accepted, Response(status), Accepted, pass());
        }
    }

    /// "reception of a response with status code from 300-699 MUST cause the client transaction to transition to
    /// 'Completed' … MUST pass the received response up to the TU, and … MUST generate an ACK request, even if the
    /// transport is reliable"; Timer D: "at least 32 seconds for unreliable transports, and … zero seconds for
    /// reliable transports".
    #[test]
    fn a_refusal_is_acknowledged_and_passed() {
        for (reliable, timer_d_ms) in [(false, 32_000), (true, 0)] {
            for status in [300, 486, 699] {
                let refused = Actions::send(Dispatch::Ack).and_tell(Tell::Message);
                let refused = refused.resend(Set::Stop).end(Set::Linger(timer_d_ms));
                check(CALLING, Response(status), reliable, Completed, refused);
                check(Proceeding, Response(status), reliable, Completed, refused);
            }
        }
    }

    /// "Any retransmissions of a response with status code 300-699 that are received while in the 'Completed' state
    /// MUST cause the ACK to be re-passed …, but the newly received response MUST NOT be passed up to the TU."
    #[test]
    fn a_repeated_refusal_is_only_acknowledged() {
        check_both(Completed, Response(486), Completed, Actions::send(Dispatch::Ack));
    }

    /// RFC 6026 Figure 5 has no such arrows.
    #[test]
    fn responses_of_another_class_are_dropped_after_the_final_one() {
        for (state, status) in [(Completed, 180), (Completed, 200), (Accepted, 180), (Accepted, 486)] {
            check_both(state, Response(status), state, Actions::NOTHING);
        }
    }

    #[test]
    fn status_codes_that_do_not_exist_are_dropped() {
        for state in [CALLING, Proceeding, Completed, Accepted] {
            for status in [0, 99, 700, u16::MAX] {
                check_both(state, Response(status), state, Actions::NOTHING);
            }
        }
    }

    /// "If Timer D fires while … in the 'Completed' state, the client transaction MUST move to the 'Terminated'
    /// state"; the same for Timer M in 'Accepted'.
    #[test]
    fn timers_d_and_m_end_it() {
        check_both(Completed, EndTimer, Terminated, Actions::TERMINATED);
        check_both(Accepted, EndTimer, Terminated, Actions::TERMINATED);
    }

    /// RFC 6026 Figure 5: "Transport Err. / inform TU" leaves Calling and Completed only.
    #[test]
    fn a_transport_error_ends_calling_and_completed() {
        let failed = Actions::tell(Tell::TransportFailed).terminate();
        check_both(CALLING, TransportFailed, Terminated, failed);
        check_both(Completed, TransportFailed, Terminated, failed);
        check_both(Proceeding, TransportFailed, Proceeding, Actions::NOTHING);
        check_both(Accepted, TransportFailed, Accepted, Actions::NOTHING);
    }

    #[test]
    fn abandoned_it_is_over_and_then_hears_nothing() {
        for state in STATES {
            check_both(state, Abandon, Terminated, Actions::TERMINATED);
        }
        for input in [ResendTimer, EndTimer, TransportFailed, Response(180), Response(200), Response(486)] {
            check_both(Terminated, input, Terminated, Actions::TERMINATED);
        }
    }
}
