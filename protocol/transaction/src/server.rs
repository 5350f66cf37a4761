//! Server transactions: RFC 3261 §17.2, RFC 6026 §7.1.

use crate::deadlines::{Deadlines, Kind};
use crate::held::Held;
use crate::key::EncodedKey;
use crate::layer::{apply, slot_of};
use crate::{
    Actions, Dispatch, Due, InviteServer, KEY_BYTES_MAX, NonInviteServer, OpenError, ServerId, ServerInput,
    ServerKey, Slab, Tell, Timing, Transactions,
};

/// A server transaction.
#[derive(Debug)]
pub struct ServerRecord<S> {
    /// The transaction user's data.
    pub user: S,
    pub(crate) held: Held,
    pub(crate) deadlines: Deadlines,
    hash: u32,
    machine: ServerState,
    reliable: bool,
}

/// The machine of a server transaction in its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerState {
    /// RFC 3261 Figure 7.
    Invite(InviteServer),
    /// RFC 3261 Figure 8.
    NonInvite(NonInviteServer),
}

/// What is to be done with a response of the user's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum ServerVerdict {
    /// Send it.
    Send,
    /// Do not send it: a final response went out before, or RFC 4320 forbids it, or the transaction is over
    /// (RFC 6026 §8.3: "the response is simply discarded").
    Discard,
}

/// What is to be done with an ACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum AckVerdict {
    /// It belongs to the transaction and ends here.
    Absorb,
    /// It acknowledges a 2xx: handle it as a request without a transaction (RFC 6026 §7.1).
    ToUser,
}

impl<S, C> Transactions<S, C> {
    /// The transaction that a request repeats: RFC 3261 §17.2.3. For an ACK see [`Self::find_acknowledged`].
    pub fn find_server(&mut self, key: &ServerKey<'_>) -> Option<ServerId> {
        self.seek(|wanted| wanted.set(key))?;
        self.find_encoded()
    }

    /// The INVITE transaction that a CANCEL means, given the key of the CANCEL itself: RFC 3261 §9.2. (A CANCEL of
    /// another method has no effect there.) Its own transaction is found and opened like any other.
    pub fn find_cancelled(&mut self, key: &ServerKey<'_>) -> Option<ServerId> {
        self.seek(|wanted| wanted.set_for_method(key, b"INVITE"))?;
        self.find_encoded()
    }

    /// The INVITE transaction that an ACK acknowledges: RFC 3261 §17.2.3. Then ask [`Self::ack`].
    ///
    /// The ACK of an RFC 2543 client repeats the To tag of the response: `has_tag` is asked whether the response
    /// given to it has the ACK's. It is not asked otherwise.
    pub fn find_acknowledged(
        &mut self,
        key: &ServerKey<'_>,
        has_tag: impl Fn(&[u8]) -> bool,
    ) -> Option<ServerId> {
        self.seek(|wanted| wanted.set_for_method(key, b"INVITE"))?;
        if matches!(key, ServerKey::Rfc3261 { .. }) {
            return self.find_encoded();
        }
        let wanted = self.key.without_to_tag();
        self.find_where(|record| {
            let completed = matches!(record.machine, ServerState::Invite(InviteServer::Completed { .. }));
            record.held.key().starts_with(wanted) && (!completed || has_tag(record.held.response()))
        })
    }

    /// Opens a transaction for a request that repeats none and is not an ACK. `reliable`: it came over a stream.
    ///
    /// Where nothing has to be decided before, this alone will do: a repetition is answered by
    /// [`OpenError::AlreadyOpen`], and [`Self::find_server`] beforehand would hash the key twice.
    ///
    /// The machine begins in Proceeding (INVITE) or Trying; the request is the user's to handle. If the user has not
    /// answered an INVITE within 200 ms, a 100 is due (§17.2.1): [`Self::set_user_timer`].
    pub fn open_server(
        &mut self,
        now_ms: u64,
        key: &ServerKey<'_>,
        invite: bool,
        reliable: bool,
        user: S,
    ) -> Result<ServerId, OpenError> {
        self.set_key(|wanted| wanted.set(key));
        if let Some(id) = self.find_encoded() {
            return Err(OpenError::AlreadyOpen(id));
        }
        self.check_room()?;
        let (machine, actions) = ServerState::start(invite, &self.timing);
        let hash = self.hash;
        let held = Held::new(&mut self.buffers, self.key.bytes());
        let record = ServerRecord { user, held, deadlines: Deadlines::default(), hash, machine, reliable };
        let id = match self.servers.insert(record) {
            Ok(id) => ServerId(id),
            Err(record) => {
                record.held.give_back(&mut self.buffers);
                return Err(OpenError::ServersFull);
            }
        };
        let servers = &self.servers;
        self.table
            .insert(hash, slot_of(id), |slot| servers.occupant(slot).map_or(0, |(_, record)| record.hash));
        self.apply_server(now_ms, id, &actions);
        Ok(id)
    }

    /// Keeps the received request until the final response, for forwarding it later or answering it. The transaction
    /// itself does not need it.
    pub fn keep_request(&mut self, id: ServerId, request: &[u8]) {
        if let Some(record) = self.servers.get_mut(id.0).filter(|record| !record.machine.is_answered()) {
            record.held.keep_request(&mut self.buffers, request);
        }
    }

    /// The request came again. The last response, if it is to be sent again; otherwise the request is absorbed.
    pub fn request_again(&mut self, now_ms: u64, id: ServerId) -> Option<&[u8]> {
        let actions = self.server_input(now_ms, id, ServerInput::Request)?;
        let response = self.servers.get(id.0)?.response();
        (actions.dispatch == Dispatch::Response && !response.is_empty()).then_some(response)
    }

    /// The user answers. A copy is kept of what a repetition of the request will be answered with: of a provisional
    /// response, of a final one over datagrams, of one to an INVITE until its ACK; not of a 2xx to an INVITE, which
    /// the UAS itself repeats (§13.3.1.4).
    pub fn respond(&mut self, now_ms: u64, id: ServerId, status: u16, response: &[u8]) -> ServerVerdict {
        let Some(actions) = self.server_input(now_ms, id, ServerInput::Respond(status)) else {
            return ServerVerdict::Discard;
        };
        if actions.dispatch != Dispatch::Given {
            return ServerVerdict::Discard;
        }
        if let Some(record) = self.servers.get_mut(id.0) {
            match record.machine {
                ServerState::Invite(InviteServer::Proceeding)
                | ServerState::NonInvite(NonInviteServer::Proceeding) => {
                    record.held.keep_provisional(&mut self.buffers, status, response);
                }
                ServerState::Invite(InviteServer::Completed { .. }) => {
                    record.held.keep_final(&mut self.buffers, status, response);
                }
                ServerState::NonInvite(NonInviteServer::Completed) if !record.reliable => {
                    record.held.keep_final(&mut self.buffers, status, response);
                }
                ServerState::Invite(_) | ServerState::NonInvite(_) => {
                    record.held.keep_nothing(&mut self.buffers, status);
                }
            }
        }
        ServerVerdict::Send
    }

    /// An ACK matched: [`Self::find_acknowledged`].
    pub fn ack(&mut self, now_ms: u64, id: ServerId) -> AckVerdict {
        let Some(actions) = self.server_input(now_ms, id, ServerInput::Ack) else {
            return AckVerdict::ToUser;
        };
        if actions.tell == Tell::Message {
            return AckVerdict::ToUser;
        }
        if let Some(record) = self.servers.get_mut(id.0)
            && record.machine == ServerState::Invite(InviteServer::Confirmed)
        {
            let status = record.held.status();
            record.held.keep_nothing(&mut self.buffers, status);
        }
        AckVerdict::Absorb
    }

    /// A response could not be sent, to no address of RFC 3263 §5. The state remains (RFC 6026 §8.8); the answer says
    /// whether the user "SHOULD" know.
    pub fn server_transport_failed(&mut self, now_ms: u64, id: ServerId) -> bool {
        let actions = self.server_input(now_ms, id, ServerInput::TransportFailed);
        actions.is_some_and(|actions| actions.tell == Tell::TransportFailed)
    }

    /// The user will not answer: `ServerEnded` comes next. A repetition of the request would then be a new request.
    pub fn abandon_server(&mut self, now_ms: u64, id: ServerId) {
        let _ended_later = self.server_input(now_ms, id, ServerInput::Abandon);
    }

    /// A server transaction.
    pub fn server(&self, id: ServerId) -> Option<&ServerRecord<S>> {
        self.servers.get(id.0)
    }

    /// The INVITEs that wait for their final response. Looks at all there is: not for every day.
    pub fn unanswered_invites(&self) -> Vec<ServerId> {
        let waits = |record: &ServerRecord<S>| {
            matches!(record.state(), ServerState::Invite(_)) && !record.state().is_answered()
        };
        let records = (0..self.servers.slots()).filter_map(|slot| self.servers.occupant(slot));
        records.filter(|(_, record)| waits(record)).map(|(id, _)| ServerId(id)).collect()
    }

    /// A server transaction, its user data to be changed.
    pub fn server_mut(&mut self, id: ServerId) -> Option<&mut ServerRecord<S>> {
        self.servers.get_mut(id.0)
    }

    pub(crate) fn server_timer(&mut self, now_ms: u64, id: ServerId, kind: Kind) -> Option<Due<S, C>> {
        let input = if kind == Kind::Resend { ServerInput::ResendTimer } else { ServerInput::EndTimer };
        let record = self.servers.get_mut(id.0)?;
        let actions = record.machine.on(input, record.reliable, &self.timing);
        if actions == Actions::TERMINATED {
            let record = self.servers.remove(id.0)?;
            self.table.remove(record.hash, slot_of(id));
            record.held.give_back(&mut self.buffers);
            return Some(Due::ServerEnded(id, record.user));
        }
        self.apply_server(now_ms, id, &actions);
        match actions {
            Actions { tell: Tell::TimedOut, .. } => Some(Due::ServerTimedOut(id)),
            Actions { dispatch: Dispatch::Response, .. } => Some(Due::ResendResponse(id)),
            _ => None,
        }
    }

    fn check_room(&self) -> Result<(), OpenError> {
        if self.key.bytes().len() > KEY_BYTES_MAX {
            return Err(OpenError::KeyTooLong);
        }
        if self.servers.is_full() {
            return Err(OpenError::ServersFull);
        }
        if self.buffers.live_bytes() >= self.limits.message_bytes_max {
            return Err(OpenError::BytesFull);
        }
        Ok(())
    }

    fn server_input(&mut self, now_ms: u64, id: ServerId, input: ServerInput) -> Option<Actions> {
        let record = self.servers.get_mut(id.0)?;
        let actions = record.machine.on(input, record.reliable, &self.timing);
        apply(&mut record.deadlines, &mut self.timers, now_ms, id.into(), &actions);
        Some(actions)
    }

    fn apply_server(&mut self, now_ms: u64, id: ServerId, actions: &Actions) {
        if let Some(record) = self.servers.get_mut(id.0) {
            apply(&mut record.deadlines, &mut self.timers, now_ms, id.into(), actions);
        }
    }

    /// Writes down what is looked for. `None`: nothing can be found, as where all is answered and forwarded without state.
    fn seek(&mut self, write: impl FnOnce(&mut EncodedKey)) -> Option<()> {
        if self.servers.is_empty() {
            return None;
        }
        self.set_key(write);
        Some(())
    }

    /// Writes down a key, and its hash. Hashing costs more than to see that it is the same key as before.
    fn set_key(&mut self, write: impl FnOnce(&mut EncodedKey)) {
        std::mem::swap(&mut self.key, &mut self.key_before);
        write(&mut self.key);
        if self.key != self.key_before {
            self.hash = self.table.hash(&self.key);
        }
    }

    fn find_encoded(&self) -> Option<ServerId> {
        let wanted = self.key.bytes();
        self.find_where(|record| record.held.key() == wanted)
    }

    fn find_where(&self, is_it: impl Fn(&ServerRecord<S>) -> bool) -> Option<ServerId> {
        let hash = self.hash;
        let servers: &Slab<_> = &self.servers;
        let is_it =
            |slot| servers.occupant(slot).is_some_and(|(_, record)| record.hash == hash && is_it(record));
        let slot = self.table.find(hash, is_it)?;
        servers.occupant(slot).map(|(id, _)| ServerId(id))
    }
}

impl<S> ServerRecord<S> {
    /// The machine and its state.
    pub fn state(&self) -> ServerState {
        self.machine
    }

    /// Whether the request came over a transport that does not lose messages.
    pub fn is_reliable(&self) -> bool {
        self.reliable
    }

    /// The request given to [`Transactions::keep_request`], until the final response; then empty.
    pub fn request(&self) -> &[u8] {
        self.held.request()
    }

    /// The last response kept for repetition; empty if there is none.
    pub fn response(&self) -> &[u8] {
        self.held.response()
    }

    /// The status code of the last response sent, 0 before.
    pub fn status(&self) -> u16 {
        self.held.status()
    }
}

impl ServerState {
    fn start(invite: bool, timing: &Timing) -> (Self, Actions) {
        if invite {
            let (machine, actions) = InviteServer::start();
            (Self::Invite(machine), actions)
        } else {
            let (machine, actions) = NonInviteServer::start(timing);
            (Self::NonInvite(machine), actions)
        }
    }

    fn on(&mut self, input: ServerInput, reliable: bool, timing: &Timing) -> Actions {
        match self {
            Self::Invite(machine) => machine.on(input, reliable, timing),
            Self::NonInvite(machine) => machine.on(input, reliable, timing),
        }
    }

    /// Whether a final response went out, or none will any more.
    pub fn is_answered(self) -> bool {
        !matches!(
            self,
            Self::Invite(InviteServer::Proceeding)
                | Self::NonInvite(NonInviteServer::Trying | NonInviteServer::Proceeding)
        )
    }
}
