//! Datagrams sent in batches: `sendmmsg` from wherever the bytes are, and runs of them as one message each.
//!
//! ```text
//!   datagrams   A 500 · A 500 · A 320 · B 500 · A 700       (target, bytes)
//!   messages    └─ 3 segments of 500 ─┘   │       │         each one trip through the kernel's stack
//! ```
//! What goes to one target one after the other and has one size (the last may be shorter) is handed to the kernel as one
//! message with a segment size (UDP_SEGMENT, Linux 4.18): it is cut into datagrams at the end of the way.

use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::address::RawAddress;
use super::empty_header;

/// Most segments of a message: UDP_MAX_SEGMENTS of kernels before 6.9.
const SEGMENTS_MAX: usize = 64;

/// Most bytes of all segments: the payload of the longest IPv4 datagram.
const RUN_BYTES_MAX: usize = 65_507;

/// Headers for so many datagrams in one call.
pub(crate) struct SendBatch {
    names: Vec<RawAddress>,
    pieces: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    sizes: Vec<SegmentSize>,
}

// SAFETY: the pointers inside are written anew in each call and not looked at between calls.
unsafe impl Send for SendBatch {}

/// Why nothing left.
#[derive(Debug)]
pub(crate) struct Unsent {
    pub(crate) error: io::Error,
    /// How many datagrams the error is about: the first ones, which were to leave as one message.
    pub(crate) datagrams: usize,
    /// The length of the first of them, bytes.
    pub(crate) size: usize,
}

/// The control message that says how long a segment is: `struct cmsghdr` and its data.
#[derive(Clone, Copy)]
#[repr(C)]
struct SegmentSize {
    header: libc::cmsghdr,
    size: u16,
}

impl SegmentSize {
    fn of(size: usize) -> Self {
        let header = libc::cmsghdr {
            cmsg_len: size_of::<libc::cmsghdr>() + size_of::<u16>(),
            cmsg_level: libc::SOL_UDP,
            cmsg_type: libc::UDP_SEGMENT,
        };
        // Runs are shorter than 65,536 bytes.
        Self { header, size: size as u16 }
    }
}

/// Datagrams that leave as one message.
#[derive(Clone, Copy)]
struct Run {
    to: SocketAddr,
    /// Of each, but for the last.
    size: usize,
    datagrams: usize,
    bytes: usize,
    /// The last was shorter: none can follow.
    ended: bool,
}

impl Run {
    fn new(to: SocketAddr, size: usize) -> Self {
        Self { to, size, datagrams: 1, bytes: size, ended: false }
    }

    /// With one datagram more, if that can follow the others.
    fn with(self, to: SocketAddr, size: usize, segment_max: usize) -> Option<Self> {
        let fits = !self.ended
            && (1..=self.size).contains(&size)
            && self.size <= segment_max
            && self.datagrams < SEGMENTS_MAX
            && self.bytes + size <= RUN_BYTES_MAX
            && self.to == to;
        let (datagrams, bytes) = (self.datagrams + 1, self.bytes + size);
        fits.then_some(Self { datagrams, bytes, ended: size < self.size, ..self })
    }
}

impl SendBatch {
    pub(crate) fn new(slots: usize) -> Self {
        let piece = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        Self {
            names: vec![RawAddress::EMPTY; slots],
            pieces: vec![piece; slots],
            headers: vec![empty_header(); slots],
            sizes: vec![SegmentSize::of(0); slots],
        }
    }

    /// Sends the first datagrams of `messages`, at most a batch, and says how many left. Those of at most `segment_max`
    /// bytes may leave in runs; 0 is for sockets that cannot. Never blocks.
    pub(crate) fn send<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        segment_max: usize,
        messages: impl Iterator<Item = (SocketAddr, &'a [u8])>,
    ) -> Result<usize, Unsent> {
        let slots = self.pieces.len();
        let mut first = None;
        let mut count = 0;
        let mut last: Option<Run> = None;
        for (index, (to, bytes)) in messages.take(slots).enumerate() {
            self.pieces[index] =
                libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            match last.and_then(|run| run.with(to, bytes.len(), segment_max)) {
                Some(longer) => {
                    self.lengthen(count - 1, &longer);
                    last = Some(longer);
                }
                None => {
                    last = Some(Run::new(to, bytes.len()));
                    self.begin(count, to, index);
                    count += 1;
                }
            }
            if count == 1 {
                first = last;
            }
        }
        // SAFETY: `count` headers were just filled; what they point to is borrowed until this call returns or is ours,
        // and the kernel only reads it.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT)
        };
        if sent < 0 {
            let error = io::Error::last_os_error();
            let (datagrams, size) = first.map_or((0, 0), |run| (run.datagrams, run.size));
            return Err(Unsent { error, datagrams, size });
        }
        Ok(self.headers.iter().take(sent as usize).map(|header| header.msg_hdr.msg_iovlen).sum())
    }

    /// A message of one datagram, whose bytes are the piece at `piece`.
    fn begin(&mut self, message: usize, to: SocketAddr, piece: usize) {
        let length;
        (self.names[message], length) = RawAddress::encode(&to);
        let header = &mut self.headers[message].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.names[message]).cast();
        header.msg_namelen = length;
        header.msg_iov = &raw mut self.pieces[piece];
        header.msg_iovlen = 1;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
    }

    /// One datagram more for this message; its piece stands behind those before it.
    fn lengthen(&mut self, message: usize, run: &Run) {
        let header = &mut self.headers[message].msg_hdr;
        header.msg_iovlen = run.datagrams;
        if header.msg_control.is_null() {
            self.sizes[message] = SegmentSize::of(run.size);
            header.msg_control = ptr::from_mut(&mut self.sizes[message]).cast();
            header.msg_controllen = size_of::<SegmentSize>();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::ReceiveBatch;

    fn sockets(ip: &str) -> (UdpSocket, UdpSocket) {
        (UdpSocket::bind((ip, 0)).unwrap(), UdpSocket::bind((ip, 0)).unwrap())
    }

    /// Loopback delivers before `sendmmsg` returns, so nothing here waits.
    fn lengths(socket: &UdpSocket) -> Vec<usize> {
        let mut batch = ReceiveBatch::new(80, 2000);
        let count = batch.receive(socket.as_fd()).unwrap_or(0);
        (0..count).map(|i| batch.datagram(i).bytes.len()).collect()
    }

    #[test]
    fn the_control_message_is_the_kernels() {
        // SAFETY: both only calculate.
        let (length, space) = unsafe { (libc::CMSG_LEN(2), libc::CMSG_SPACE(2)) };
        assert_eq!(SegmentSize::of(9).header.cmsg_len, length as usize);
        assert_eq!(size_of::<SegmentSize>(), space as usize);
    }

    #[test]
    fn runs_arrive_as_the_datagrams_they_were() {
        for ip in ["127.0.0.1", "::1"] {
            let (alice, bob) = sockets(ip);
            let to = bob.local_addr().unwrap();
            let sizes = [500, 500, 320, 320, 700, 700, 700, 701, 1, 0, 0, 500, 500, 1200, 1200];
            let texts: Vec<Vec<u8>> = sizes.iter().map(|size| vec![b'x'; *size]).collect();
            let messages = texts.iter().map(|text| (to, &text[..]));
            assert_eq!(SendBatch::new(64).send(alice.as_fd(), 1000, messages).unwrap(), sizes.len());
            assert_eq!(lengths(&bob), sizes);
        }
    }

    #[test]
    fn a_run_of_more_than_one_batch_goes_on_in_the_next() {
        let (alice, bob) = sockets("127.0.0.1");
        let to = bob.local_addr().unwrap();
        let texts: Vec<Vec<u8>> = (0..70).map(|_| vec![b'x'; 1000]).collect();
        let mut batch = SendBatch::new(70);
        let messages = || texts.iter().map(|text| (to, &text[..]));
        // 64 segments, then 6 in a message of their own.
        assert_eq!(batch.send(alice.as_fd(), 1000, messages()).unwrap(), 70);
        assert_eq!(lengths(&bob), [1000; 70]);
        // The longest run is bounded by its bytes too.
        let texts: Vec<Vec<u8>> = (0..50).map(|_| vec![b'x'; 1400]).collect();
        assert_eq!(batch.send(alice.as_fd(), 1400, texts.iter().map(|t| (to, &t[..]))).unwrap(), 50);
        assert_eq!(lengths(&bob), [1400; 50]);
    }

    #[test]
    fn an_error_says_how_many_it_is_about() {
        let (alice, bob) = sockets("127.0.0.1");
        let nowhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let to = bob.local_addr().unwrap();
        let texts = [[b'x'; 10]; 4];
        let messages = || [to, nowhere, nowhere, to].into_iter().zip(texts.iter().map(|t| &t[..]));
        let mut batch = SendBatch::new(8);
        assert_eq!(batch.send(alice.as_fd(), 1000, messages()).unwrap(), 1);
        let unsent = batch.send(alice.as_fd(), 1000, messages().skip(1)).unwrap_err();
        assert_eq!((unsent.datagrams, unsent.size), (2, 10));
        let unsent = batch.send(alice.as_fd(), 0, messages().skip(1)).unwrap_err();
        assert_eq!((unsent.datagrams, unsent.size), (1, 10), "alone, where there are to be no runs");
        assert_eq!(batch.send(alice.as_fd(), 1000, messages().skip(3)).unwrap(), 1);
    }
}
