//! Phones that are forwarded: they answer calls and messages with other addresses, good ones, bad ones, and their own
//! (RFC 3261 §21.3). What becomes of it is for each exchange to say.

use offhook_simnet::Rng;

use crate::oracle::Follows;

/// Nobody lives there.
const NOWHERE: &str = "sip:ghost@203.0.113.189";

/// Who forwards where.
pub(crate) struct Forwarding {
    dice: Rng,
}

impl Forwarding {
    pub(crate) fn new(dice: Rng) -> Self {
        Self { dice }
    }

    /// Whether an exchange follows. To the machines of a provider there would be two ways, one of them without credentials.
    pub(crate) fn follows(&mut self, has_provider: bool) -> Follows {
        let all = if has_provider { Follows::Own } else { Follows::All };
        [Follows::Off, Follows::Own, all, all][self.dice.below(4) as usize]
    }

    /// The Contacts by which a phone of this domain answers, if it is forwarded.
    pub(crate) fn of_phone(&mut self, users: &[&str], domain: &str, domains: &[&str]) -> Vec<String> {
        let count = if self.dice.permille(300) { self.dice.between(1, 3) } else { 0 };
        (0..count).map(|_| self.contact(users, domain, domains)).collect()
    }

    fn contact(&mut self, users: &[&str], domain: &str, domains: &[&str]) -> String {
        let dice = &mut self.dice;
        let user = users[dice.below(users.len() as u64) as usize];
        let other = domains[dice.below(domains.len() as u64) as usize];
        let uri = match dice.below(12) {
            0 => format!("sip:{user}@{other}"),
            1 => format!("sip:nobody@{domain}"),
            2 => format!("sip:0123@{domain}"),
            3 => "sip:5@row.example".to_owned(),
            4 | 5 => NOWHERE.to_owned(),
            6 => format!("mailto:{user}@{domain}"),
            _ => format!("sip:{user}@{domain}"),
        };
        let q = ["", ";q=0.9", ";q=0.5", ";q=0.5", ";q=0.1"][dice.below(5) as usize];
        format!("<{uri}>{q}")
    }
}
