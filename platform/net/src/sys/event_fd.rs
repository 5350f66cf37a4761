//! A descriptor that another thread can make readable: `eventfd`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};

/// Raised by anyone, seen by an epoll set, lowered by its owner.
#[derive(Debug)]
pub(crate) struct EventFd(File);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory is handed over.
        let raw = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor just made, owned by nobody else; reading and writing is what it offers.
        Ok(Self(unsafe { File::from_raw_fd(raw) }))
    }

    /// Makes it readable. The only failure is a counter at its end, and then it is readable already.
    pub(crate) fn raise(&self) {
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }

    /// Makes it unreadable. The only failure is that it was.
    pub(crate) fn lower(&self) {
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Epoll, Interest, Ready};

    #[test]
    fn raised_often_lowered_once() {
        let event = EventFd::new().unwrap();
        let (epoll, mut ready) = (Epoll::new().unwrap(), Ready::new(1));
        epoll.add(event.as_fd(), 7, Interest::READ).unwrap();
        event.lower();
        assert_eq!(epoll.wait(&mut ready, Some(0)).unwrap(), 0);
        event.raise();
        event.raise();
        assert_eq!(epoll.wait(&mut ready, None).unwrap(), 1);
        event.lower();
        assert_eq!(epoll.wait(&mut ready, Some(0)).unwrap(), 0);
    }
}
