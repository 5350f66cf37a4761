//! How shards reach each other: one bounded mailbox each, and a bell.
//!
//! A hand-over costs a lock and, if the other shard sleeps, a wake-up of 2 to 3 µs: it must be rare. What belongs
//! together should meet in one shard from the start.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use offhook_locate::Finding;

use crate::sys::EventFd;
use crate::{Flow, IcmpError, Ticket};

/// Mails that wait for one shard: 30 ms of its work. Beyond it they are lost: a datagram is sent again by its sender,
/// a send fails.
const MAILS_MAX: usize = 4_096;

/// Bytes that wait for one shard.
const MAIL_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What one shard gives another.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Mail {
    /// A message that was received there and belongs here.
    Received { flow: Flow, bytes: Box<[u8]> },
    /// An ICMP error that was received there, about a datagram that was sent here.
    Error { to: Flow, error: IcmpError, quoted: Box<[u8]> },
    /// A message for a connection that is owned here; `origin` asks about the ticket.
    Send { flow: Flow, bytes: Box<[u8]>, ticket: Ticket, origin: u8 },
    /// The answer to a `Send` that could not leave.
    Failed { ticket: Ticket },
    /// What became of a name that was asked for.
    Located(Box<Finding>),
    /// Somebody has something for the engine.
    Rung,
}

impl Mail {
    fn len(&self) -> usize {
        match self {
            Self::Received { bytes, .. } | Self::Send { bytes, .. } => bytes.len(),
            Self::Error { quoted, .. } => quoted.len(),
            Self::Failed { .. } | Self::Located(_) | Self::Rung => 0,
        }
    }
}

/// Where findings about names are handed in, from another thread.
#[derive(Clone, Debug)]
pub struct NamesDesk(pub(crate) Arc<Mailboxes>);

impl NamesDesk {
    /// Gives a finding to the shard that asked. A shard that is swamped does not get it; it asks again.
    pub fn deliver(&self, shard: u8, finding: Finding) {
        let _ = self.0.post(shard, Mail::Located(Box::new(finding)));
    }
}

/// Wakes shards for what other threads have for their engines.
#[derive(Clone, Debug)]
pub struct Bells(pub(crate) Arc<Mailboxes>);

impl Bells {
    /// Has the shard's engine look: [`crate::Engine::rung`]. A shard that is swamped is not woken; it is awake.
    pub fn ring(&self, shard: u8) {
        let _ = self.0.post(shard, Mail::Rung);
    }
}

/// The mailboxes of all shards of a process.
#[derive(Debug)]
pub(crate) struct Mailboxes(Vec<Mailbox>);

#[derive(Debug)]
struct Mailbox {
    waiting: Mutex<Waiting>,
    bell: EventFd,
}

#[derive(Default, Debug)]
struct Waiting {
    mails: VecDeque<Mail>,
    bytes: usize,
}

impl Mailboxes {
    pub(crate) fn new(shards: usize) -> io::Result<Arc<Self>> {
        let boxes = (0..shards).map(|_| Ok(Mailbox { waiting: Mutex::default(), bell: EventFd::new()? }));
        Ok(Arc::new(Self(boxes.collect::<io::Result<_>>()?)))
    }

    /// Puts a mail into a shard's box; gives it back if that is full or there is no such shard.
    pub(crate) fn post(&self, shard: u8, mail: Mail) -> Result<(), Mail> {
        let Some(mailbox) = self.0.get(usize::from(shard)) else { return Err(mail) };
        let mut waiting = mailbox.lock();
        let bytes = waiting.bytes + mail.len();
        if waiting.mails.len() >= MAILS_MAX || bytes > MAIL_BYTES_MAX {
            return Err(mail);
        }
        let first = waiting.mails.is_empty();
        waiting.mails.push_back(mail);
        waiting.bytes = bytes;
        drop(waiting);
        if first {
            mailbox.bell.raise();
        }
        Ok(())
    }

    /// Takes everything out of a shard's box.
    pub(crate) fn collect(&self, shard: u8) -> VecDeque<Mail> {
        let mailbox = &self.0[usize::from(shard)];
        // The bell first: a mail that comes in between rings it again.
        mailbox.bell.lower();
        std::mem::take(&mut *mailbox.lock()).mails
    }

    /// What becomes readable when a shard has mail.
    pub(crate) fn bell(&self, shard: u8) -> BorrowedFd<'_> {
        self.0[usize::from(shard)].bell.as_fd()
    }
}

impl Mailbox {
    /// A shard that panicked has left its mails in order: none is half written.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Epoll, Interest, Ready};

    fn failed(ticket: Ticket) -> Mail {
        Mail::Failed { ticket }
    }

    #[test]
    fn the_bell_rings_while_there_is_mail() {
        let boxes = Mailboxes::new(2).unwrap();
        let (epoll, mut ready) = (Epoll::new().unwrap(), Ready::new(1));
        epoll.add(boxes.bell(1), 0, Interest::READ).unwrap();
        boxes.post(0, failed(9)).unwrap();
        assert_eq!(epoll.wait(&mut ready, Some(0)).unwrap(), 0);
        boxes.post(1, failed(1)).unwrap();
        boxes.post(1, failed(2)).unwrap();
        assert_eq!(epoll.wait(&mut ready, Some(0)).unwrap(), 1);
        assert_eq!(boxes.collect(1), [failed(1), failed(2)]);
        assert_eq!(epoll.wait(&mut ready, Some(0)).unwrap(), 0);
        boxes.post(1, failed(3)).unwrap();
        assert_eq!(epoll.wait(&mut ready, Some(0)).unwrap(), 1);
    }

    #[test]
    fn a_full_box_gives_the_mail_back() {
        let boxes = Mailboxes::new(1).unwrap();
        for ticket in 0..MAILS_MAX as u64 {
            boxes.post(0, failed(ticket)).unwrap();
        }
        assert_eq!(boxes.post(0, failed(99)), Err(failed(99)));
        assert_eq!(boxes.collect(0).len(), MAILS_MAX);
        assert_eq!(boxes.post(0, failed(99)), Ok(()));
        assert_eq!(boxes.post(1, failed(99)), Err(failed(99)), "there is no shard 1");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let boxes = Mailboxes::new(1).unwrap();
        let flow = Flow {
            transport: offhook_sip::Transport::Udp,
            listener: 0,
            connection: crate::ConnectionId::NONE,
            remote: "192.0.2.1:5060".parse().unwrap(),
        };
        let mail = |bytes: usize| Mail::Received { flow, bytes: vec![0; bytes].into() };
        boxes.post(0, mail(MAIL_BYTES_MAX - 1)).unwrap();
        assert!(boxes.post(0, mail(2)).is_err());
        assert!(boxes.post(0, mail(1)).is_ok());
    }
}
