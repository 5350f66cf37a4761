//! What bounds the location service.

use std::time::Duration;

use offhook_frames::PAYLOAD_BYTES_MAX;

/// Bounds and habits of a [`Location`](crate::Location). What is loaded from disk is kept even where it exceeds a bound
/// that has been lowered since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bindings of one address-of-record. One person rarely has more than ten devices, and every call forks to all of
    /// them. Beyond: [`LocationError::TooManyBindings`](crate::LocationError::TooManyBindings).
    pub bindings_per_aor_max: usize,
    /// Bindings of all addresses-of-record, expired ones included until they are swept. At 300 bytes each, the default
    /// of 2,000,000 is 600 MB. Beyond: [`LocationError::Full`](crate::LocationError::Full).
    pub bindings_max: usize,
    /// Bytes of one address-of-record's record; 65,535 at most, which the file format can hold. The default fits ten
    /// bindings of 1.6 kB. Beyond: [`LocationError::RecordTooLong`](crate::LocationError::RecordTooLong).
    pub record_bytes_max: usize,
    /// Shards that may write: one per core, and no machine of today has more than 256 for us.
    pub shards_max: u16,
    /// How far the files may grow beyond twice the live data before they are rewritten. Without it a small server
    /// would compact every few registrations.
    pub log_slack_bytes: u64,
    /// When written records are forced to the disk itself.
    pub sync: SyncPolicy,
}

/// When a commit reaches the disk rather than the operating system: what a power failure may cost. The death of the
/// process alone costs nothing that was committed, whichever is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncPolicy {
    /// A background thread forces the logs to disk this often, when there was something new; a power failure costs at
    /// most this much.
    Interval(Duration),
    /// Each commit waits for the disk: milliseconds instead of microseconds, and a power failure costs nothing.
    EveryCommit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bindings_per_aor_max: 10,
            bindings_max: 2_000_000,
            record_bytes_max: 16 * 1024,
            shards_max: 256,
            log_slack_bytes: 32 * 1024 * 1024,
            sync: SyncPolicy::Interval(Duration::from_secs(1)),
        }
    }
}

impl Limits {
    /// The bound on a record that both the configuration and the file format allow.
    pub(crate) fn payload_bytes_max(&self) -> usize {
        self.record_bytes_max.min(PAYLOAD_BYTES_MAX)
    }

    /// How often the background thread looks.
    pub(crate) fn tick(&self) -> Duration {
        match self.sync {
            SyncPolicy::Interval(interval) => interval.max(TICK_MIN),
            SyncPolicy::EveryCommit => TICK_DEFAULT,
        }
    }
}

/// More often would only burn an idle machine's battery.
const TICK_MIN: Duration = Duration::from_millis(10);
/// Where nothing else says how often, compaction is considered once per second.
const TICK_DEFAULT: Duration = Duration::from_secs(1);
