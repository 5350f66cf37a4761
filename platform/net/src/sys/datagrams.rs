//! Datagrams received in batches: `recvmmsg` into buffers allocated once.
//!
//! Of the first of a batch the kernel also says when it came, where [`stamp_arrivals`](super::stamp_arrivals) was asked for.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use super::address::{RAW_ADDRESS_BYTES, RawAddress};
use super::arrival::ArrivalStamp;
use super::empty_header;
use super::fixed::Fixed;

/// Room for so many datagrams of so many bytes, and their senders.
pub(crate) struct ReceiveBatch {
    slot_bytes: usize,
    buffer: Fixed<u8>,
    names: Fixed<RawAddress>,
    _pieces: Fixed<libc::iovec>,
    headers: Fixed<libc::mmsghdr>,
    stamp: Fixed<ArrivalStamp>,
    slots: usize,
    received: usize,
}

// SAFETY: the pointers inside lead to allocations that only this value owns.
unsafe impl Send for ReceiveBatch {}

/// One received datagram.
pub(crate) struct Datagram<'a> {
    /// Missing only for a family that is not the internet's.
    pub(crate) from: Option<SocketAddr>,
    pub(crate) bytes: &'a [u8],
    /// There was more than fits a slot; the rest is lost.
    pub(crate) truncated: bool,
}

impl ReceiveBatch {
    pub(crate) fn new(slots: usize, slot_bytes: usize) -> Self {
        let buffer = Fixed::filled(slots * slot_bytes, 0);
        let names = Fixed::filled(slots, RawAddress::EMPTY);
        let pieces = Fixed::filled(slots, libc::iovec { iov_base: ptr::null_mut(), iov_len: slot_bytes });
        let headers = Fixed::filled(slots, empty_header());
        for slot in 0..slots {
            // SAFETY: each pointer leads to an element of an array of ours that nobody else refers to.
            unsafe {
                (*pieces.at(slot)).iov_base = buffer.at(slot * slot_bytes).cast();
                let header = &mut (*headers.at(slot)).msg_hdr;
                header.msg_iov = pieces.at(slot);
                header.msg_iovlen = 1;
                header.msg_name = names.at(slot).cast();
                header.msg_namelen = RAW_ADDRESS_BYTES as u32;
            }
        }
        let stamp = Fixed::filled(1, ArrivalStamp::EMPTY);
        Self { slot_bytes, buffer, names, _pieces: pieces, headers, stamp, slots, received: 0 }
    }

    /// Takes what is there, at most a batch, and says how many. Never blocks, whatever the socket's mode.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        for slot in 0..self.received {
            // SAFETY: an element of our array. The kernel has written the sender's length over the room for it.
            unsafe { (*self.headers.at(slot)).msg_hdr.msg_namelen = RAW_ADDRESS_BYTES as u32 };
        }
        self.received = 0;
        // SAFETY: the first of our headers; the room for the stamp lives as long as it does.
        unsafe { (*self.stamp.at(0)).make_room(&mut (*self.headers.at(0)).msg_hdr) };
        // SAFETY: `slots` headers lie there in a row, and what they point to (see `new`) lives as long as they do.
        let count = unsafe {
            let first = self.headers.at(0);
            libc::recvmmsg(socket.as_raw_fd(), first, self.slots as u32, libc::MSG_DONTWAIT, ptr::null_mut())
        };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        self.received = count as usize;
        Ok(self.received)
    }

    /// When the first datagram of the last batch came, by the system's clock; `None` where the kernel does not say it.
    pub(crate) fn arrived(&self) -> Option<Duration> {
        if self.received == 0 {
            return None;
        }
        // SAFETY: the kernel has written the first header and the stamp that it points to, and nobody writes them now.
        unsafe { ArrivalStamp::read(&(*self.headers.at(0)).msg_hdr) }
    }

    /// The datagram at `index` of the last batch.
    pub(crate) fn datagram(&self, index: usize) -> Datagram<'_> {
        assert!(index < self.received, "datagram {index} of {}", self.received);
        // SAFETY: elements of our arrays, which the kernel has written and nobody writes while `self` is borrowed. The
        // length is cut to the slot's because with MSG_TRUNC in the flags it may count bytes that are not there.
        unsafe {
            let header = &*self.headers.at(index);
            let length = (header.msg_len as usize).min(self.slot_bytes);
            let start = self.buffer.at(index * self.slot_bytes);
            Datagram {
                from: (*self.names.at(index)).decode(header.msg_hdr.msg_namelen),
                bytes: std::slice::from_raw_parts(start, length),
                truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;
    use crate::sys::{SendBatch, stamp_arrivals};

    fn sockets(ip: &str) -> (UdpSocket, UdpSocket) {
        (UdpSocket::bind((ip, 0)).unwrap(), UdpSocket::bind((ip, 0)).unwrap())
    }

    /// Loopback delivers before `send_to` returns, so nothing here waits.
    fn receive_all(batch: &mut ReceiveBatch, socket: &UdpSocket) -> Vec<(SocketAddr, Vec<u8>)> {
        let count = batch.receive(socket.as_fd()).unwrap();
        (0..count).map(|i| batch.datagram(i)).map(|d| (d.from.unwrap(), d.bytes.to_vec())).collect()
    }

    #[test]
    fn a_batch_arrives_in_order_and_names_its_sender() {
        for ip in ["127.0.0.1", "::1"] {
            let (alice, bob) = sockets(ip);
            let (to, from) = (bob.local_addr().unwrap(), alice.local_addr().unwrap());
            let texts: Vec<Vec<u8>> = (0..10).map(|n| vec![b'a' + n; 1 + n as usize * 100]).collect();
            let sent = SendBatch::new(16).send(alice.as_fd(), 0, texts.iter().map(|t| (to, &t[..]))).unwrap();
            assert_eq!(sent, 10);
            let expected: Vec<_> = texts.into_iter().map(|t| (from, t)).collect();
            assert_eq!(receive_all(&mut ReceiveBatch::new(16, 2000), &bob), expected);
        }
    }

    #[test]
    fn batches_are_cut_to_their_slots_and_used_again() {
        let (alice, bob) = sockets("127.0.0.1");
        let to = bob.local_addr().unwrap();
        let texts: Vec<Vec<u8>> = (0..7).map(|n| vec![n; 10]).collect();
        let messages = || texts.iter().map(|t| (to, &t[..]));
        let mut sending = SendBatch::new(4);
        assert_eq!(sending.send(alice.as_fd(), 0, messages()).unwrap(), 4);
        assert_eq!(sending.send(alice.as_fd(), 0, messages().skip(4)).unwrap(), 3);
        let mut receiving = ReceiveBatch::new(5, 100);
        let mut received = receive_all(&mut receiving, &bob);
        assert_eq!(received.len(), 5);
        received.extend(receive_all(&mut receiving, &bob));
        assert_eq!(received.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(), texts);
        assert_eq!(receiving.receive(bob.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    /// It is the first one's time, whatever else came before it was fetched; each batch has its own.
    #[test]
    fn the_first_of_a_batch_says_when_it_came() {
        for ip in ["127.0.0.1", "::1"] {
            let (alice, bob) = sockets(ip);
            stamp_arrivals(bob.as_fd()).unwrap();
            let mut batch = ReceiveBatch::new(4, 100);
            let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            // The first who asks on a machine switches it on, and that takes the kernel a moment; until then it says when the
            // datagram was fetched.
            let deadline = now() + Duration::from_secs(10);
            while now() < deadline {
                alice.send_to(b"soon", bob.local_addr().unwrap()).unwrap();
                let sent = now();
                batch.receive(bob.as_fd()).unwrap();
                if batch.arrived().is_some_and(|arrived| arrived <= sent) {
                    break;
                }
            }
            for _ in 0..3 {
                let before = now();
                alice.send_to(b"first", bob.local_addr().unwrap()).unwrap();
                let between = now();
                alice.send_to(b"second", bob.local_addr().unwrap()).unwrap();
                assert_eq!(batch.receive(bob.as_fd()).unwrap(), 2);
                let arrived = batch.arrived().expect("this kernel says it");
                assert!(before <= arrived && arrived <= between, "{before:?} {arrived:?} {between:?}");
            }
        }
    }

    #[test]
    fn nobody_says_when_where_nobody_was_asked() {
        let (alice, bob) = sockets("127.0.0.1");
        let mut batch = ReceiveBatch::new(4, 100);
        assert_eq!(batch.arrived(), None);
        alice.send_to(b"x", bob.local_addr().unwrap()).unwrap();
        assert_eq!((batch.receive(bob.as_fd()).unwrap(), batch.arrived()), (1, None));
    }

    #[test]
    fn what_does_not_fit_is_marked() {
        let (alice, bob) = sockets("127.0.0.1");
        let to = bob.local_addr().unwrap();
        for size in [0, 99, 100, 101, 5000] {
            alice.send_to(&vec![b'x'; size], to).unwrap();
        }
        let mut batch = ReceiveBatch::new(8, 100);
        let count = batch.receive(bob.as_fd()).unwrap();
        let seen: Vec<_> =
            (0..count).map(|i| batch.datagram(i)).map(|d| (d.bytes.len(), d.truncated)).collect();
        assert_eq!(seen, [(0, false), (99, false), (100, false), (100, true), (100, true)]);
    }

    #[test]
    fn the_error_is_about_the_first_message() {
        let (alice, bob) = sockets("127.0.0.1");
        let to = bob.local_addr().unwrap();
        let texts = [vec![1; 10], vec![0; 70_000], vec![2; 10]];
        let messages = || texts.iter().map(|t| (to, &t[..]));
        let mut batch = SendBatch::new(4);
        assert_eq!(batch.send(alice.as_fd(), 0, messages()).unwrap(), 1);
        let error = batch.send(alice.as_fd(), 0, messages().skip(1)).unwrap_err().error;
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        assert_eq!(batch.send(alice.as_fd(), 0, messages().skip(2)).unwrap(), 1);
    }
}
