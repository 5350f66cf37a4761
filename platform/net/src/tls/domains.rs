//! Which domain a connection that is to be opened shall prove: RFC 5922 §7.3.
//!
//! A flow is a small value that travels through transactions. A domain is text. So the text stays here, and the flow
//! carries its number where the connection's name would stand if there were one.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ConnectionId;

/// Domains remembered, the oldest is forgotten for a new one. It must last while a request is under way: 4,096 other
/// domains are not dialled within that time; a flow whose domain is forgotten leads nowhere.
pub const DOMAINS_MAX: usize = 4_096;

const PLACE_BITS: u32 = 12;

/// Numbers have the place in their low bits and how often it was taken above them; 0 is no domain.
#[derive(Default, Debug)]
pub(crate) struct Domains {
    names: Vec<(u32, Arc<str>)>,
    numbers: HashMap<Arc<str>, u32>,
    next: usize,
}

impl Domains {
    /// The number of a domain, written in lower case: the one it has, or a new one.
    pub(crate) fn number(&mut self, domain: &str) -> ConnectionId {
        let index = self.numbers.get(domain).copied().unwrap_or_else(|| self.add(domain.into()));
        ConnectionId { index, generation: 0 }
    }

    fn add(&mut self, name: Arc<str>) -> u32 {
        let place = self.next;
        self.next = (self.next + 1) % DOMAINS_MAX;
        let taken = self.names.get(place).map_or(0, |(number, _)| number >> PLACE_BITS);
        // 20 bits of "how often"; the first time is 1, so no number is 0.
        let number = (taken % 0xf_ffff + 1) << PLACE_BITS | place as u32;
        self.numbers.insert(name.clone(), number);
        match self.names.get_mut(place) {
            Some(entry) => {
                let (_, forgotten) = std::mem::replace(entry, (number, name));
                self.numbers.remove(&forgotten);
            }
            None => self.names.push((number, name)),
        }
        number
    }

    /// The domain with this number, if it is not forgotten.
    pub(crate) fn name(&self, number: u32) -> Option<&str> {
        let place = (number & ((1 << PLACE_BITS) - 1)) as usize;
        self.names.get(place).filter(|(own, _)| *own == number).map(|(_, name)| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_keeps_its_number_until_it_is_forgotten() {
        let mut domains = Domains::default();
        let first = domains.number("example.org");
        assert!(!first.is_some() && first != ConnectionId::NONE);
        assert_eq!(domains.number("example.org"), first);
        assert_eq!(domains.name(first.index), Some("example.org"));
        for n in 1..DOMAINS_MAX {
            domains.number(&format!("d{n}.example"));
        }
        assert_eq!(domains.name(first.index), Some("example.org"));
        let last = domains.number("one.more");
        assert_eq!((domains.name(first.index), domains.name(last.index)), (None, Some("one.more")));
        assert_ne!(domains.number("example.org"), first, "it is known again, by another number");
        assert_eq!(domains.numbers.len(), DOMAINS_MAX);
        assert_eq!(domains.name(0), None);
    }
}
