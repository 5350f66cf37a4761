//! One UDP socket and what waits to leave by it.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use offhook_sip::Transport;

use super::gathering::Gathering;
use super::icmp::ErrorCount;
use super::lateness::Lateness;
use crate::fallout::Fallout;
use crate::sys::{SendBatch, Unsent, can_segment, queue_errors, receive_fill_permille, sift, wait_writable};
use crate::{ConnectionId, Flow, NetCounters, Outbox};

/// How often a batch waits for room in the kernel's send buffer before the rest of it is given up, and how long each
/// time, milliseconds. 10 ms in all: a network card that empties nothing of 4 MiB in that time is congested, and SIP
/// sends again by its own timers.
const FULL_RETRIES: usize = 5;
const FULL_WAIT_MS: i32 = 2;

/// How often a datagram is tried again that was refused. An ICMP error makes the next call on its socket fail, whatever that
/// is about; a second one may have come since. What is true of this datagram is still true then.
const OTHERS_ERRORS_MAX: usize = 2;

/// What an Ethernet frame carries of an IPv4 datagram, bytes. Longer ones leave alone; where a path carries less, the
/// first refusal teaches it.
const SEGMENT_BYTES_MAX: usize = 1_472;

pub(super) struct UdpPort {
    listener: u16,
    socket: UdpSocket,
    /// Indices in the outbox, in its order.
    waiting: Vec<usize>,
    gathering: Gathering,
    /// The longest datagram that may leave in a run, bytes; 0: none may.
    segment_max: usize,
    pub(super) lateness: Lateness,
    pub(super) error_count: ErrorCount,
    /// It was read in this turn of the loop.
    pub(super) was_read: bool,
}

impl UdpPort {
    pub(super) fn new(listener: u16, socket: UdpSocket) -> Self {
        let segment_max = if can_segment(socket.as_fd()) { SEGMENT_BYTES_MAX } else { 0 };
        let gathering = Gathering::default();
        let (lateness, error_count) = (Lateness::default(), ErrorCount::default());
        let waiting = Vec::new();
        let port = Self {
            listener,
            socket,
            waiting,
            gathering,
            segment_max,
            lateness,
            error_count,
            was_read: false,
        };
        port.hear_errors(true);
        port
    }

    /// Whether ICMP errors are queued for this socket. Where the kernel refuses, timers tell later what they would have told.
    pub(super) fn hear_errors(&self, wanted: bool) {
        let _ = queue_errors(self.socket.as_fd(), self.is_ipv4(), wanted);
    }

    fn is_ipv4(&self) -> bool {
        self.socket.local_addr().is_ok_and(|local| local.is_ipv4())
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn flow(&self, remote: SocketAddr) -> Flow {
        Flow { transport: Transport::Udp, listener: self.listener, connection: ConnectionId::NONE, remote }
    }

    /// A full batch was read, and began with a datagram that came then.
    pub(super) fn note_full_batch(&mut self, arrived: Option<Duration>) {
        let socket = self.socket.as_fd();
        self.lateness.note_full(arrived, || receive_fill_permille(socket).unwrap_or(0));
    }

    /// Lets the kernel sift new requests of these sources. Where it does not, they are dropped later, at more cost.
    pub(super) fn sift(&self, sources: &[(IpAddr, u16)]) {
        let _ = sift(self.socket.as_fd(), self.is_ipv4(), sources);
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
        if self.segment_max > 0 {
            self.gathering.gather(&mut self.waiting, |index| out.outgoing()[index].flow.remote);
        }
        let mut waiting = &self.waiting[..];
        let (mut retries, mut tries) = (0, 0);
        let mut doubt = Doubt::default();
        while !waiting.is_empty() {
            let (count, segment_max) = match doubt.datagrams {
                0 => (waiting.len(), self.segment_max),
                alone => (alone, 0),
            };
            let messages = waiting[..count].iter().map(|index| {
                let message = &out.outgoing()[*index];
                (message.flow.remote, out.bytes(message.bytes.clone()))
            });
            match batch.send(self.socket.as_fd(), segment_max, messages) {
                Ok(sent) => {
                    counters.batches_out.add(1);
                    counters.datagrams_out.add(sent as u64);
                    self.segment_max = doubt.confirmed(sent).unwrap_or(self.segment_max);
                    waiting = &waiting[sent..];
                    tries = 0;
                }
                Err(unsent) if unsent.error.kind() == io::ErrorKind::Interrupted => {}
                Err(unsent) if is_full(&unsent.error) && retries < FULL_RETRIES => {
                    retries += 1;
                    wait_writable(self.socket.as_fd(), FULL_WAIT_MS);
                }
                Err(unsent) if is_full(&unsent.error) => {
                    counters.datagrams_lost.add(waiting.len() as u64);
                    break;
                }
                Err(_) if tries < OTHERS_ERRORS_MAX => tries += 1,
                Err(unsent) if unsent.datagrams > 1 && Doubt::raises(&unsent) => {
                    doubt = Doubt::about(&unsent)
                }
                // Too long, no route, forbidden: this one, not those behind it.
                Err(unsent) => {
                    let (failed, others) = waiting.split_at(unsent.datagrams.max(1));
                    fallout.failed.extend(failed.iter().map(|index| (shard, out.outgoing()[*index].ticket)));
                    doubt.datagrams = doubt.datagrams.saturating_sub(failed.len());
                    waiting = others;
                    tries = 0;
                }
            }
        }
        self.waiting.clear();
    }
}

/// A run of datagrams was refused, and perhaps because it was one: what the way cannot carry as a segment it can as a
/// datagram. Each is sent alone, and if that succeeds the socket's bound is lowered.
#[derive(Default)]
struct Doubt {
    /// That are still to be sent alone.
    datagrams: usize,
    /// What the bound becomes.
    segment_max: usize,
}

impl Doubt {
    fn raises(unsent: &Unsent) -> bool {
        // A segment that is longer than the path's MTU; a device or a socket that cannot calculate checksums.
        let doubtful = [libc::EINVAL, libc::EMSGSIZE, libc::EIO, libc::EOPNOTSUPP];
        unsent.error.raw_os_error().is_some_and(|code| doubtful.contains(&code))
    }

    fn about(unsent: &Unsent) -> Self {
        let too_long = matches!(unsent.error.raw_os_error(), Some(libc::EMSGSIZE | libc::EINVAL));
        let segment_max = if too_long { unsent.size.saturating_sub(1) } else { 0 };
        Self { datagrams: unsent.datagrams, segment_max }
    }

    /// So many have left: the new bound, if these were the doubtful ones.
    fn confirmed(&mut self, sent: usize) -> Option<usize> {
        if self.datagrams == 0 {
            return None;
        }
        self.datagrams = self.datagrams.saturating_sub(sent);
        Some(self.segment_max)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::sys::ReceiveBatch;

    fn port() -> UdpPort {
        UdpPort::new(0, UdpSocket::bind("127.0.0.1:0").unwrap())
    }

    /// Puts (target, bytes) into the box with tickets from 1, sends all, and says which tickets failed.
    fn send(port: &mut UdpPort, messages: &[(SocketAddr, Vec<u8>)]) -> Vec<u64> {
        let (mut out, mut fallout) = (Outbox::new(), Fallout::default());
        for (index, (to, bytes)) in messages.iter().enumerate() {
            out.push(bytes, port.flow(*to), index as u64 + 1);
            port.enqueue(index);
        }
        port.send(&out, (&mut SendBatch::new(64), 7), &NetCounters::default(), &mut fallout);
        fallout.failed.iter().map(|(shard, ticket)| (*ticket, assert_eq!(*shard, 7)).0).collect()
    }

    fn heard(socket: &UdpSocket) -> Vec<Vec<u8>> {
        let mut batch = ReceiveBatch::new(256, 2000);
        let count = batch.receive(socket.as_fd()).unwrap_or(0);
        (0..count).map(|i| batch.datagram(i).bytes.to_vec()).collect()
    }

    /// Each target hears what is for it, in order and with its boundaries, whatever stands between.
    #[test]
    fn every_target_hears_its_own_in_order() {
        let phones: Vec<UdpSocket> = (0..9).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let mut port = port();
        let mut expected: HashMap<usize, Vec<Vec<u8>>> = HashMap::new();
        let mut messages = Vec::new();
        for n in 0..200usize {
            let phone = n * n % 7 % phones.len();
            let size = [400, 400, 401, 400, 90, 1472, 1473][n * 5 % 7];
            let text = vec![n as u8; size];
            expected.entry(phone).or_default().push(text.clone());
            messages.push((phones[phone].local_addr().unwrap(), text));
        }
        assert_eq!(send(&mut port, &messages), []);
        for (index, phone) in phones.iter().enumerate() {
            assert_eq!(heard(phone), expected.remove(&index).unwrap_or_default(), "phone {index}");
        }
        assert!(port.segment_max > 0, "this kernel joins");
    }

    /// A socket without checksums refuses runs: everything arrives all the same, and it is not tried again.
    #[test]
    fn where_runs_are_refused_datagrams_go_alone() {
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut port = port();
        crate::sys::set_no_checksums(port.socket()).unwrap();
        let messages = vec![(phone.local_addr().unwrap(), vec![1; 500]); 5];
        assert_eq!(send(&mut port, &messages), []);
        assert_eq!(heard(&phone), vec![vec![1; 500]; 5]);
        assert!(port.segment_max < 500);
        assert_eq!(send(&mut port, &messages), []);
        assert_eq!(heard(&phone).len(), 5);
    }

    /// A run that fails fails as a whole, and nothing else does; the socket learns nothing from it.
    #[test]
    fn a_run_to_nowhere_fails_alone() {
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (to, nowhere) = (phone.local_addr().unwrap(), "127.0.0.1:0".parse().unwrap());
        let wrong_family = "[::1]:5060".parse().unwrap();
        let targets = [to, nowhere, nowhere, to, wrong_family, nowhere, wrong_family, to];
        let messages: Vec<_> = targets.iter().map(|target| (*target, vec![b'x'; 300])).collect();
        let mut port = port();
        let before = port.segment_max;
        let mut failed = send(&mut port, &messages);
        failed.sort_unstable();
        assert_eq!(failed, [2, 3, 5, 6, 7]);
        assert_eq!(heard(&phone).len(), 3);
        assert_eq!(port.segment_max, before);
    }
}
