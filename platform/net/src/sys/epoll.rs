//! Readiness of many sockets: `epoll`, level-triggered.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// What a socket is watched for. Errors and hang-ups are reported always.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Interest {
    pub(crate) const READ: Self = Self { read: true, write: false };
    pub(crate) const WRITE: Self = Self { read: false, write: true };
    pub(crate) const NONE: Self = Self { read: false, write: false };
}

/// One ready socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    /// What it was added with.
    pub(crate) token: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// An error waits, or both directions are shut.
    pub(crate) broken: bool,
}

/// A set of watched sockets. Closing a socket takes it out.
#[derive(Debug)]
pub(crate) struct Epoll(OwnedFd);

/// Room for what one wait reports.
pub(crate) struct Ready(Vec<libc::epoll_event>);

impl Ready {
    pub(crate) fn new(events_max: usize) -> Self {
        Self(Vec::with_capacity(events_max))
    }

    /// The event at `index` of the last wait.
    pub(crate) fn event(&self, index: usize) -> Event {
        let libc::epoll_event { events, u64: token } = self.0[index];
        let has = |flags: i32| events & flags as u32 != 0;
        Event {
            token,
            readable: has(libc::EPOLLIN),
            writable: has(libc::EPOLLOUT),
            broken: has(libc::EPOLLERR | libc::EPOLLHUP),
        }
    }
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory is handed over.
        let raw = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor just made, owned by nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    pub(crate) fn add(&self, socket: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, socket, token, interest)
    }

    pub(crate) fn modify(&self, socket: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, socket, token, interest)
    }

    pub(crate) fn remove(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, socket, 0, Interest::NONE)
    }

    /// Waits until something is ready, or `timeout_ms` are over, or for ever; says how many are. A signal ends the
    /// wait with 0.
    pub(crate) fn wait(&self, ready: &mut Ready, timeout_ms: Option<u64>) -> io::Result<usize> {
        let timeout = timeout_ms.map_or(-1, |ms| i32::try_from(ms).unwrap_or(i32::MAX));
        let ready = &mut ready.0;
        ready.clear();
        // SAFETY: the kernel writes at most `capacity` events to memory that has room for them.
        let count = unsafe {
            libc::epoll_wait(self.0.as_raw_fd(), ready.as_mut_ptr(), ready.capacity() as i32, timeout)
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(0) } else { Err(error) };
        }
        // SAFETY: so many events were written.
        unsafe { ready.set_len(count as usize) };
        Ok(count as usize)
    }

    fn control(&self, what: i32, socket: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let read = if interest.read { libc::EPOLLIN } else { 0 };
        let write = if interest.write { libc::EPOLLOUT } else { 0 };
        let mut event = libc::epoll_event { events: (read | write) as u32, u64: token };
        // SAFETY: both descriptors are open, the event lives through the call.
        let result = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), what, socket.as_raw_fd(), &mut event) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_ready_socket_is_reported_until_it_is_read() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (epoll, mut ready) = (Epoll::new().unwrap(), Ready::new(4));
        epoll.add(socket.as_fd(), 42, Interest::READ).unwrap();
        assert_eq!(epoll.wait(&mut ready, Some(0)).unwrap(), 0);
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        for _ in 0..2 {
            assert_eq!(epoll.wait(&mut ready, None).unwrap(), 1);
            assert_eq!(ready.event(0), Event { token: 42, readable: true, writable: false, broken: false });
        }
        epoll.modify(socket.as_fd(), 43, Interest::WRITE).unwrap();
        assert_eq!(epoll.wait(&mut ready, None).unwrap(), 1);
        assert_eq!(ready.event(0), Event { token: 43, readable: false, writable: true, broken: false });
        epoll.remove(socket.as_fd()).unwrap();
        assert_eq!(epoll.wait(&mut ready, Some(0)).unwrap(), 0);
    }
}
