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
}
