//! Which domain a connection that is to be opened shall prove: RFC 5922 §7.3.
//!
//! A flow is a small value that travels through transactions. A domain is text. So the text stays here, and the flow
//! carries its number where the connection's name would stand if there were one.

use crate::ConnectionId;

/// Domains remembered, the oldest is forgotten for a new one. It must last while a request is under way: 4,096 other
/// domains are not dialled within that time; a flow whose domain is forgotten leads nowhere.
pub const DOMAINS_MAX: usize = 4_096;

const PLACE_BITS: u32 = 12;

/// Numbers have the place in their low bits and how often it was taken above them; 0 is no domain.
#[derive(Default, Debug)]
pub(crate) struct Domains {
    names: Vec<(u32, Box<str>)>,
    next: usize,
}

impl Domains {
    /// The number of a domain, in lower case: the one it has, or a new one.
    pub(crate) fn number(&mut self, domain: &str) -> ConnectionId {
        if let Some((number, _)) = self.names.iter().find(|(_, name)| name.eq_ignore_ascii_case(domain)) {
            return ConnectionId { index: *number, generation: 0 };
        }
        let place = self.next;
        self.next = (self.next + 1) % DOMAINS_MAX;
        let name = domain.to_ascii_lowercase().into();
        let taken = self.names.get(place).map_or(0, |(number, _)| number >> PLACE_BITS);
        // 20 bits of "how often"; the first time is 1, so no number is 0.
        let number = (taken % 0xf_ffff + 1) << PLACE_BITS | place as u32;
        match self.names.get_mut(place) {
            Some(entry) => *entry = (number, name),
            None => self.names.push((number, name)),
        }
        ConnectionId { index: number, generation: 0 }
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
        let first = domains.number("Example.org");
        assert!(!first.is_some() && first != ConnectionId::NONE);
        assert_eq!(domains.number("example.ORG"), first);
        assert_eq!(domains.name(first.index), Some("example.org"));
        for n in 1..DOMAINS_MAX {
            domains.number(&format!("d{n}.example"));
        }
        assert_eq!(domains.name(first.index), Some("example.org"));
        let last = domains.number("one.more");
        assert_eq!((domains.name(first.index), domains.name(last.index)), (None, Some("one.more")));
        assert_eq!(domains.name(0), None);
    }
}
