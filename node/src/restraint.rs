//! How much each source should hold back: what overload control of RFC 7339 tells those who offer to listen (§5.3).
//!
//! ```text
//!   every 200 ms, for each source:   let in / asked ──► the share it may send ──► less by as much, or a step more
//! ```
//! The share is a product: a source that obeys sends less, so less of it is refused, so its share grows a step until some
//! is refused again. It is one share for each source, made by the same gate that shares fairly: a flood from one peer
//! asks nothing of the others (§5.10.2).

use offhook_sip::LossFeedback;

/// How long arrivals are counted before the share is set anew, ms: at a few hundred requests a second enough to divide,
/// and the wish of one period holds over the next.
const PERIOD_MS: u64 = 200;

/// How long a wish holds, ms: the default of RFC 7339 §4.3.
const VALIDITY_MS: u32 = 500;

/// The smallest share, thousandths: a source that sends nothing would never hear that it may again.
const SHARE_MIN_PERMILLE: u16 = 20;

/// Who was answered with such a wish, or none, no more periods ago listens: ten seconds.
const LISTENS_PERIODS: u32 = 50;

/// So many periods after it was first asked to hold back it should have done so: two seconds.
const OBEYS_PERIODS: u32 = 10;

/// So many quiet periods undo any restraint; more need not be counted.
const PERIODS_MAX: u32 = 24;

/// What one source asked for and got.
#[derive(Clone, Copy, Default)]
pub(crate) struct Restraint {
    /// The period that the counts belong to.
    period: u32,
    /// New requests that came.
    asked: u16,
    /// Those of them that were let in.
    let_in: u16,
    /// Requests of calls in progress, which always pass.
    in_progress: u16,
    /// What it should not send of its new requests, thousandths.
    held_permille: u16,
    /// New requests among all that it would send, thousandths.
    new_permille: u16,
    /// The period in which it was last told anything, which it is only if it listens.
    told: Option<u32>,
    /// The period in which it was first asked to hold back; none while it is not.
    asked_since: Option<u32>,
}

impl Restraint {
    /// Counts a new request.
    pub(crate) fn note_new(&mut self, now_ms: u64, let_in: bool) {
        self.roll(now_ms, false);
        self.asked = self.asked.saturating_add(1);
        self.let_in = self.let_in.saturating_add(u16::from(let_in));
    }

    /// Counts a request of a call in progress.
    pub(crate) fn note_in_progress(&mut self, now_ms: u64) {
        self.roll(now_ms, false);
        self.in_progress = self.in_progress.saturating_add(1);
    }

    /// What to tell the source. `calm`: nobody is turned away any more.
    pub(crate) fn feedback(&mut self, now_ms: u64, calm: bool) -> LossFeedback {
        self.roll(now_ms, calm);
        self.told = Some(self.period);
        self.asked_since = (self.held_permille > 0).then(|| self.asked_since.unwrap_or(self.period));
        // §5.3: the number is about all requests, those in dialogs too, though it is the new ones that we want less of.
        let of_all = u32::from(self.held_permille) * u32::from(self.new_permille) / 1000;
        LossFeedback::at(now_ms, of_all.div_ceil(10).min(100) as u8, VALIDITY_MS)
    }

    /// Whether it listens and has not had the time to do as it is told: until then nothing else is done about it.
    pub(crate) fn may_yet_obey(&self, now_ms: u64) -> bool {
        let period = (now_ms / PERIOD_MS) as u32;
        let is_within = |since: u32, periods| period.wrapping_sub(since) < periods;
        let listens = self.told.is_some_and(|told| is_within(told, LISTENS_PERIODS));
        listens && self.asked_since.is_none_or(|since| is_within(since, OBEYS_PERIODS))
    }

    /// Closes the period that the counts belong to, if it is over.
    fn roll(&mut self, now_ms: u64, calm: bool) {
        let period = (now_ms / PERIOD_MS) as u32;
        let over = period.wrapping_sub(self.period);
        if over == 0 {
            return;
        }
        self.period = period;
        if self.held_permille > 0 || self.asked > 0 {
            self.close(calm);
            (1..over.min(PERIODS_MAX)).for_each(|_| self.relax(calm));
        }
        (self.asked, self.let_in, self.in_progress) = (0, 0, 0);
    }

    fn close(&mut self, calm: bool) {
        let (asked, let_in) = (u32::from(self.asked), u32::from(self.let_in));
        let share = u32::from(1000 - self.held_permille);
        if asked > 0 {
            // What it would have sent without our wish.
            let wanted = asked * 1000 / share.max(1);
            self.new_permille = (wanted * 1000 / (wanted + u32::from(self.in_progress))) as u16;
        }
        // One in twenty refused is the noise of short periods, and what keeps the gate's measure.
        if let_in * 20 < asked * 19 {
            let share = (share * let_in / asked) as u16;
            self.held_permille = 1000 - share.clamp(SHARE_MIN_PERMILLE, 1000);
        } else {
            self.relax(calm);
        }
    }

    fn relax(&mut self, calm: bool) {
        let share = 1000 - self.held_permille;
        let step = if calm { share / 2 + 20 } else { share / 8 + 10 };
        self.held_permille = self.held_permille.saturating_sub(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that wants `wanted` new requests a second and `in_progress` others, and holds back what it is told of
    /// all; `carried` of the new ones are let in. Says how many it sent and how many were let in, in the last second.
    fn play(restraint: &mut Restraint, from_s: u64, seconds: u64, wanted: u32, carried: u32) -> (u32, u32) {
        let (mut sent, mut let_in) = (0, 0);
        let mut owed = 0;
        for second in from_s..from_s + seconds {
            (sent, let_in) = (0, 0);
            for n in 0..wanted {
                let now_ms = second * 1000 + u64::from(n * 1000 / wanted);
                let calm = wanted <= carried;
                let told = u32::from(restraint.feedback(now_ms, calm).percent);
                // Every call has one request in progress besides: what is held back of all is twice as much of the new.
                owed += (told * 1000 / u32::from(restraint.new_permille.max(1))).min(100);
                if owed >= 100 {
                    owed -= 100;
                    continue;
                }
                sent += 1;
                let fits = let_in * 1000 < carried * (n * 1000 / wanted + 1);
                let_in += u32::from(fits);
                restraint.note_new(now_ms, fits);
                if fits {
                    restraint.note_in_progress(now_ms);
                }
            }
        }
        (sent, let_in)
    }

    /// RFC 7339 §5.3, §5.1: zero while there is no overload.
    #[test]
    fn nobody_is_asked_to_hold_back_in_quiet_times() {
        let mut restraint = Restraint::default();
        assert_eq!(play(&mut restraint, 1, 3, 1_000, 2_000), (1_000, 1_000));
        let wish = restraint.feedback(4_000, true);
        assert_eq!((wish.percent, wish.validity_ms), (0, 0));
    }

    /// RFC 7339 §5.3: a source that obeys ends up sending what is carried, and a little more.
    #[test]
    fn a_source_that_obeys_sends_what_can_be_carried() {
        for (wanted, carried) in [(2_000, 1_000), (5_000, 1_000), (10_000, 1_000)] {
            let (sent, let_in) = play(&mut Restraint::default(), 1, 10, wanted, carried);
            assert!((900..=1_400).contains(&sent), "{wanted}: {sent} sent");
            assert!(let_in >= 850, "{wanted}: {let_in} let in");
        }
    }

    /// A source that does not obey is asked for more and more, never for everything. RFC 7339 §7.1: at most 100.
    #[test]
    fn a_source_that_does_not_listen() {
        let mut restraint = Restraint::default();
        for now_ms in 0..10_000 {
            restraint.note_new(now_ms, now_ms % 10 == 0);
        }
        assert_eq!(restraint.feedback(10_000, false).percent, 98);
    }

    /// Who listens has time to obey; who does not then is like one who does not listen.
    #[test]
    fn who_listens_has_time_to_obey() {
        let mut restraint = Restraint::default();
        assert!(!restraint.may_yet_obey(100_000), "nobody knows whether it listens");
        restraint.feedback(100_000, true);
        assert!(restraint.may_yet_obey(109_000) && !restraint.may_yet_obey(110_000));
        (110_000..110_400).for_each(|now_ms| restraint.note_new(now_ms, false));
        assert!(restraint.feedback(110_400, false).percent > 0);
        assert!(restraint.may_yet_obey(112_200));
        restraint.feedback(112_200, false);
        (110_400..112_400).for_each(|now_ms| restraint.note_new(now_ms, false));
        restraint.feedback(112_400, false);
        assert!(!restraint.may_yet_obey(112_400));
    }

    /// RFC 7339 §5.7: when it is over the wish is taken back, within two seconds.
    #[test]
    fn the_wish_ends_with_the_overload() {
        let mut restraint = Restraint::default();
        for now_ms in 0..10_000 {
            restraint.note_new(now_ms, now_ms % 10 == 0);
        }
        let wishes = (10_000..12_000).map(|now_ms| restraint.feedback(now_ms, true));
        let last = wishes.last().unwrap_or_default();
        assert_eq!((last.percent, last.validity_ms), (0, 0));
        assert_eq!(restraint.feedback(100_000, true).percent, 0);
    }
}
