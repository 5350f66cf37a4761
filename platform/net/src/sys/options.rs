//! Socket options that `socket2` does not name, and a short wait for one socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Asks for receive and send buffers of `bytes`: beyond the system's maximum where this process may (CAP_NET_ADMIN),
/// else up to it. The kernel takes what it can; no failure is worth stopping for.
pub(crate) fn enlarge_buffers(socket: BorrowedFd<'_>, bytes: i32) {
    let pairs = [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)];
    for (force, ask) in pairs {
        if set(socket, libc::SOL_SOCKET, force, bytes).is_err() {
            let _ = set(socket, libc::SOL_SOCKET, ask, bytes);
        }
    }
}

/// Has the kernel note when each datagram arrives. Where it does not, nobody knows how long they wait.
pub(crate) fn stamp_arrivals(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// How full the socket's receive queue is, in thousandths of its bound.
pub(crate) fn receive_fill_permille(socket: BorrowedFd<'_>) -> io::Result<u16> {
    // SO_MEMINFO of linux/sock_diag.h: bytes queued, bound of the queue, and seven more that are not of interest.
    let mut info = [0u32; 9];
    let mut size = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes, which is what `info` has.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            (&raw mut info).cast(),
            &raw mut size,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let [queued, bound, ..] = info;
    Ok((u64::from(queued) * 1000 / u64::from(bound.max(1))).min(1000) as u16)
}

/// Whether the kernel knows UDP_SEGMENT. One that does not would send a run of datagrams as one long one.
pub(crate) fn can_segment(socket: BorrowedFd<'_>) -> bool {
    let mut value = 0i32;
    let mut size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes, which is what `value` has.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw mut value).cast(),
            &raw mut size,
        )
    };
    result == 0
}

/// Leaves the choice of the port to `connect`, which can then use one port for several remote addresses.
pub(crate) fn bind_without_port(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SOL_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// Waits until the socket takes more to send, or `timeout_ms` are over.
pub(crate) fn wait_writable(socket: BorrowedFd<'_>, timeout_ms: i32) {
    let mut wait = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, which lives through the call. Whatever comes of it, the caller tries again.
    unsafe { libc::poll(&mut wait, 1, timeout_ms) };
    // An ICMP error that waits to be read ends every wait at once.
    if wait.revents & libc::POLLERR != 0 && wait.revents & libc::POLLOUT == 0 {
        // SAFETY: no entries.
        unsafe { libc::poll(std::ptr::null_mut(), 0, timeout_ms) };
    }
}

/// Makes a UDP socket send without checksums, which keeps it from sending runs: for a test of what happens then.
#[cfg(test)]
pub(crate) fn set_no_checksums(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1)
}

/// Sets an option to a plain value of the type that it has in C.
pub(super) fn set<T: Copy>(socket: BorrowedFd<'_>, level: i32, option: i32, value: T) -> io::Result<()> {
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the value lives through the call and is as long as it says.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn a_queue_fills_and_empties() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = socket.local_addr().unwrap();
        assert_eq!(receive_fill_permille(socket.as_fd()).unwrap(), 0);
        for _ in 0..20 {
            socket.send_to(&[0; 1000], own).unwrap();
        }
        assert!(receive_fill_permille(socket.as_fd()).unwrap() > 0);
        for _ in 0..20 {
            socket.recv(&mut [0; 1000]).unwrap();
        }
        // The kernel gives memory back in lumps; nearly nothing is left.
        assert!(receive_fill_permille(socket.as_fd()).unwrap() < 100);
    }

    #[test]
    fn buffers_grow() {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        let before = socket.recv_buffer_size().unwrap();
        enlarge_buffers(socket.as_fd(), 2 * before as i32);
        assert!(socket.recv_buffer_size().unwrap() > before);
    }

    #[test]
    fn a_bound_stream_gets_its_port_late() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: std::net::SocketAddr = address.parse().unwrap();
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
            bind_without_port(socket.as_fd()).unwrap();
            socket.bind(&address.into()).unwrap();
            assert_eq!(socket.local_addr().unwrap().as_socket().unwrap().port(), 0);
        }
    }

    #[test]
    fn an_empty_socket_is_writable_at_once() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let start = std::time::Instant::now();
        wait_writable(socket.as_fd(), 5_000);
        assert!(start.elapsed().as_millis() < 1_000);
    }
}
