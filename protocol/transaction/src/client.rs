//! Client transactions: RFC 3261 §17.1, RFC 6026 §7.2.

use crate::deadlines::{Deadlines, Kind};
use crate::layer::apply;
use crate::{
    Actions, Buffer, ClientId, ClientInput, Dispatch, Due, InviteClient, NonInviteClient, OpenError, Tell,
    Timing, Transactions,
};

/// A client transaction.
#[derive(Debug)]
pub struct ClientRecord<C> {
    /// The transaction user's data.
    pub user: C,
    /// The request; after a refusal of an INVITE the ACK.
    message: Buffer,
    pub(crate) deadlines: Deadlines,
    cancel: Option<ClientId>,
    machine: ClientState,
    reliable: bool,
    message_is_ack: bool,
}

/// The machine of a client transaction in its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientState {
    /// RFC 3261 Figure 5.
    Invite(InviteClient),
    /// RFC 3261 Figure 6.
    NonInvite(NonInviteClient),
}

/// What is to be done with a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum ClientVerdict {
    /// Nothing: a repetition, or its transaction is over (RFC 6026 §8.2: "MUST NOT forward the response").
    Discard,
    /// It is the user's: a proxy forwards it, a UAC acts on it.
    Pass,
    /// It is the user's, and an ACK built from it and [`ClientRecord::request`] is sent (RFC 3261 §17.1.1.3), then
    /// given to [`Transactions::store_ack`].
    PassAndAck,
    /// It repeats a refusal: send [`ClientRecord::ack`] again.
    AckAgain,
}

impl<S, C> Transactions<S, C> {
    /// Opens a transaction for a request that is sent now. Its name is written into the branch, so the bytes can only
    /// be given afterwards: [`Self::set_request`]. `reliable`: it goes over a stream. ACK has no transaction.
    ///
    /// An INVITE in Proceeding has no timer of its own: a proxy sets Timer C (§16.6 step 11) as the user's timer.
    pub fn open_client(
        &mut self,
        now_ms: u64,
        invite: bool,
        reliable: bool,
        user: C,
    ) -> Result<ClientId, OpenError> {
        if self.buffers.live_bytes() >= self.limits.message_bytes_max {
            return Err(OpenError::BytesFull);
        }
        let (machine, actions) = ClientState::start(invite, reliable, &self.timing);
        let id = self.clients.insert(ClientRecord {
            user,
            message: Buffer::default(),
            deadlines: Deadlines::default(),
            cancel: None,
            machine,
            reliable,
            message_is_ack: false,
        });
        let id = ClientId(id.map_err(|_| OpenError::ClientsFull)?);
        self.apply_client(now_ms, id, &actions);
        Ok(id)
    }

    /// Opens the transaction of a CANCEL of this INVITE: RFC 3261 §9.1. It goes to the same address by the same
    /// transport and has the same branch, so responses to it are found by [`Self::find_client`].
    ///
    /// It can be opened once, and only after a provisional and before a final response. It is ended with its INVITE,
    /// if not before. If the INVITE has no final response 64·T1 later, abandon it.
    pub fn open_cancel(&mut self, now_ms: u64, invite: ClientId, user: C) -> Result<ClientId, OpenError> {
        let record = self.clients.get(invite.0).ok_or(OpenError::NotCancellable)?;
        if record.machine != ClientState::Invite(InviteClient::Proceeding) || record.cancel.is_some() {
            return Err(OpenError::NotCancellable);
        }
        let cancel = self.open_client(now_ms, false, record.reliable, user)?;
        if let Some(record) = self.clients.get_mut(invite.0) {
            record.cancel = Some(cancel);
        }
        Ok(cancel)
    }

    /// The transaction that a response belongs to, given the name in its topmost branch and the method of its CSeq:
    /// RFC 3261 §17.1.3. That the rest of the branch is what we wrote, too, is for the caller to check.
    pub fn find_client(&self, id: ClientId, cseq_method: &[u8]) -> Option<ClientId> {
        let record = self.clients.get(id.0)?;
        match (record.machine, cseq_method) {
            (ClientState::Invite(_), b"INVITE") => Some(id),
            (ClientState::Invite(_), b"CANCEL") => {
                record.cancel.filter(|cancel| self.client(*cancel).is_some())
            }
            (ClientState::Invite(_), _) | (ClientState::NonInvite(_), b"INVITE" | b"ACK") => None,
            (ClientState::NonInvite(_), _) => Some(id),
        }
    }

    /// Keeps the bytes of the request: over datagrams to send them again, over streams because the connection may turn
    /// out to be gone (RFC 3261 §18.1.1), of an INVITE also because the ACK (§17.1.1.3) and CANCEL (§9.1) are built from
    /// them. Let go at the final response, or with the ACK.
    pub fn set_request(&mut self, id: ClientId, request: &[u8]) {
        let Some(record) = self.clients.get_mut(id.0) else { return };
        let wanted = match record.machine {
            ClientState::Invite(InviteClient::Calling { .. } | InviteClient::Proceeding)
            | ClientState::NonInvite(NonInviteClient::Trying { .. } | NonInviteClient::Proceeding) => true,
            ClientState::Invite(_) | ClientState::NonInvite(_) => false,
        };
        if wanted {
            let message = self.buffers.take(request);
            self.buffers.give_back(std::mem::replace(&mut record.message, message));
        }
    }

    /// A response matched: [`Self::find_client`].
    pub fn response(&mut self, now_ms: u64, id: ClientId, status: u16) -> ClientVerdict {
        let Some(actions) = self.client_input(now_ms, id, ClientInput::Response(status)) else {
            return ClientVerdict::Discard;
        };
        if let Some(record) = self.clients.get_mut(id.0)
            && matches!(
                record.machine,
                ClientState::Invite(InviteClient::Accepted)
                    | ClientState::NonInvite(NonInviteClient::Completed)
            )
        {
            self.buffers.give_back(std::mem::take(&mut record.message));
        }
        match (actions.tell, actions.dispatch) {
            (Tell::Message, Dispatch::Ack) => ClientVerdict::PassAndAck,
            (Tell::Message, _) => ClientVerdict::Pass,
            (_, Dispatch::Ack) => ClientVerdict::AckAgain,
            _ => ClientVerdict::Discard,
        }
    }

    /// Keeps the ACK to a refused INVITE in place of the INVITE, for [`ClientVerdict::AckAgain`]. Over a stream the
    /// refusal is not repeated, and nothing is kept.
    pub fn store_ack(&mut self, id: ClientId, ack: &[u8]) {
        let Some(record) = self.clients.get_mut(id.0) else { return };
        if record.machine == ClientState::Invite(InviteClient::Completed) {
            let message = self.buffers.take(if record.reliable { &[] } else { ack });
            self.buffers.give_back(std::mem::replace(&mut record.message, message));
            record.message_is_ack = true;
        }
    }

    /// The request or the ACK could not be sent: RFC 3261 §17.1.4. The answer says whether the user "SHOULD" know: then
    /// the transaction is over, and the next address is the user's to try (RFC 3263 §4.3). `ClientEnded` follows.
    pub fn client_transport_failed(&mut self, now_ms: u64, id: ClientId) -> bool {
        let actions = self.client_input(now_ms, id, ClientInput::TransportFailed);
        actions.is_some_and(|actions| actions.tell == Tell::TransportFailed)
    }

    /// The user wants nothing more of it: Timer C fired without a provisional response (RFC 3261 §16.8), or a CANCEL
    /// had no effect within 64·T1 (§9.1). Responses are discarded from now on; `ClientEnded` comes next.
    pub fn abandon_client(&mut self, now_ms: u64, id: ClientId) {
        let _ended_later = self.client_input(now_ms, id, ClientInput::Abandon);
    }

    /// A client transaction.
    pub fn client(&self, id: ClientId) -> Option<&ClientRecord<C>> {
        self.clients.get(id.0)
    }

    /// A client transaction, its user data to be changed.
    pub fn client_mut(&mut self, id: ClientId) -> Option<&mut ClientRecord<C>> {
        self.clients.get_mut(id.0)
    }

    pub(crate) fn client_timer(&mut self, now_ms: u64, id: ClientId, kind: Kind) -> Option<Due<S, C>> {
        let input = if kind == Kind::Resend { ClientInput::ResendTimer } else { ClientInput::EndTimer };
        let record = self.clients.get_mut(id.0)?;
        let actions = record.machine.on(input, record.reliable, &self.timing);
        if actions == Actions::TERMINATED {
            return self.end_client(now_ms, id);
        }
        self.apply_client(now_ms, id, &actions);
        match actions {
            Actions { tell: Tell::TimedOut, .. } => Some(Due::ClientTimedOut(id)),
            Actions { dispatch: Dispatch::Request, .. } => Some(Due::ResendRequest(id)),
            _ => None,
        }
    }

    /// A CANCEL goes with its INVITE: it has nothing more to cancel, and its responses would find nobody.
    fn end_client(&mut self, now_ms: u64, id: ClientId) -> Option<Due<S, C>> {
        let record = self.clients.remove(id.0)?;
        self.buffers.give_back(record.message);
        if let Some(cancel) = record.cancel {
            self.abandon_client(now_ms, cancel);
        }
        Some(Due::ClientEnded(id, record.user))
    }

    fn client_input(&mut self, now_ms: u64, id: ClientId, input: ClientInput) -> Option<Actions> {
        let record = self.clients.get_mut(id.0)?;
        let actions = record.machine.on(input, record.reliable, &self.timing);
        apply(&mut record.deadlines, &mut self.timers, now_ms, id.into(), &actions);
        Some(actions)
    }

    fn apply_client(&mut self, now_ms: u64, id: ClientId, actions: &Actions) {
        if let Some(record) = self.clients.get_mut(id.0) {
            apply(&mut record.deadlines, &mut self.timers, now_ms, id.into(), actions);
        }
    }
}

impl<C> ClientRecord<C> {
    /// The machine and its state.
    pub fn state(&self) -> ClientState {
        self.machine
    }

    /// Whether the request went over a transport that does not lose messages.
    pub fn is_reliable(&self) -> bool {
        self.reliable
    }

    /// The request given to [`Transactions::set_request`] while it is kept; then empty.
    pub fn request(&self) -> &[u8] {
        if self.message_is_ack { &[] } else { self.message.as_slice() }
    }

    /// The ACK given to [`Transactions::store_ack`]; empty before.
    pub fn ack(&self) -> &[u8] {
        if self.message_is_ack { self.message.as_slice() } else { &[] }
    }

    /// The transaction of the CANCEL of this INVITE.
    pub fn cancel(&self) -> Option<ClientId> {
        self.cancel
    }
}

impl ClientState {
    fn start(invite: bool, reliable: bool, timing: &Timing) -> (Self, Actions) {
        if invite {
            let (machine, actions) = InviteClient::start(reliable, timing);
            (Self::Invite(machine), actions)
        } else {
            let (machine, actions) = NonInviteClient::start(reliable, timing);
            (Self::NonInvite(machine), actions)
        }
    }

    fn on(&mut self, input: ClientInput, reliable: bool, timing: &Timing) -> Actions {
        match self {
            Self::Invite(machine) => machine.on(input, reliable, timing),
            Self::NonInvite(machine) => machine.on(input, reliable, timing),
        }
    }

    /// Whether a final response came, or none will be heeded any more.
    pub fn is_answered(self) -> bool {
        !matches!(
            self,
            Self::Invite(InviteClient::Calling { .. } | InviteClient::Proceeding)
                | Self::NonInvite(NonInviteClient::Trying { .. } | NonInviteClient::Proceeding)
        )
    }
}
