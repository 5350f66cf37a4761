//! People who say who they are, truly or not, and who want it hidden (RFC 3323, RFC 3325); and whom exchanges believe.

use std::net::SocketAddr;

use offhook_simnet::Rng;

use crate::oracle::Trust;

/// Who says what, and who is trusted.
pub(crate) struct Posing {
    dice: Rng,
    /// The provider is believed and told; the row is told.
    trusted: (bool, bool),
    everywhere: bool,
}

impl Posing {
    pub(crate) fn new(mut dice: Rng) -> Self {
        let (trusted, everywhere) = ((dice.permille(600), dice.permille(500)), dice.permille(400));
        Self { dice, trusted, everywhere }
    }

    /// What somebody writes about himself, if he does.
    pub(crate) fn of(&mut self, user: &str) -> Vec<(&'static str, String)> {
        let dice = &mut self.dice;
        let mut lines = Vec::new();
        for _ in 0..dice.below(3) {
            let value = match dice.below(4) {
                0 => format!("\"The Bank\" <sip:{user}@bank.example>"),
                1 => "<tel:+49301234>".to_owned(),
                2 => "<sip:+49301234@provider.example>".to_owned(),
                _ => "<mailto:me@bank.example>".to_owned(),
            };
            lines.push(("P-Asserted-Identity", value));
        }
        if dice.permille(200) {
            lines.push(("P-Preferred-Identity", format!("<sip:{user}@bank.example>")));
        }
        if dice.permille(300) {
            let level = ["", ";privacy=off", ";privacy=full"][dice.below(3) as usize];
            lines.push(("Remote-Party-ID", format!("<sip:{user}@bank.example>{level}")));
        }
        if dice.permille(400) {
            let wish = ["id", "none", "header", "id;user", "history", "id;critical", "user;critical"];
            lines.push(("Privacy", wish[dice.below(7) as usize].to_owned()));
        }
        lines
    }

    /// Whether a trunk is trusted: that of the provider, and that of the row.
    pub(crate) fn trusts(&self) -> (&'static str, &'static str) {
        let line = |is_trusted| if is_trusted { "trusted = true\n" } else { "" };
        (line(self.trusted.0), line(self.trusted.1))
    }

    /// What an exchange is told to tell.
    pub(crate) fn rule(&self) -> String {
        format!("[identity]\nassert_everywhere = {}\n", self.everywhere)
    }

    /// What an exchange with these trunks does: the provider's places, if it knows it, and the row's.
    pub(crate) fn trust(&self, provider: &[SocketAddr], row: &[SocketAddr]) -> Trust {
        let ips = |places: &[SocketAddr], is_trusted: bool| {
            let places = places.iter().filter(|_| is_trusted);
            places.map(SocketAddr::ip).collect::<Vec<_>>()
        };
        let (believed, confided) = (ips(provider, self.trusted.0), ips(row, self.trusted.1));
        Trust { believed, confided, everywhere: self.everywhere }
    }
}
