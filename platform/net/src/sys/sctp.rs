//! SCTP with one association per socket (RFC 6458 §4): what such a socket has of its own, beside being a stream.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::options::set;

/// Makes a socket send at once, and every message as RFC 4168 §5.1 asks: on stream zero, unordered, with a payload
/// identifier of zero, so that a lost message holds up no other.
pub(crate) fn prepare_sctp(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::IPPROTO_SCTP, libc::SCTP_NODELAY, 1i32)?;
    let unordered = libc::sctp_sndinfo {
        snd_sid: 0,
        snd_flags: libc::SCTP_UNORDERED as u16,
        snd_ppid: 0,
        snd_context: 0,
        snd_assoc_id: 0,
    };
    set(socket, libc::IPPROTO_SCTP, libc::SCTP_DEFAULT_SNDINFO, unordered)
}

/// Reads one message, or a part of one that is too long for `buffer` or the kernel's; says how many bytes it is, and
/// whether the message ends there. No bytes: the peer has closed.
pub(crate) fn read_part(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
    let mut slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a plain C struct of numbers and pointers; zero is valid for each.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    // SAFETY: the one slice is `buffer`, which lives through the call; nothing else is asked for.
    let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((count as usize, header.msg_flags & libc::MSG_EOR != 0))
}
