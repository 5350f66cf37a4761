//! The response context: RFC 3261 §16.7, which of the answers of all branches goes upstream.
//!
//! ```text
//!   each branch:   1xx ──► pass      2xx ──► pass, cancel the rest      3xx–6xx ──► keep the best
//!   all done, nothing passed:  next targets, if any ── else ──► the best
//! ```
//! Not here: messages, transactions, targets. This is only the decision.

/// What the branches of one request have said so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fork {
    invite: bool,
    open: u16,
    best: Option<u16>,
    answered: bool,
    /// What went upstream was no 2xx: another one would find nobody there (RFC 3261 §17.2.1).
    refused: bool,
    over: bool,
    leaves_rest: bool,
    /// The best is there in case nobody says anything else.
    best_is_last: bool,
}

/// What to do with a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Forward it upstream now.
    pub pass: bool,
    /// It is the best final response so far: keep it (and forget the one before).
    pub keep: bool,
    /// Cancel every branch that has no final response (§16.7 step 10).
    pub cancel_rest: bool,
    /// Every branch has its final response and none went upstream: try the next targets, or forward the best.
    pub settle: bool,
}

impl Fork {
    /// No branch yet.
    pub const fn new(invite: bool) -> Self {
        Self {
            invite,
            open: 0,
            best: None,
            answered: false,
            refused: false,
            over: false,
            leaves_rest: false,
            best_is_last: false,
        }
    }

    /// The caller wants the other branches to go on when one has answered (RFC 3841 §9.1 `no-cancel`). A 6xx still ends
    /// them.
    pub fn leave_rest(&mut self) {
        self.leaves_rest = true;
    }

    /// Whether branches may go on after an answer.
    pub const fn leaves_rest(&self) -> bool {
        self.leaves_rest
    }

    /// One more branch is on its way.
    pub fn branch_opened(&mut self) {
        self.open = self.open.saturating_add(1);
    }

    /// A branch has failed at one address, and another branch has been opened for the next one in its place.
    pub fn branch_replaced(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// A provisional response other than 100 (§16.7 step 2 and 5).
    pub fn provisional(&self) -> Verdict {
        Verdict { pass: !self.answered, ..Verdict::default() }
    }

    /// The first final response of a branch, or one made up for it: 408 for silence, 503 for a dead connection.
    pub fn finished(&mut self, status: u16) -> Verdict {
        self.open = self.open.saturating_sub(1);
        if (200..300).contains(&status) {
            // Every 2xx to INVITE goes through at once; of other requests only the first answer (§16.7 step 5).
            let pass = self.passes_2xx();
            self.answered = true;
            self.over = true;
            return Verdict { pass, cancel_rest: self.open > 0 && !self.leaves_rest, ..Verdict::default() };
        }
        // RFC 4320 §4.2: when silence is noticed, a client of anything but INVITE has given up too.
        self.over |= status == 408 && !self.invite;
        let is_better = |best| self.best_is_last || rank(status) < rank(best);
        let keep = !self.answered && self.best.is_none_or(is_better);
        if keep {
            (self.best, self.best_is_last) = (Some(status), false);
        }
        let decisive = status >= 600 && !self.over;
        self.over |= status >= 600;
        let settle = self.open == 0 && !self.answered;
        Verdict { pass: false, keep, cancel_rest: decisive && self.open > 0, settle }
    }

    /// The same for a redirection to where other branches have been sent already: whatever those say is better.
    pub fn finished_for_others(&mut self, status: u16) -> Verdict {
        self.open = self.open.saturating_sub(1);
        let keep = !self.answered && self.best.is_none();
        if keep {
            (self.best, self.best_is_last) = (Some(status), true);
        }
        Verdict { keep, settle: self.open == 0 && !self.answered, ..Verdict::default() }
    }

    /// A 2xx that comes again, or from a second phone, after the branch had its final response: RFC 6026 §7.2. It may be that
    /// of a branch that was given up too early: then it is the answer (§16.7 steps 5 and 10).
    pub fn another_2xx(&mut self) -> Verdict {
        let pass = self.invite && self.passes_2xx();
        let is_answer = pass && !self.answered;
        self.answered |= pass;
        self.over |= pass;
        Verdict { pass, cancel_rest: is_answer && self.open > 0 && !self.leaves_rest, ..Verdict::default() }
    }

    const fn passes_2xx(&self) -> bool {
        !self.answered || (self.invite && !self.refused)
    }

    /// The caller has hung up before an answer (§16.10): no new targets.
    pub fn cancel(&mut self) {
        self.over = true;
    }

    /// The best response is on its way upstream.
    pub fn settled(&mut self, status: u16) {
        (self.answered, self.refused) = (true, status >= 300);
    }

    /// Whether further targets may be tried: nobody answered, nobody said 6xx, the caller still waits.
    pub const fn may_go_on(&self) -> bool {
        !self.answered && !self.over
    }

    /// Whether a final response has gone upstream.
    pub const fn is_answered(&self) -> bool {
        self.answered
    }

    /// The status of the best final response so far.
    pub const fn best(&self) -> Option<u16> {
        self.best
    }

    /// Branches without a final response.
    pub const fn open(&self) -> u16 {
        self.open
    }
}

/// Lower is better: §16.7 step 6. A 6xx decides; else the lowest class, and in it what helps the caller to try again.
fn rank(status: u16) -> u16 {
    match status {
        600.. => 0,
        401 | 407 | 415 | 420 | 484 => 40,
        // A person who is busy or declines says more than a phone that is not there, and that more than silence.
        404 | 410 | 480 => 42,
        408 | 430 | 487 => 43,
        400..=499 => 41,
        503 => 51,
        500..=599 => 50,
        _ => 30,
    }
}

/// The status that goes upstream for the best one: a 503 of one branch says nothing about us (§16.7 step 6), and a flow
/// that failed (430) is between proxies; to the caller the phone is not there (RFC 5626 §11.5).
pub const fn upstream_status(best: u16) -> u16 {
    match best {
        503 => 500,
        430 => 480,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fork(branches: u16) -> Fork {
        let mut fork = Fork::new(true);
        (0..branches).for_each(|_| fork.branch_opened());
        fork
    }

    /// RFC 3261 §16.7 step 5 and 10.
    #[test]
    fn a_2xx_passes_at_once_and_cancels_the_rest() {
        let mut f = fork(3);
        assert_eq!(f.finished(486), Verdict { keep: true, ..Verdict::default() });
        assert_eq!(f.finished(200), Verdict { pass: true, cancel_rest: true, ..Verdict::default() });
        assert_eq!(f.finished(487), Verdict::default());
        assert!(f.is_answered() && !f.may_go_on());
        assert!(f.another_2xx().pass);
    }

    /// RFC 3261 §16.7 step 5: a second 2xx to INVITE passes too; step 10 was done already.
    #[test]
    fn two_phones_answer_at_once() {
        let mut f = fork(2);
        f.finished(200);
        assert_eq!(f.finished(200), Verdict { pass: true, ..Verdict::default() });
    }

    /// RFC 3261 §16.7 step 5 and 10: who was given up takes the call all the same.
    #[test]
    fn a_late_2xx_is_the_answer() {
        let mut f = fork(1);
        assert!(f.finished(408).settle && f.may_go_on());
        f.branch_opened();
        assert_eq!(f.another_2xx(), Verdict { pass: true, cancel_rest: true, ..Verdict::default() });
        assert!(f.is_answered() && !f.may_go_on());
        assert_eq!(f.finished(487), Verdict::default());
        assert_eq!(f.another_2xx(), Verdict { pass: true, ..Verdict::default() });
    }

    /// RFC 3261 §16.7 step 5, last paragraphs: a 6xx cancels the rest, but a 2xx may still win.
    #[test]
    fn a_6xx_decides_unless_somebody_answers() {
        let mut f = fork(2);
        assert_eq!(f.finished(603), Verdict { keep: true, cancel_rest: true, ..Verdict::default() });
        assert!(!f.may_go_on());
        assert!(f.clone().finished(200).pass);
        assert_eq!(f.finished(487), Verdict { settle: true, ..Verdict::default() });
        assert_eq!(f.best(), Some(603));
    }

    /// RFC 3261 §16.7 step 6.
    #[test]
    fn the_best_is_the_lowest_class_and_the_most_helpful() {
        for (answers, best) in [
            (&[486, 404, 408][..], 486),
            (&[500, 404], 404),
            (&[302, 486], 302),
            (&[486, 407], 407),
            (&[408, 480], 480),
            (&[503, 500], 500),
            (&[302, 600], 600),
        ] {
            let mut f = fork(answers.len() as u16);
            let settles = answers.iter().filter(|s| f.finished(**s).settle).count();
            assert_eq!((f.best(), settles), (Some(best), 1), "{answers:?}");
        }
        assert_eq!(upstream_status(503), 500);
        assert_eq!((upstream_status(486), upstream_status(430)), (486, 480));
    }

    /// RFC 3261 §16.7 step 4 and 6: two redirections to one place. The second one is nobody's answer, unless nothing else is
    /// said.
    #[test]
    fn a_redirection_that_another_one_has_made() {
        let mut f = fork(2);
        assert_eq!(f.finished_for_others(302), Verdict { keep: true, ..Verdict::default() });
        assert_eq!(f.clone().finished(503), Verdict { keep: true, settle: true, ..Verdict::default() });
        assert_eq!(f.finished_for_others(302), Verdict { settle: true, ..Verdict::default() });
        assert_eq!(f.best(), Some(302));
        let mut f = fork(2);
        f.finished(486);
        assert_eq!(f.finished_for_others(302), Verdict { settle: true, ..Verdict::default() });
        assert_eq!(f.best(), Some(486));
    }

    /// RFC 3261 §16.7 step 5: of a request that is no INVITE only one final response goes upstream.
    #[test]
    fn a_second_2xx_to_options_is_dropped() {
        let mut f = Fork::new(false);
        f.branch_opened();
        f.branch_opened();
        assert!(f.finished(200).pass);
        assert!(!f.finished(200).pass);
    }
}
