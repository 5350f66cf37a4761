//! How another thread ends the loops.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crate::sys::EventFd;

/// Ends every [`crate::Loop::run`] that was given a clone of it, and each that will be.
///
/// A server that wants to let calls finish runs its loops twice: after the first stopper it tells its engines to take
/// nothing new, then runs them again with a second stopper that a deadline or an impatient operator pulls.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<EventFd>);

impl Stopper {
    /// One that nobody has pulled yet. Fails when the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(EventFd::new()?)))
    }

    /// The loops return after the turn they are in. Pulling again changes nothing. Safe in a signal's thread.
    pub fn stop(&self) {
        self.0.raise();
    }
}

impl AsFd for Stopper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
