//! What one shard knows of one next hop: what it has found out itself, and what another shard tells it some time later.

/// Whether a next hop is passed over, as long as another one is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Life {
    Alive,
    Dead,
    /// One or the other.
    Unsure,
}

/// Whether a shard asks it whether it lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asks {
    /// Another shard does.
    Not,
    /// It may, from then on.
    May(u64),
    /// It does, from then on.
    Must(u64),
}

/// How a next hop stands with a shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    life: Life,
    /// When it failed this shard.
    pub(super) failed_ms: u64,
    pub(super) asks: Asks,
    /// Until then another shard's word may come in between, and after that it is as that one says.
    settles: Option<(u64, Life)>,
}

impl Standing {
    /// Nothing is known against it.
    pub(super) fn new(now_ms: u64) -> Self {
        Self { life: Life::Alive, failed_ms: now_ms, asks: Asks::Not, settles: None }
    }

    pub(super) fn at(self, now_ms: u64) -> Life {
        match self.settles {
            Some((until_ms, told)) if now_ms > until_ms => told,
            _ => self.life,
        }
    }

    /// The shard has found this out itself.
    pub(super) fn learns(&mut self, now_ms: u64, life: Life) {
        match self.settles.filter(|(until_ms, _)| now_ms <= *until_ms) {
            None => (self.life, self.settles) = (life, None),
            Some((_, told)) if told == life => self.life = life,
            Some((until_ms, _)) => (self.life, self.settles) = (Life::Unsure, Some((until_ms, Life::Unsure))),
        }
        self.asks = match (self.life, self.asks) {
            (Life::Unsure, Asks::Must(at_ms)) => Asks::May(at_ms),
            (Life::Alive, _) => Asks::Not,
            (_, asks) => asks,
        };
    }

    /// By then the shard will have been told this by another one.
    pub(super) fn will_be_told(&mut self, now_ms: u64, by_ms: u64, life: Life) {
        let before = self.at(now_ms);
        // What was to be told before may never be.
        let is_open = self.settles.is_some_and(|(until_ms, _)| now_ms <= until_ms);
        let told = if is_open { Life::Unsure } else { life };
        self.life = if before == told { before } else { Life::Unsure };
        self.settles = Some((by_ms, told));
        self.asks = match (before, self.asks) {
            (Life::Alive, _) => Asks::Not,
            (Life::Dead, asks) if told == Life::Dead => asks,
            (_, Asks::Must(at_ms)) => Asks::May(at_ms),
            (_, asks) => asks,
        };
    }

    /// It asks no sooner, now that it has failed or was asked.
    pub(super) fn asks_at(&mut self, at_ms: u64) {
        self.asks = if self.life == Life::Unsure { Asks::May(at_ms) } else { Asks::Must(at_ms) };
    }

    /// It may ask then, or earlier as before.
    pub(super) fn may_ask_at(&mut self, at_ms: u64) {
        self.asks = match self.asks {
            Asks::Not => Asks::May(at_ms),
            Asks::May(before_ms) | Asks::Must(before_ms) => Asks::May(before_ms.min(at_ms)),
        };
    }

    pub(super) fn may_ask(&self, now_ms: u64) -> bool {
        matches!(self.asks, Asks::May(at_ms) | Asks::Must(at_ms) if at_ms <= now_ms)
    }
}
