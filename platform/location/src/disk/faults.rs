//! A disk that fails when a test says so.

use std::io;
use std::sync::{Arc, Mutex};

/// What goes wrong, shared by all files of one location service.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Plan>>);

/// A plan of faults; by default nothing fails.
#[derive(Default)]
pub(crate) struct Plan {
    /// Bytes that may still be written; a write beyond them is cut there and fails.
    pub(crate) room: Option<usize>,
    /// So many times the disk will not say that it kept what it was given.
    pub(crate) sync_failures: u32,
    pub(crate) truncate_fails: bool,
    /// Operations until the machine stops: from then on nothing reaches the disk.
    pub(crate) operations_left: Option<usize>,
}

impl Faults {
    /// Changes the plan.
    pub(crate) fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(crate) fn check(&self) -> io::Result<()> {
        match &mut self.0.lock().unwrap().operations_left {
            None => Ok(()),
            Some(0) => Err(io::ErrorKind::Other.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    pub(crate) fn check_sync(&self) -> io::Result<()> {
        self.check()?;
        let mut plan = self.0.lock().unwrap();
        let fails = plan.sync_failures > 0;
        plan.sync_failures = plan.sync_failures.saturating_sub(1);
        if fails { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }

    pub(crate) fn check_truncate(&self) -> io::Result<()> {
        self.check()?;
        if self.0.lock().unwrap().truncate_fails { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }

    /// The part of a write that reaches the disk, and how the write ends.
    pub(crate) fn split_write<'b>(&self, bytes: &'b [u8]) -> (&'b [u8], io::Result<()>) {
        if let Err(error) = self.check() {
            return (&[], Err(error));
        }
        let mut plan = self.0.lock().unwrap();
        let room = plan.room.unwrap_or(usize::MAX);
        let part = &bytes[..bytes.len().min(room)];
        plan.room = plan.room.map(|room| room - part.len());
        let full = part.len() < bytes.len();
        (part, if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) })
    }
}
