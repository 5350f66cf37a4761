//! A clock that rings once: `timerfd`.
//!
//! A wait that has an end of its own arms a timer in the kernel and disarms it, each time: one to two microseconds of a message
//! that comes alone, most of it for telling the processor's clock. This one is armed once and stays so, though others come
//! meanwhile; when what was due is done before, it rings in vain.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};

/// Readable when it has rung.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: File,
    /// When it will ring, if it is set.
    rings_at_ms: Option<u64>,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory is handed over.
        let raw =
            unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor just made, owned by nobody else; reading is what it offers.
        Ok(Self { timer: unsafe { File::from_raw_fd(raw) }, rings_at_ms: None })
    }

    /// Sees to it that it rings then, or before.
    pub(crate) fn ring_by(&mut self, now_ms: u64, due_ms: u64) -> io::Result<()> {
        if self.rings_at_ms.is_some_and(|at_ms| now_ms < at_ms && at_ms <= due_ms) {
            return Ok(());
        }
        // One that is set to nothing never rings.
        let ms = due_ms.saturating_sub(now_ms).max(1);
        let after =
            libc::timespec { tv_sec: (ms / 1_000) as libc::time_t, tv_nsec: (ms % 1_000 * 1_000_000) as _ };
        let once =
            libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: after };
        // SAFETY: the descriptor is open, and what it is set to lives through the call.
        let result = unsafe { libc::timerfd_settime(self.timer.as_raw_fd(), 0, &once, std::ptr::null_mut()) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        self.rings_at_ms = Some(due_ms);
        Ok(())
    }

    /// It has rung.
    pub(crate) fn quiet(&mut self) {
        // Set anew since it was seen to ring, it has not: then there is nothing to be read, and it goes on.
        if (&self.timer).read(&mut [0; 8]).is_ok() {
            self.rings_at_ms = None;
        }
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Epoll, Interest, Ready};
    use std::time::Instant;

    #[test]
    fn it_rings_once_and_not_too_early() {
        let (mut alarm, epoll, mut ready) = (Alarm::new().unwrap(), Epoll::new().unwrap(), Ready::new(1));
        epoll.add(alarm.as_fd(), 7, Interest::READ).unwrap();
        assert_eq!(epoll.wait(&mut ready, Some(0)).unwrap(), 0, "it is not set");
        for due_ms in [1_020, 1_000, 500] {
            let began = Instant::now();
            alarm.ring_by(1_000, due_ms).unwrap();
            assert_eq!(epoll.wait(&mut ready, None).unwrap(), 1);
            assert!(began.elapsed().as_millis() as u64 >= due_ms.saturating_sub(1_000));
            alarm.quiet();
            assert_eq!(epoll.wait(&mut ready, Some(0)).unwrap(), 0);
        }
    }

    #[test]
    fn the_earliest_counts() {
        let (mut alarm, epoll, mut ready) = (Alarm::new().unwrap(), Epoll::new().unwrap(), Ready::new(1));
        epoll.add(alarm.as_fd(), 7, Interest::READ).unwrap();
        let began = Instant::now();
        alarm.ring_by(1_000, 1_000_000_000).unwrap();
        alarm.ring_by(1_000, 1_020).unwrap();
        alarm.ring_by(1_001, 5_000).unwrap();
        assert_eq!(epoll.wait(&mut ready, None).unwrap(), 1, "not after four seconds");
        assert!((20..2_000).contains(&began.elapsed().as_millis()));
        alarm.quiet();
        alarm.ring_by(1_020, 5_000).unwrap();
        assert_eq!(alarm.rings_at_ms, Some(5_000));
        // It should have rung long ago, and nobody has looked yet.
        alarm.ring_by(6_000, 6_020).unwrap();
        assert_eq!(alarm.rings_at_ms, Some(6_020));
    }
}
