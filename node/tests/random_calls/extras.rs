//! What an evening has beyond UDP, TCP and addresses. Dice of its own say so, and throw all that belongs to it: evenings
//! without are as they have always been.

use offhook_simnet::Rng;
use offhook_sip::Transport;

use crate::found::Era;

/// What else there is.
pub(crate) struct Extras {
    /// Phones by TLS, and browsers.
    pub(crate) links: bool,
    /// A far domain that is found by its name.
    pub(crate) names: bool,
    /// A provider that numbers go to.
    pub(crate) trunks: bool,
    pub(crate) dice: Rng,
    /// A row of servers that share calls: the dice for all of it.
    pub(crate) row: Option<Rng>,
}

impl Extras {
    /// Those of this seed.
    pub(crate) fn of(seed: u64) -> Self {
        let era = Era::of(seed);
        let mut dice = Rng::new(seed ^ 0x00e7_7a50);
        let mut has = |permille| dice.permille(permille) && era >= Era::Names;
        let (links, names, trunks) = (has(400), has(400), has(400));
        // What came later has dice of its own each, so that all else stays as it was.
        let later = |since: Era, mark: u64, permille| {
            let mut dice = Rng::new(seed ^ mark);
            (dice.permille(permille) && era >= since).then_some(dice)
        };
        Self { links, names, trunks, dice, row: later(Era::Rows, 0x0707_e500, 300) }
    }

    /// Whether the next call goes far away.
    pub(crate) fn is_far_called(&mut self) -> bool {
        self.names && self.dice.permille(500)
    }

    /// Whether the way to another exchange is a name.
    pub(crate) fn is_next_by_name(&mut self) -> bool {
        self.dice.permille(600)
    }

    /// Whether the next call goes to a number.
    pub(crate) fn is_number_called(&mut self) -> bool {
        self.trunks && self.dice.permille(400)
    }

    /// How a phone is connected that would have come by `plain`.
    pub(crate) fn transport(&mut self, plain: Transport) -> Transport {
        match self.links.then(|| self.dice.below(8)) {
            Some(0 | 1) => Transport::Tls,
            Some(2 | 3) => Transport::Ws,
            Some(4) => Transport::Wss,
            _ => plain,
        }
    }
}
