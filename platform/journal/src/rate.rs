//! How many lines a kind of event may have in a second, so that a flood cannot fill the disk.

use crate::event::EventKind;
use crate::level::Level;

/// Lines of one kind, per second and shard: more than anyone reads, and at 200 bytes each under 2 GB a day when a
/// flood never ends. Further ones are counted and told in one line a second later.
pub const LINES_PER_SECOND_MAX: u32 = 100;

/// The same for errors, which are rare and each of which may matter.
pub const ERROR_LINES_PER_SECOND_MAX: u32 = 1_000;

/// The seconds of all kinds.
#[derive(Debug)]
pub(crate) struct Rates {
    per_kind: [Window; EventKind::ALL.len()],
    /// Kinds of which something was left out and not told yet.
    untold: u32,
}

/// The current second of one kind.
#[derive(Clone, Copy, Debug)]
struct Window {
    second: u64,
    lines: u32,
    left_out: u64,
}

impl Rates {
    pub(crate) fn new() -> Self {
        Self { per_kind: [Window { second: 0, lines: 0, left_out: 0 }; EventKind::ALL.len()], untold: 0 }
    }

    /// Whether a line of this kind may be written now. To be asked after [`Rates::left_out_before`], for this may
    /// begin a new second.
    pub(crate) fn admit(&mut self, kind: EventKind, now_ms: u64) -> bool {
        let window = &mut self.per_kind[kind as usize];
        let second = now_ms / 1_000;
        if window.second != second {
            (window.second, window.lines) = (second, 0);
        }
        let lines_max =
            if kind.level() == Level::Error { ERROR_LINES_PER_SECOND_MAX } else { LINES_PER_SECOND_MAX };
        if window.lines < lines_max {
            window.lines += 1;
            return true;
        }
        self.untold += u32::from(window.left_out == 0);
        window.left_out += 1;
        false
    }

    /// A kind of which lines were left out in a second that has passed, and how many; each is told once.
    pub(crate) fn left_out_before(&mut self, now_ms: u64) -> Option<(EventKind, u64)> {
        if self.untold == 0 {
            return None;
        }
        let told = |window: &Window| window.left_out == 0 || window.second == now_ms / 1_000;
        let kind = *EventKind::ALL.iter().find(|kind| !told(&self.per_kind[**kind as usize]))?;
        self.untold -= 1;
        Some((kind, std::mem::take(&mut self.per_kind[kind as usize].left_out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOD: EventKind = EventKind::AuthFailed;

    fn admitted(rates: &mut Rates, kind: EventKind, now_ms: u64, events: u32) -> usize {
        (0..events).filter(|_| rates.admit(kind, now_ms)).count()
    }

    #[test]
    fn each_second_and_each_kind_has_its_own_lines() {
        let mut rates = Rates::new();
        assert_eq!(admitted(&mut rates, FLOOD, 5_000, 250), 100);
        assert_eq!(admitted(&mut rates, FLOOD, 5_999, 1), 0);
        assert_eq!(admitted(&mut rates, EventKind::RegisterAccepted, 5_999, 250), 100);
        assert_eq!(admitted(&mut rates, FLOOD, 6_000, 250), 100);
        assert_eq!(admitted(&mut rates, EventKind::PanicCaught, 6_000, 2_000), 1_000);
    }

    #[test]
    fn what_was_left_out_is_told_once_and_later() {
        let mut rates = Rates::new();
        admitted(&mut rates, FLOOD, 5_000, 250);
        admitted(&mut rates, EventKind::CallFailed, 5_000, 101);
        assert_eq!(rates.left_out_before(5_999), None, "the second is not over");
        assert_eq!(rates.left_out_before(6_000), Some((FLOOD, 150)));
        assert_eq!(rates.left_out_before(6_000), Some((EventKind::CallFailed, 1)));
        assert_eq!(rates.left_out_before(6_000), None);
    }
}
