//! How late the loop is: how long the oldest message of each full batch had waited. Of a batch that is not full nothing
//! waits any more, however long its messages did.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is to be told about one turn of the loop.
#[derive(Default)]
pub(super) struct Lateness {
    /// The longest wait of this turn, ms.
    waited_ms: u32,
    /// There was one when it was last told.
    was_late: bool,
}

impl Lateness {
    /// A full batch has begun with a datagram that came then, as time since the Unix epoch.
    pub(super) fn note(&mut self, arrived: Option<Duration>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // A clock that was set back makes none.
        let waited = arrived.map_or(Duration::ZERO, |arrived| now.saturating_sub(arrived));
        self.waited_ms = self.waited_ms.max(u32::try_from(waited.as_millis()).unwrap_or(u32::MAX));
    }

    /// The wait of this turn, ms, where there was one, and 0 once when it is over.
    pub(super) fn at_end_of_turn(&mut self) -> Option<u32> {
        let waited_ms = std::mem::take(&mut self.waited_ms);
        let was_late = std::mem::replace(&mut self.was_late, waited_ms > 0);
        (waited_ms > 0 || was_late).then_some(waited_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(ms: u64) -> Option<Duration> {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().checked_sub(Duration::from_millis(ms))
    }

    #[test]
    fn the_longest_wait_is_told_and_once_that_it_is_over() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.at_end_of_turn(), None);
        [ago(70), ago(900), ago(3), None].into_iter().for_each(|arrived| lateness.note(arrived));
        assert!(matches!(lateness.at_end_of_turn(), Some(900..2_000)));
        assert_eq!(lateness.at_end_of_turn(), Some(0));
        assert_eq!(lateness.at_end_of_turn(), None);
    }

    #[test]
    fn what_comes_from_the_future_has_not_waited() {
        let mut lateness = Lateness::default();
        lateness.note(ago(0).map(|now| now + Duration::from_secs(3_600)));
        assert_eq!(lateness.at_end_of_turn(), None);
    }
}
