//! The one clock of a process: wall time at the start, monotonic time from there.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds of the Unix epoch that never step back: somebody who sets the machine's clock ends no call and no
/// registration. Copies of one clock agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_ms: u64,
}

impl Clock {
    /// Reads the wall clock, once.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_ms: since_epoch.as_millis() as u64 }
    }

    /// Now, milliseconds of the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.started_ms + self.started.elapsed().as_millis() as u64
    }

    /// What the machine's clock says: for what people read, and what others have written. It may step.
    pub fn machine_ms(&self) -> u64 {
        self.now_ms().saturating_add_signed(self.machine_ahead_ms())
    }

    /// How far the machine's clock is ahead of this one, ms; negative: behind.
    pub fn machine_ahead_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        since_epoch.as_millis() as i64 - self.now_ms() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_the_wall_clock_and_never_steps_back() {
        let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let clock = Clock::start();
        let readings: Vec<u64> = (0..1000).map(|_| clock.now_ms()).collect();
        assert!(readings.is_sorted());
        assert!(readings[0] - wall_ms < 10_000, "{} is not near {wall_ms}", readings[0]);
    }

    /// As after somebody has set the machine's clock forward by a day.
    #[test]
    fn the_machine_may_be_ahead() {
        let now = Clock::start();
        assert!(now.machine_ahead_ms().abs() < 10_000);
        let set = Clock { started_ms: now.started_ms - 86_400_000, ..now };
        assert!((86_390_000..86_410_000).contains(&set.machine_ahead_ms()));
    }
}
