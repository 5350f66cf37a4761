//! What an evening has beyond UDP, TCP and addresses. Dice of its own say so, and throw all that belongs to it: evenings
//! without are as they have always been.

use offhook_simnet::Rng;
use offhook_sip::Transport;

use crate::found::Era;
use crate::lines;

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
    /// Phones that are forwarded.
    pub(crate) forwarding: Option<Rng>,
    /// People who say who they are, or want it hidden.
    pub(crate) identity: Option<Rng>,
    /// Phones that want TLS on every hop, among those that come by TLS.
    pub(crate) secure: Option<Rng>,
    /// So long phones ring before others have their turn, seconds; else until Timer C ends it.
    pub(crate) ring_s: Option<u64>,
    /// Exchanges that say which way requests have gone, and phones that want to know or not.
    pub(crate) history: Option<Rng>,
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
        let row = later(Era::Rows, 0x0707_e500, 300);
        let forwarding = later(Era::Forwarding, 0x0f0a_3a2d, 250);
        let identity = later(Era::Identity, 0x01de_4717, 300);
        let secure = later(Era::Secure, 0x05ec_07e5, 600).filter(|_| links);
        let ring_s = later(Era::Turns, 0x0107_0125, 500).map(|mut dice| dice.between(5, 40));
        let history = later(Era::History, 0x0007_0447, 300);
        Self { links, names, trunks, dice, row, forwarding, identity, secure, ring_s, history }
    }

    /// Whether an exchange says which way requests have gone.
    pub(crate) fn tells_history(&mut self) -> bool {
        self.history.as_mut().is_some_and(|dice| dice.permille(800))
    }

    /// What a phone says of it: that it wants to know, that it has been called for somebody else, that nobody outside is to
    /// know (RFC 7044 §9.1, §10.1).
    pub(crate) fn way_of_phone(&mut self) -> Vec<(&'static str, String)> {
        let Some(dice) = &mut self.history else { return Vec::new() };
        let mut lines = Vec::new();
        if dice.permille(500) {
            lines.push(("Supported", "histinfo".to_owned()));
        }
        if dice.permille(200) {
            let index = ["1", "1.2", "3.10.1"][dice.below(3) as usize];
            lines.push(("History-Info", format!("<sip:carol@a.example>;index={index}")));
        }
        if dice.permille(200) {
            lines.push(("Privacy", ["history", "header"][dice.below(2) as usize].to_owned()));
        }
        lines
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

    /// Whether a phone that is connected so wants TLS on every hop.
    pub(crate) fn is_secure(&mut self, transport: Transport) -> bool {
        self.secure.as_mut().is_some_and(|dice| lines::is_safe(transport) && dice.permille(600))
    }

    /// Whether it asks for that when it calls.
    pub(crate) fn calls_securely(&mut self) -> bool {
        self.secure.as_mut().is_some_and(|dice| dice.permille(500))
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
