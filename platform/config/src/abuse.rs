//! `[abuse]`: what is tolerated of strangers, and what follows.

use crate::network::Network;
use crate::table::section;
use crate::value::FromText;
use crate::words::AgentName;

section! {
    /// What scanners and guessers meet; [abuse.md](abuse.md) says how.
    pub struct Abuse {
        /// Whether failures are counted and have consequences.
        enabled: bool = true, because "a public server is found by scanners within hours";
        /// Wrong credentials of one source (an IPv4 address, or the /64 of an IPv6 address) within a minute that end in a
        /// ban. A quarter of them is free; those between are followed by growing silence. Attempts with many user names
        /// count twice. As many different users may be asked for by who proves nothing; then silence grows there too, and five
        /// times as many end in a ban.
        failures_max: u32 = 20, within 4..=1_000,
            because "people mistype three times, and twenty guesses a minute find no generated password";
        /// Wrong credentials of one account within an hour, whoever showed them, after which it is closed, except once a
        /// minute, to addresses it is not registered from. Half of them may come at once.
        account_failures_max: u32 = 60, within 4..=4_000,
            because "guessing from many places at once is as slow as from one, and the owner's phones stay registered";
        /// The first ban of a source, in seconds; each further one is twice as long.
        ban_s: u32 = 300, within 1..=86_400,
            because "a phone whose password was corrected is back soon, and a scanner has gone on to the next victim";
        /// The longest ban, in seconds.
        ban_max_s: u32 = 86_400, within 1..=2_592_000,
            because "addresses change hands within days";
        /// Answers a second over UDP to a source where nobody has shown the right password lately; beyond them there is
        /// silence, and requests come again by their senders' timers.
        answers_max: u32 = 10, within 1..=100_000,
            because "the address may be forged, and a phone that is switched on needs two";
        /// New requests a second of one account, REGISTER and calls and messages together, beyond which it gets a 503; five
        /// times as many may come at once. What belongs to a call is not counted.
        account_requests_max: u32 = 20, within 1..=800,
            because "no phone does more, and a stolen password shall not ring a thousand numbers a second";
        /// The same for a source whose requests are let in though nobody there has proved who he is.
        stranger_requests_max: u32 = 20, within 1..=800,
            because "strangers call one user now and then; a server that sends more is a trunk, a peer or exempt";
        /// User-Agents that get no answer unless they show credentials; each is the beginning of the name, in any case.
        scanners: Vec<AgentName> = known_scanners(),
            because "these are the names that public tools for scanning give themselves; a stranger who hides his is met by the counts above";
        /// Sources that are never silenced or banned. Trunks and peers of this file never are.
        exempt: Vec<Network> = this_machine(),
            because "who is on this machine needs no network to do harm";
    }
}

fn known_scanners() -> Vec<AgentName> {
    let names =
        ["friendly-scanner", "friendly-request", "sipvicious", "sipcli", "sip-scan", "sundayddr", "pplsip"];
    names.iter().filter_map(|name| AgentName::from_text(name).ok()).collect()
}

fn this_machine() -> Vec<Network> {
    ["127.0.0.0/8", "::1"].iter().filter_map(|network| Network::from_text(network).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_one() {
        assert_eq!((known_scanners().len(), this_machine().len()), (7, 2));
    }
}
