//! One UDP socket and what waits to leave by it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use offhook_sip::Transport;

use crate::fallout::Fallout;
use crate::sys::{SendBatch, receive_fill_permille, wait_writable};
use crate::{ConnectionId, Flow, NetCounters, Outbox};

/// How often a batch waits for room in the kernel's send buffer before the rest of it is given up, and how long each
/// time, milliseconds. 10 ms in all: a network card that empties nothing of 4 MiB in that time is congested, and SIP
/// sends again by its own timers.
const FULL_RETRIES: usize = 5;
const FULL_WAIT_MS: i32 = 2;

/// The fill of the queue is asked for after so many full batches: every half millisecond at most, and an answer costs a
/// third of a microsecond.
const FULL_BATCHES_PER_LOOK: u32 = 4;

pub(super) struct UdpPort {
    listener: u16,
    socket: UdpSocket,
    /// Indices in the outbox, in its order.
    waiting: Vec<usize>,
    /// Full batches received in a row.
    full_batches: u32,
}

impl UdpPort {
    pub(super) fn new(listener: u16, socket: UdpSocket) -> Self {
        Self { listener, socket, waiting: Vec::new(), full_batches: 0 }
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn flow(&self, remote: SocketAddr) -> Flow {
        Flow { transport: Transport::Udp, listener: self.listener, connection: ConnectionId::NONE, remote }
    }

    /// What there is to tell about the receive queue after a batch: its fill, in thousandths. Asking the kernel is
    /// worth it only while batches are full, and not each time.
    pub(super) fn load(&mut self, batch_was_full: bool) -> Option<u16> {
        if !batch_was_full {
            return (std::mem::take(&mut self.full_batches) > 0).then_some(0);
        }
        self.full_batches = self.full_batches.wrapping_add(1);
        let asks = self.full_batches.is_multiple_of(FULL_BATCHES_PER_LOOK);
        asks.then(|| receive_fill_permille(self.socket.as_fd()).unwrap_or(0))
    }

    pub(super) fn enqueue(&mut self, index: usize) {
        self.waiting.push(index);
    }

    /// Sends what waits, in as few system calls as the batch has room for.
    pub(super) fn send(
        &mut self,
        out: &Outbox,
        (batch, shard): (&mut SendBatch, u8),
        counters: &NetCounters,
        fallout: &mut Fallout,
    ) {
        let mut waiting = &self.waiting[..];
        let mut retries = 0;
        while let Some(first) = waiting.first() {
            let messages = waiting.iter().map(|index| {
                let message = &out.outgoing()[*index];
                (message.flow.remote, out.bytes(message.bytes.clone()))
            });
            match batch.send(self.socket.as_fd(), messages) {
                Ok(sent) => {
                    counters.batches_out.add(1);
                    counters.datagrams_out.add(sent as u64);
                    waiting = &waiting[sent..];
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if is_full(&e) && retries < FULL_RETRIES => {
                    retries += 1;
                    wait_writable(self.socket.as_fd(), FULL_WAIT_MS);
                }
                Err(e) if is_full(&e) => {
                    counters.datagrams_lost.add(waiting.len() as u64);
                    break;
                }
                // Too long, no route, forbidden: this one, not those behind it.
                Err(_) => {
                    fallout.failed.push((shard, out.outgoing()[*first].ticket));
                    waiting = &waiting[1..];
                }
            }
        }
        self.waiting.clear();
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM))
}
