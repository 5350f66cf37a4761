//! What an evening has beyond UDP, TCP and addresses. Dice of its own say so, and throw all that belongs to it: evenings
//! without are as they have always been.

use offhook_simnet::Rng;
use offhook_sip::Transport;

use crate::FOUND_IN_PLAIN_EVENINGS;

/// What else there is.
pub(crate) struct Extras {
    /// Phones by TLS, and browsers.
    pub(crate) links: bool,
    /// A far domain that is found by its name.
    pub(crate) names: bool,
    /// A provider that numbers go to.
    pub(crate) trunks: bool,
    pub(crate) dice: Rng,
}

impl Extras {
    /// Those of this seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Rng::new(seed ^ 0x00e7_7a50);
        let plain = FOUND_IN_PLAIN_EVENINGS.contains(&seed);
        let mut has = |permille| dice.permille(permille) && !plain;
        let (links, names, trunks) = (has(400), has(400), has(400));
        Self { links, names, trunks, dice }
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
