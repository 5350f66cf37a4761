//! ICMP errors about datagrams that a socket has sent: `IP_RECVERR` and `IPV6_RECVERR` (ip(7), ipv6(7)).
//!
//! The kernel keeps each error in a queue of the socket, with the beginning of the datagram that it quotes and the address
//! that this was for. Beside that, the next call on the socket fails with the error, although it has nothing to do with it:
//! whoever sends or receives tries once more.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::address::{RAW_ADDRESS_BYTES, RawAddress};
use super::empty_header;
use super::options::set;
use crate::IcmpError;

/// What of a quoted datagram is read, bytes. Hosts quote 500 to 1,200; of a SIP request the first lines matter.
pub(crate) const QUOTED_BYTES_MAX: usize = 1_232;

/// Room for what the kernel says beside an error: the error with an address (64 bytes) and a time (32).
const CONTROL_BYTES: usize = 256;

/// `struct cmsghdr`: length, level and type. The data follow, and then whatever makes the next one begin at a multiple of 8.
const CONTROL_HEADER_BYTES: usize = size_of::<libc::cmsghdr>();

/// Where in `struct sock_extended_err` (linux/errqueue.h) origin, type and code stand.
const ORIGIN: usize = 4;
const KIND: usize = 5;
const CODE: usize = 6;

/// Aligned as control messages are.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// One error of the queue.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct QueuedError {
    /// Where the datagram was to go.
    pub(crate) to: Option<SocketAddr>,
    /// What the error says; `None`: it is of this machine, or one of those that do not matter.
    pub(crate) error: Option<IcmpError>,
    /// How much of the buffer the quoted payload has filled, bytes.
    pub(crate) quoted: usize,
}

/// Has the kernel queue ICMP errors, or not any more. What is in the queue is dropped then.
pub(crate) fn queue_errors(socket: BorrowedFd<'_>, ipv4: bool, wanted: bool) -> io::Result<()> {
    let (level, option) =
        if ipv4 { (libc::SOL_IP, libc::IP_RECVERR) } else { (libc::SOL_IPV6, libc::IPV6_RECVERR) };
    set(socket, level, option, i32::from(wanted))
}

/// Takes one error out of the queue; what it quotes goes into `quoted`. `None`: there is none. Never blocks.
pub(crate) fn take_error(socket: BorrowedFd<'_>, quoted: &mut [u8; QUOTED_BYTES_MAX]) -> Option<QueuedError> {
    let (mut name, mut control) = (RawAddress::EMPTY, Control([0; CONTROL_BYTES]));
    let mut piece = libc::iovec { iov_base: quoted.as_mut_ptr().cast(), iov_len: quoted.len() };
    let mut header = empty_header().msg_hdr;
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = RAW_ADDRESS_BYTES as u32;
    header.msg_iov = &raw mut piece;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_BYTES;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header's pointers lead to locals and to `quoted`, each as long as it says and alive through the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let quoted = usize::try_from(length).ok()?.min(quoted.len());
    let said = control.0.get(..header.msg_controllen).unwrap_or_default();
    Some(QueuedError { to: name.decode(header.msg_namelen), error: read_control(said), quoted })
}

/// Finds the error among the control messages.
fn read_control(mut rest: &[u8]) -> Option<IcmpError> {
    while let Some((head, _)) = rest.split_at_checked(CONTROL_HEADER_BYTES) {
        let (length, tail) = head.split_first_chunk()?;
        let (level, tail) = tail.split_first_chunk()?;
        let (length, level) = (usize::from_ne_bytes(*length), i32::from_ne_bytes(*level));
        let kind = i32::from_ne_bytes(*tail.first_chunk()?);
        let data = rest.get(CONTROL_HEADER_BYTES..length)?;
        if matches!((level, kind), (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)) {
            return read_extended(data);
        }
        rest = rest.get(length.next_multiple_of(align_of::<usize>())..)?;
    }
    None
}

fn read_extended(error: &[u8]) -> Option<IcmpError> {
    let (origin, kind, code) = (*error.get(ORIGIN)?, *error.get(KIND)?, *error.get(CODE)?);
    match origin {
        libc::SO_EE_ORIGIN_ICMP => IcmpError::of_v4(kind, code),
        libc::SO_EE_ORIGIN_ICMP6 => IcmpError::of_v6(kind, code),
        // Of this machine: too long for the way, as the sender has been told itself.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    /// An address of this machine where nobody listens.
    fn closed(ip: &str) -> SocketAddr {
        UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap()
    }

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(offset_of!(libc::sock_extended_err, ee_origin), ORIGIN);
        assert_eq!(offset_of!(libc::sock_extended_err, ee_type), KIND);
        assert_eq!(offset_of!(libc::sock_extended_err, ee_code), CODE);
    }

    /// Loopback answers before `send_to` returns, so nothing here waits. RFC 3261 §18.4.
    #[test]
    fn a_closed_port_is_told_with_what_was_sent_and_where() {
        for ip in ["127.0.0.1", "::1"] {
            let (socket, nowhere) = (UdpSocket::bind((ip, 0)).unwrap(), closed(ip));
            queue_errors(socket.as_fd(), ip == "127.0.0.1", true).unwrap();
            crate::sys::stamp_arrivals(socket.as_fd()).unwrap();
            socket.send_to(b"OPTIONS sip:nobody SIP/2.0\r\n", nowhere).unwrap();
            let mut quoted = [0; QUOTED_BYTES_MAX];
            let told = take_error(socket.as_fd(), &mut quoted).unwrap();
            assert_eq!(told, QueuedError { to: Some(nowhere), error: Some(IcmpError::Port), quoted: 28 });
            assert_eq!(&quoted[..28], b"OPTIONS sip:nobody SIP/2.0\r\n");
            assert_eq!(take_error(socket.as_fd(), &mut quoted), None);
        }
    }

    /// What is too long for any way is an error of this machine: the sender hears of it, nobody else.
    #[test]
    fn an_error_of_this_machine_says_nothing_about_a_peer() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        queue_errors(socket.as_fd(), true, true).unwrap();
        let local = [0u8; 4].into_iter().chain([libc::SO_EE_ORIGIN_LOCAL, 3, 3, 0]).collect::<Vec<u8>>();
        assert_eq!(read_extended(&local), None);
        socket.send_to(&[0; 65_508], socket.local_addr().unwrap()).unwrap_err();
        let told = take_error(socket.as_fd(), &mut [0; QUOTED_BYTES_MAX]);
        assert_eq!(told.and_then(|told| told.error), None);
    }

    /// Switched off, the queue is empty, and stays so.
    #[test]
    fn who_does_not_want_errors_has_none() {
        let (socket, nowhere) = (UdpSocket::bind("127.0.0.1:0").unwrap(), closed("127.0.0.1"));
        queue_errors(socket.as_fd(), true, true).unwrap();
        socket.send_to(b"x", nowhere).unwrap();
        queue_errors(socket.as_fd(), true, false).unwrap();
        // The kernel tells it once, in the place of what is asked for.
        let _ = socket.take_error();
        for _ in 0..3 {
            socket.send_to(b"x", nowhere).unwrap();
        }
        assert_eq!(take_error(socket.as_fd(), &mut [0; QUOTED_BYTES_MAX]), None);
    }

    /// Control messages that are cut off or make no sense are none.
    #[test]
    fn strange_control_messages_are_passed_over() {
        let message = |length: usize, level: i32, kind: i32, data: &[u8]| {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend(level.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(data);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes
        };
        let extended = [111, 0, 0, 0, libc::SO_EE_ORIGIN_ICMP, 3, 3, 0];
        let error = message(24, libc::SOL_IP, libc::IP_RECVERR, &extended);
        let time = message(16 + 3, libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &[1, 2, 3]);
        assert_eq!(read_control(&[&time[..], &error].concat()), Some(IcmpError::Port));
        assert_eq!(read_control(&time), None);
        for cut in 0..error.len() {
            assert_eq!(read_control(&error[..cut]), None, "{cut}");
        }
        for length in [0, 7, 15, 16, 20, usize::MAX] {
            let odd = message(length, libc::SOL_IP, libc::IP_RECVERR, &extended);
            assert_eq!(read_control(&odd), None, "{length}");
        }
        let endless = message(0, libc::SOL_SOCKET, 0, &[]);
        assert_eq!(read_control(&endless), None);
    }
}
