//! Next hops that say how much they can take: overload control of RFC 7339, as its client.
//!
//! ```text
//!   copy to a route's address ──► Via …;oc;oc-algo="loss" ──► next hop
//!   response, our Via with oc=20 ◄───────────────────────────────┘
//!        └──► for as long as it says, every fifth request that would go there is answered 503 here
//! ```
//! What is held back is new work; requests inside dialogs only if asked for more than all new work, and emergencies, ACK,
//! CANCEL and BYE never (§5.10.1). Whom we ask is said by the configuration, so this table grows with that alone.

use std::net::SocketAddr;

use offhook_route::Rules;
use offhook_sip::LossFeedback;

/// No wish holds longer, ms, whatever it says: a neighbour that asks for everything hears nothing from us any more, and
/// could not take back a slip of days.
const VALIDITY_MAX_MS: u32 = 60_000;

/// How long requests are counted before their mix is taken anew, ms (§7.2: every 5 to 10 seconds).
const MIX_PERIOD_MS: u64 = 5_000;

/// The share of new work before anything was counted, thousandths (§7.2).
const MIX_DEFAULT_PERMILLE: u32 = 800;

/// A number lower by more than this is that of a neighbour that counts anew (§4.4), hundred-thousandths of a second:
/// nothing stays in the network for ten minutes.
const SEQUENCE_SLACK: u64 = 600 * 100_000;

/// How a request fares when it must be less (§5.10.1, §7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Category {
    /// New work: held back first.
    New,
    /// Belongs to work in progress: held back when no new work is left to hold back.
    InProgress,
    /// Never held back.
    Vital,
}

/// Something to tell in the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// From now on requests are held back, so many percent.
    Began(u8),
    /// No more; so many were held back.
    Ended(u64),
}

/// The next hops we offer to listen to.
#[derive(Default)]
pub(crate) struct Neighbours {
    /// By address.
    list: Vec<Neighbour>,
    dice: u64,
}

struct Neighbour {
    address: SocketAddr,
    percent: u8,
    until_ms: u64,
    sequence: u64,
    /// Held back since it began.
    throttled: u64,
    mix: Mix,
}

/// How much of what would go there is new work.
struct Mix {
    until_ms: u64,
    new: u32,
    in_progress: u32,
    new_permille: u32,
}

impl Neighbours {
    /// The next hops of the configuration that are to be asked; the key is entropy for the dice.
    pub(crate) fn new(routing: &Rules, key: [u8; 16]) -> Self {
        let mut addresses: Vec<_> = routing.overload_controlled().map(|hop| hop.address).collect();
        addresses.sort();
        addresses.dedup();
        let [.., a, b, c, d, e, f, g, h] = key;
        let dice = u64::from_le_bytes([a, b, c, d, e, f, g, h]) | 1;
        Self { list: addresses.into_iter().map(Neighbour::new).collect(), dice }
    }

    /// Whether copies to this address carry our offer (§4.1).
    #[inline]
    pub(crate) fn knows(&self, address: SocketAddr) -> bool {
        !self.list.is_empty() && self.index(address).is_some()
    }

    /// Takes to heart what the Via of a response said.
    pub(crate) fn heard(&mut self, now_ms: u64, address: SocketAddr, wish: LossFeedback) -> Option<Change> {
        let index = self.index(address)?;
        self.list.get_mut(index)?.heard(now_ms, wish)
    }

    /// Whether a request may go there now, and what has changed with that. `is_emergency` is asked before one is held back, and
    /// not otherwise: most neighbours ask for nothing.
    pub(crate) fn lets_pass(
        &mut self,
        now_ms: u64,
        address: SocketAddr,
        category: Category,
        is_emergency: impl FnOnce() -> bool,
    ) -> (bool, Option<Change>) {
        let Some(index) = self.index(address) else { return (true, None) };
        let thrown = self.throw();
        let Some(neighbour) = self.list.get_mut(index) else { return (true, None) };
        neighbour.mix.count(now_ms, category);
        if neighbour.percent == 0 {
            return (true, None);
        }
        if now_ms >= neighbour.until_ms {
            return (true, neighbour.end());
        }
        let passes = thrown >= neighbour.held_permille(category) || is_emergency();
        neighbour.throttled += u64::from(!passes);
        (passes, None)
    }

    fn index(&self, address: SocketAddr) -> Option<usize> {
        self.list.binary_search_by_key(&address, |neighbour| neighbour.address).ok()
    }

    /// 0 to 999, each as likely as the others (xorshift64*).
    fn throw(&mut self) -> u32 {
        self.dice ^= self.dice >> 12;
        self.dice ^= self.dice << 25;
        self.dice ^= self.dice >> 27;
        ((self.dice.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % 1000) as u32
    }
}

impl Neighbour {
    fn new(address: SocketAddr) -> Self {
        let mix = Mix { until_ms: 0, new: 0, in_progress: 0, new_permille: MIX_DEFAULT_PERMILLE };
        Self { address, percent: 0, until_ms: 0, sequence: 0, throttled: 0, mix }
    }

    /// §5.4: only a newer wish counts, and begins its time anew.
    fn heard(&mut self, now_ms: u64, wish: LossFeedback) -> Option<Change> {
        if let Some(sequence) = wish.sequence {
            if sequence <= self.sequence && self.sequence - sequence < SEQUENCE_SLACK {
                return None;
            }
            self.sequence = sequence;
        }
        // §5.7: either ends it.
        if wish.percent == 0 || wish.validity_ms == 0 {
            return if self.percent == 0 { None } else { self.end() };
        }
        self.until_ms = now_ms + u64::from(wish.validity_ms.min(VALIDITY_MAX_MS));
        let before = std::mem::replace(&mut self.percent, wish.percent);
        (before == 0).then_some(Change::Began(wish.percent))
    }

    fn end(&mut self) -> Option<Change> {
        self.percent = 0;
        Some(Change::Ended(std::mem::take(&mut self.throttled)))
    }

    /// How many of a thousand such requests stay here: §7.2.
    fn held_permille(&self, category: Category) -> u32 {
        let (held, new) = (u32::from(self.percent) * 10, self.mix.new_permille);
        match category {
            Category::New if held >= new => 1000,
            Category::New => held * 1000 / new,
            Category::InProgress if held > new => (held - new) * 1000 / (1000 - new).max(1),
            Category::InProgress | Category::Vital => 0,
        }
    }
}

impl Mix {
    fn count(&mut self, now_ms: u64, category: Category) {
        if now_ms >= self.until_ms {
            let all = u64::from(self.new) + u64::from(self.in_progress);
            let new_permille = (u64::from(self.new) * 1000).checked_div(all);
            self.new_permille = new_permille.map_or(self.new_permille, |new| new as u32);
            (self.new, self.in_progress) = (0, 0);
            self.until_ms = now_ms + MIX_PERIOD_MS;
        }
        let count = if category == Category::New { &mut self.new } else { &mut self.in_progress };
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> SocketAddr {
        ([192, 0, 2, 50], 5060).into()
    }

    fn neighbours() -> Neighbours {
        Neighbours { list: vec![Neighbour::new(address())], dice: 7 }
    }

    fn wish(percent: u8, validity_ms: u32, sequence: u64) -> LossFeedback {
        LossFeedback { percent, validity_ms, sequence: Some(sequence * 100_000) }
    }

    /// How many of a thousand requests pass, of which every `n`th is in progress; in the order new, in progress.
    fn passing(neighbours: &mut Neighbours, now_ms: u64, n: u32) -> (u32, u32) {
        let (mut new, mut in_progress) = (0, 0);
        for i in 0..1000 {
            let category = if i % n == 0 { Category::InProgress } else { Category::New };
            let passes = u32::from(neighbours.lets_pass(now_ms, address(), category, || false).0);
            if category == Category::New { new += passes } else { in_progress += passes }
        }
        (new, in_progress)
    }

    /// RFC 7339 §5.5, §7.2: a tenth less of all is an eighth less of the four fifths that may be held back.
    #[test]
    fn what_is_asked_is_held_back_from_new_work() {
        let mut neighbours = neighbours();
        assert_eq!(passing(&mut neighbours, 0, 5), (800, 200));
        assert_eq!(neighbours.heard(0, address(), wish(10, 500, 1)), Some(Change::Began(10)));
        let (new, in_progress) = passing(&mut neighbours, 499, 5);
        assert!((660..=740).contains(&new), "{new}");
        assert_eq!(in_progress, 200);
    }

    /// RFC 7339 §7.2: the mix is that of the last seconds.
    #[test]
    fn the_mix_is_counted() {
        let mut neighbours = neighbours();
        passing(&mut neighbours, 0, 2);
        neighbours.heard(MIX_PERIOD_MS, address(), wish(25, 500, 1));
        let (new, in_progress) = passing(&mut neighbours, MIX_PERIOD_MS, 2);
        assert!((210..=290).contains(&new), "{new}");
        assert_eq!(in_progress, 500);
    }

    /// RFC 7339 §7.2: more than all new work takes some of the rest; what is vital passes even then (§5.10.1).
    #[test]
    fn everything_is_too_much() {
        let mut neighbours = neighbours();
        neighbours.heard(0, address(), wish(90, 500, 1));
        let (new, in_progress) = passing(&mut neighbours, 1, 5);
        assert_eq!(new, 0);
        assert!((70..=130).contains(&in_progress), "{in_progress}");
        neighbours.heard(2, address(), wish(100, 500, 2));
        assert_eq!(passing(&mut neighbours, 2, 5), (0, 0));
        assert!(neighbours.lets_pass(2, address(), Category::Vital, || false).0);
    }

    /// RFC 7339 §5.7: it ends with its time, or by word. RFC 7339 §4.3.
    #[test]
    fn it_ends() {
        let mut neighbours = neighbours();
        neighbours.heard(0, address(), wish(100, 500, 1));
        assert_eq!(neighbours.lets_pass(499, address(), Category::New, || false), (false, None));
        assert_eq!(
            neighbours.lets_pass(500, address(), Category::New, || false),
            (true, Some(Change::Ended(1)))
        );
        assert_eq!(neighbours.lets_pass(501, address(), Category::New, || false), (true, None));
        for last in [wish(50, 0, 3), wish(0, 500, 5)] {
            let sequence = last.sequence.unwrap_or_default() / 100_000;
            assert_eq!(
                neighbours.heard(600, address(), wish(100, 500, sequence - 1)),
                Some(Change::Began(100))
            );
            assert_eq!(neighbours.heard(601, address(), last), Some(Change::Ended(0)));
            assert!(neighbours.lets_pass(602, address(), Category::New, || false).0);
        }
        neighbours.heard(700, address(), wish(100, u32::MAX, 9));
        assert!(neighbours.lets_pass(700 + u64::from(VALIDITY_MAX_MS), address(), Category::New, || false).0);
    }

    /// RFC 7339 §5.4, §4.4: an old wish, or the same one again, changes nothing; a neighbour that counts anew is heard.
    #[test]
    fn old_wishes_do_not_count() {
        let mut neighbours = neighbours();
        neighbours.heard(0, address(), wish(100, 500, 5_000));
        for old in [5_000, 4_999] {
            assert_eq!(neighbours.heard(400, address(), wish(0, 0, old)), None);
            assert_eq!(neighbours.heard(400, address(), wish(100, 500, old)), None);
        }
        assert!(!neighbours.lets_pass(499, address(), Category::New, || false).0);
        assert!(
            neighbours.lets_pass(500, address(), Category::New, || false).0,
            "its time did not begin anew"
        );
        assert_eq!(neighbours.heard(600, address(), wish(100, 500, 3)), Some(Change::Began(100)));
    }

    /// Whom we did not ask is not heard.
    #[test]
    fn strangers_have_no_say() {
        let mut neighbours = neighbours();
        let stranger = ([192, 0, 2, 51], 5060).into();
        assert!(!neighbours.knows(stranger));
        assert_eq!(neighbours.heard(0, stranger, wish(100, 500, 1)), None);
        assert!(neighbours.lets_pass(1, stranger, Category::New, || false).0);
    }

    /// RFC 7339 §5.10.1: an emergency passes whatever a neighbour asks for; where it asks for nothing nobody looks for one.
    #[test]
    fn emergencies_are_looked_for_where_something_is_held_back() {
        let mut neighbours = neighbours();
        let never = || unreachable!("nothing is held back");
        assert!(neighbours.lets_pass(1, address(), Category::New, never).0);
        neighbours.heard(2, address(), wish(100, 500, 1));
        assert!(neighbours.lets_pass(3, address(), Category::New, || true).0);
        assert!(!neighbours.lets_pass(4, address(), Category::New, || false).0);
        assert_eq!(
            neighbours.lets_pass(502, address(), Category::New, || false),
            (true, Some(Change::Ended(1)))
        );
    }
}
