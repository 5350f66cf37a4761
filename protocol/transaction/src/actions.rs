//! What can happen to a transaction, and what its machine then asks for. Shared by the four machines.

/// What can happen to a client transaction: RFC 3261 §17.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientInput {
    /// A response with this status code matched the transaction.
    Response(u16),
    /// Timer A or E fired.
    ResendTimer,
    /// Timer B, D, F, K or M fired, whichever the state has set.
    EndTimer,
    /// The transport could not send the request or the ACK: §17.1.4.
    TransportFailed,
    /// The user wants nothing more from it: Timer C (§16.8), a CANCEL without effect (§9.1).
    Abandon,
}

/// What can happen to a server transaction: RFC 3261 §17.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerInput {
    /// The request came once more.
    Request,
    /// The user hands over a response with this status code.
    Respond(u16),
    /// An ACK matched: INVITE only.
    Ack,
    /// Timer G fired.
    ResendTimer,
    /// Timer H, I, J or L fired, whichever the state has set.
    EndTimer,
    /// The transport could not send a response: RFC 6026 §8.8.
    TransportFailed,
    /// The user will not answer.
    Abandon,
}

/// What a machine asks for after one input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Actions {
    /// The message to give to the transport.
    pub dispatch: Dispatch,
    /// What the transaction user is to know.
    pub tell: Tell,
    /// Timers A, E, G.
    pub resend: Set,
    /// Timers B, D, F, H, I, J, K, L, M.
    pub end: Set,
    /// The machine is in Terminated: "it MUST be destroyed".
    pub terminated: bool,
}

/// Which message goes to the transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dispatch {
    /// None.
    Nothing,
    /// The response that the user has just handed over.
    Given,
    /// The request once more.
    Request,
    /// The last response once more.
    Response,
    /// The ACK to a non-2xx final response: built now if the response is passed to the user, else once more.
    Ack,
}

/// What the transaction user is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tell {
    /// Nothing: the message, if it was one, is absorbed.
    Nothing,
    /// The received message itself.
    Message,
    /// Timer B or F: no final answer came. Timer H: no ACK came.
    TimedOut,
    /// The transport failed.
    TransportFailed,
}

/// What becomes of a timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Set {
    /// As it is.
    Keep,
    /// It will not fire.
    Stop,
    /// It fires in so many milliseconds.
    After(u32),
    /// It fires in at least so many milliseconds. Nobody but the memory waits for it, so that many transactions may
    /// be ended by one wake-up.
    Linger(u32),
}

impl Actions {
    pub(crate) const NOTHING: Self = Self {
        dispatch: Dispatch::Nothing,
        tell: Tell::Nothing,
        resend: Set::Keep,
        end: Set::Keep,
        terminated: false,
    };

    pub(crate) const TERMINATED: Self = Self { terminated: true, ..Self::NOTHING };

    pub(crate) const fn send(dispatch: Dispatch) -> Self {
        Self { dispatch, ..Self::NOTHING }
    }

    pub(crate) const fn tell(tell: Tell) -> Self {
        Self { tell, ..Self::NOTHING }
    }

    pub(crate) const fn and_tell(self, tell: Tell) -> Self {
        Self { tell, ..self }
    }

    pub(crate) const fn resend(self, resend: Set) -> Self {
        Self { resend, ..self }
    }

    pub(crate) const fn end(self, end: Set) -> Self {
        Self { end, ..self }
    }

    pub(crate) const fn terminate(self) -> Self {
        Self { terminated: true, ..self }
    }
}
