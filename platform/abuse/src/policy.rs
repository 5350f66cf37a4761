//! The numbers of the guard: what is tolerated, and what follows.

/// What may be done before something follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Failures of one source within a minute that end in a ban; a quarter of them is free of any penalty.
    pub failures_max: u32,
    /// Failures at one account within an hour, from places that are new to it; half of them may come at once.
    pub account_failures_max: u32,
    /// The first ban of a source, seconds; each further one is twice as long.
    pub ban_s: u32,
    /// The longest ban, seconds.
    pub ban_max_s: u32,
    /// Answers a second to a source that has proved nothing.
    pub answers_max: u32,
    /// New requests of an account a second; five times as many at once.
    pub account_requests_max: u32,
    /// The same for a source that was let in and has proved nothing.
    pub stranger_requests_max: u32,
    /// How long the right password makes an address known, seconds: as long as a registration can last.
    pub known_s: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            failures_max: 20,
            account_failures_max: 60,
            ban_s: 300,
            ban_max_s: 86_400,
            answers_max: 10,
            account_requests_max: 20,
            stranger_requests_max: 20,
            known_s: 7_200,
        }
    }
}

/// So many times as many users may be asked for in vain as passwords guessed: that does happen to callers.
const WALK_FACTOR: u32 = 5;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

impl Policy {
    /// One failure of a source is forgiven in this time, ms.
    pub(crate) fn source_leak_ms(&self) -> u64 {
        MINUTE_MS / u64::from(self.failures_max.max(1))
    }

    /// One failure at an account is forgiven in this time, ms.
    pub(crate) fn account_leak_ms(&self) -> u64 {
        HOUR_MS / u64::from(self.account_failures_max.max(1))
    }

    /// Failures of a source without penalty: mistyped passwords.
    pub(crate) fn free(&self) -> u32 {
        self.failures_max / 4
    }

    /// Different users that may be asked for without proof and without penalty.
    pub(crate) fn walk_free(&self) -> u32 {
        self.failures_max
    }

    /// Different users that end in a ban.
    pub(crate) fn walk_max(&self) -> u32 {
        self.failures_max.saturating_mul(WALK_FACTOR)
    }

    /// One of them is forgiven in this time, ms.
    pub(crate) fn walk_leak_ms(&self) -> u64 {
        self.source_leak_ms() * u64::from(WALK_FACTOR)
    }

    /// Failures at an account without penalty.
    pub(crate) fn account_free(&self) -> u32 {
        self.account_failures_max / 2
    }
}
