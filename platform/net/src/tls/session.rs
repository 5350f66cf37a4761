//! One side of a TLS connection as a value: records in, records out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, ServerConfig};

use super::TlsFailure;
use super::failure::HANDSHAKE;

/// What sealing adds to a message at most, bytes: header, authentication tag and padding of one record.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// Largest piece that one record carries, bytes: RFC 8446 §5.1.
const RECORD_BYTES_MAX: usize = 16 * 1024;

/// The keys and the state of one connection.
pub(crate) struct Session {
    side: Side,
    /// Somebody has been told that the handshake is over.
    announced: bool,
    /// Something valid has come: what is wrong later is not "no TLS at all".
    begun: bool,
    /// Bytes that came and are not used yet: the beginning of a record, or of a handshake message. The library refers
    /// to them by their place, so it sees them with every call.
    rest: Vec<u8>,
}

enum Side {
    /// The peer opened the connection.
    Server(UnbufferedServerConnection),
    /// We did.
    Client(UnbufferedClientConnection),
}

/// What comes out of a session.
pub(crate) enum Came<'a> {
    /// The handshake is over; the certificate that the peer has proved to own, DER.
    Established(Option<&'a [u8]>),
    /// Bytes for the layer above.
    Plain(&'a [u8]),
}

/// Why nothing follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The peer said close_notify.
    Closed,
    Failed(TlsFailure),
}

/// What to do after one step of the session.
enum Next {
    Again,
    Wait,
    Ended(End),
    Error(rustls::Error),
}

impl Session {
    pub(crate) fn accept(config: Arc<ServerConfig>) -> Result<Self, TlsFailure> {
        let session = UnbufferedServerConnection::new(config);
        session.map(|s| Self::new(Side::Server(s))).map_err(|_| TlsFailure::NotConfigured)
    }

    /// One that expects the peer to prove `name`: a domain or an IP address.
    pub(crate) fn open_to(config: Arc<ClientConfig>, name: &str) -> Result<Self, TlsFailure> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsFailure::WrongName)?;
        let session = UnbufferedClientConnection::new(config, name);
        session.map(|s| Self::new(Side::Client(s))).map_err(|_| TlsFailure::NotConfigured)
    }

    fn new(side: Side) -> Self {
        Self { side, announced: false, begun: false, rest: Vec::new() }
    }

    /// Whether messages may not pass yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        match &self.side {
            Side::Server(session) => session.is_handshaking(),
            Side::Client(session) => session.is_handshaking(),
        }
    }

    /// What must lie before fresh bytes when [`Session::open`] is called.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Bytes of its buffer.
    pub(crate) fn held_bytes(&self) -> usize {
        self.rest.capacity()
    }

    /// Opens the whole records of `sealed` ([`Session::rest`] and what came after it): what they carry is delivered,
    /// what the session itself has to say is appended to `reply`. `Some` if nothing follows any more.
    pub(crate) fn open(
        &mut self,
        sealed: &mut [u8],
        reply: &mut Vec<u8>,
        mut deliver: impl FnMut(Came<'_>),
    ) -> Option<End> {
        // A panic would be a bug of the library. It must end this connection, not those of the whole shard.
        let opening = AssertUnwindSafe(|| self.open_records(sealed, reply, &mut deliver));
        let broken = Some(End::Failed(TlsFailure::Broken));
        let (used, end) = catch_unwind(opening).unwrap_or((sealed.len(), broken));
        self.begun |= used > 0;
        self.rest.clear();
        self.rest.extend_from_slice(&sealed[used..]);
        if self.rest.is_empty() {
            // Given back: a quiet connection holds no buffer.
            self.rest = Vec::new();
        }
        end
    }

    fn open_records(
        &mut self,
        sealed: &mut [u8],
        reply: &mut Vec<u8>,
        deliver: &mut impl FnMut(Came<'_>),
    ) -> (usize, Option<End>) {
        let first = sealed.first().copied().filter(|_| !self.begun);
        let mut used = 0;
        let mut renegotiates = false;
        loop {
            // Only TLS 1.2 shows the type; there, a handshake that follows the first is a wish for another one.
            let is_handshake = self.announced && sealed.get(used) == Some(&HANDSHAKE);
            // Whose bytes these are is told before them.
            let mut early = Vec::new();
            let is_early = !self.announced;
            let mut hold = |plain: &[u8]| match is_early {
                true => early.push(plain.to_vec()),
                false => deliver(Came::Plain(plain)),
            };
            let (discard, next) = self.side.step(&mut sealed[used..], reply, &mut hold);
            used += discard;
            renegotiates |= is_handshake && discard > 0;
            if is_early && !self.is_handshaking() {
                self.announced = true;
                deliver(Came::Established(self.side.peer_certificate()));
            }
            early.iter().for_each(|plain| deliver(Came::Plain(plain)));
            let end = match next {
                Next::Again => continue,
                // The library has refused it with an alert (no_renegotiation), and would wait for more.
                Next::Wait if renegotiates => Some(End::Failed(TlsFailure::Renegotiation)),
                Next::Wait => None,
                Next::Ended(end) => Some(end),
                Next::Error(error) => {
                    // The alert that tells the peer what was wrong.
                    let _ = self.side.step(&mut sealed[used..], reply, &mut |_: &[u8]| {});
                    Some(End::Failed(TlsFailure::of(&error, first)))
                }
            };
            return (used, end);
        }
    }

    /// Seals a message. Fails when these keys have sealed all they may.
    pub(crate) fn seal(&mut self, message: &[u8], sealed: &mut Vec<u8>) -> Result<(), TlsFailure> {
        let records = message.len() / RECORD_BYTES_MAX + 1;
        let start = sealed.len();
        // Twice, for keys that are about to be used up announce new ones in a record of their own.
        sealed.resize(start + message.len() + (records + 1) * RECORD_OVERHEAD_BYTES, 0);
        let written = self.with_traffic(|traffic| match traffic {
            Traffic::Server(mut t) => t.encrypt(message, &mut sealed[start..]).map_err(refused),
            Traffic::Client(mut t) => t.encrypt(message, &mut sealed[start..]).map_err(refused),
        });
        sealed.truncate(start + *written.as_ref().unwrap_or(&0));
        written.map(drop)
    }

    /// Says that nothing follows: RFC 8446 §6.1.
    pub(crate) fn say_goodbye(&mut self, sealed: &mut Vec<u8>) {
        let start = sealed.len();
        sealed.resize(start + 2 * RECORD_OVERHEAD_BYTES, 0);
        let written = self.with_traffic(|traffic| match traffic {
            Traffic::Server(mut t) => t.queue_close_notify(&mut sealed[start..]).map_err(refused),
            Traffic::Client(mut t) => t.queue_close_notify(&mut sealed[start..]).map_err(refused),
        });
        sealed.truncate(start + written.unwrap_or(0));
    }

    fn with_traffic<T>(
        &mut self,
        act: impl FnOnce(Traffic<'_>) -> Result<T, TlsFailure>,
    ) -> Result<T, TlsFailure> {
        let rest = &mut self.rest;
        let acting = AssertUnwindSafe(|| match &mut self.side {
            Side::Server(session) => match session.process_tls_records(rest).state {
                Ok(ConnectionState::WriteTraffic(traffic)) => act(Traffic::Server(traffic)),
                _ => Err(TlsFailure::Broken),
            },
            Side::Client(session) => match session.process_tls_records(rest).state {
                Ok(ConnectionState::WriteTraffic(traffic)) => act(Traffic::Client(traffic)),
                _ => Err(TlsFailure::Broken),
            },
        });
        catch_unwind(acting).unwrap_or(Err(TlsFailure::Broken))
    }
}

impl Side {
    fn step(
        &mut self,
        sealed: &mut [u8],
        reply: &mut Vec<u8>,
        deliver: &mut impl FnMut(&[u8]),
    ) -> (usize, Next) {
        match self {
            Self::Server(session) => take(session.process_tls_records(sealed), reply, deliver),
            Self::Client(session) => take(session.process_tls_records(sealed), reply, deliver),
        }
    }

    fn peer_certificate(&self) -> Option<&[u8]> {
        let chain = match self {
            Self::Server(session) => session.peer_certificates(),
            Self::Client(session) => session.peer_certificates(),
        };
        chain?.first().map(|own| own.as_ref())
    }
}

enum Traffic<'c> {
    Server(rustls::unbuffered::WriteTraffic<'c, rustls::server::ServerConnectionData>),
    Client(rustls::unbuffered::WriteTraffic<'c, rustls::client::ClientConnectionData>),
}

fn refused(_: EncryptError) -> TlsFailure {
    TlsFailure::Broken
}

fn take<D>(
    status: UnbufferedStatus<'_, '_, D>,
    reply: &mut Vec<u8>,
    deliver: &mut impl FnMut(&[u8]),
) -> (usize, Next) {
    let UnbufferedStatus { discard, state } = status;
    let next = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            while let Some(Ok(record)) = traffic.next_record() {
                deliver(record.payload);
            }
            Next::Again
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            append(reply, |room| data.encode(room));
            Next::Again
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Next::Again
        }
        Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => Next::Wait,
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Next::Ended(End::Closed),
        // Early data is never offered.
        Ok(_) => Next::Ended(End::Failed(TlsFailure::Broken)),
        Err(error) => Next::Error(error),
    };
    (discard, next)
}

/// Appends what `encode` writes; it says how much room it needs when there is not enough.
fn append(reply: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let start = reply.len();
    let written = match encode(&mut []) {
        Err(EncodeError::InsufficientSize(need)) => {
            reply.resize(start + need.required_size, 0);
            encode(&mut reply[start..])
        }
        done => done,
    };
    reply.truncate(start + written.unwrap_or(0));
}
