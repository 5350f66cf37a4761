//! Who is told who calls: RFC 3325 §5 and §7, RFC 3323, RFC 5876 §4.5, and the manual's `identity.md`.
//!
//! ```text
//!                        to whom we confide in       to anybody else
//!   from whom we believe as it came                  as it came; nothing if privacy is wished
//!   who proved it        <sip:account@domain>        nothing, or the same where everybody is told
//!   from anybody         nothing                     nothing
//! ```

use std::net::IpAddr;

use offhook_net::Flow;

use super::Oracle;
use super::packet::{Packet, param, uri_of};
use crate::sniffer::Sent;

/// What says who somebody is.
pub(super) const NAMES: [&str; 3] = [ASSERTED, "P-Preferred-Identity", PARTY];
const ASSERTED: &str = "P-Asserted-Identity";
const PARTY: &str = "Remote-Party-ID";

/// Whose word counts, and who may know.
#[derive(Clone, Default, Debug)]
pub(crate) struct Trust {
    /// What comes from there is believed, and they may know.
    pub(crate) believed: Vec<IpAddr>,
    /// They may know.
    pub(crate) confided: Vec<IpAddr>,
    /// Everybody may know, but what somebody wants hidden.
    pub(crate) everywhere: bool,
}

impl Trust {
    fn believes(&self, ip: IpAddr) -> bool {
        self.believed.contains(&ip)
    }

    fn confides_in(&self, ip: IpAddr) -> bool {
        self.confided.contains(&ip) || self.believes(ip)
    }
}

/// What a message must say about its sender: P-Asserted-Identity and Remote-Party-ID, line by line.
#[derive(PartialEq, Eq, Debug, Default)]
struct Said {
    asserted: Vec<String>,
    party: Vec<String>,
}

impl Said {
    /// What stands there.
    fn of(packet: &Packet<'_>) -> Self {
        let lines = |name| packet.values(name).map(str::to_owned).collect();
        Self { asserted: lines(ASSERTED), party: lines(PARTY) }
    }

    /// What goes on of what a neighbour says whom we believe: one `sip` and one `tel`; what is private not to everybody.
    fn kept(packet: &Packet<'_>, to_trusted: bool) -> Self {
        let first =
            |scheme: &str| packet.values(ASSERTED).position(|value| uri_of(value).starts_with(scheme));
        let sound = [first("sip:"), first("tel:")];
        let asserted = packet.values(ASSERTED).enumerate().filter(|(at, _)| sound.contains(&Some(*at)));
        let is_shown = |value: &&str| to_trusted || matches!(param(value, "privacy"), "" | "off");
        Self {
            asserted: asserted.map(|(_, value)| value.to_owned()).collect(),
            party: packet.values(PARTY).filter(is_shown).map(str::to_owned).collect(),
        }
    }
}

/// RFC 3325 §7: `id`; and who wants more hidden does not want this shown.
fn hides(packet: &Packet<'_>) -> bool {
    let wishes = || packet.values("Privacy").flat_map(|line| line.split(';'));
    let counts = |wish: &str| !matches!(wish, "critical" | "history");
    wishes().all(|wish| wish != "none") && wishes().any(counts)
}

impl<'a> Oracle<'a> {
    /// What a copy says about the caller.
    pub(super) fn identity_is_right(
        &mut self,
        (request, from): (&Packet<'a>, &Flow),
        sent: &Sent,
        copy: &Packet<'a>,
    ) {
        let trust = &self.facts.trust;
        let is_believed = trust.believes(from.remote.ip());
        let to_trusted = trust.confides_in(sent.flow.remote.ip());
        let shown = to_trusted || !hides(request);
        let wanted = match is_believed {
            true if shown => Said::kept(request, to_trusted),
            true => Said::default(),
            false => {
                let tells = to_trusted || (trust.everywhere && shown);
                let account = self.account_of(request).filter(|_| tells);
                Said { asserted: account.into_iter().collect(), party: Vec::new() }
            }
        };
        let said = Said::of(copy);
        let prefers = copy.values(NAMES[1]).next().is_some();
        let text = format!("{} is told {said:?}, not {wanted:?}", sent.flow.remote);
        self.expect(said == wanted, "RFC 3325 §5, §7", text);
        self.expect(!prefers, "RFC 3325 §9.2", "what a caller prefers goes on");
    }

    /// Who has proved to be whom.
    fn account_of(&self, request: &Packet<'a>) -> Option<String> {
        let quoted = |value: &str, name: &str| {
            let (_, rest) = value.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let is_ours = |value: &&str| quoted(value, "realm").as_ref() == Some(&self.facts.domain);
        let begins = request.method != "ACK" && param(request.value("To"), "tag").is_empty();
        let proof = request.values("Proxy-Authorization").find(is_ours).filter(|_| begins)?;
        Some(format!("<sip:{}@{}>", quoted(proof, "username")?, self.facts.domain))
    }

    /// Whether a response says about who answers what it may: as it came, from there, to there.
    pub(super) fn identity_goes_back(
        &self,
        (received, from): (&Packet<'_>, Option<IpAddr>),
        (response, to): (&Packet<'_>, IpAddr),
    ) -> bool {
        let trust = &self.facts.trust;
        let to_trusted = trust.confides_in(to);
        let goes_on = from.is_some_and(|ip| trust.believes(ip)) && (to_trusted || !hides(received));
        let wanted = if goes_on { Said::kept(received, to_trusted) } else { Said::default() };
        Said::of(response) == wanted && response.values(NAMES[1]).next().is_none()
    }

    /// Who was asked by this branch.
    pub(super) fn asked_at(&self, response: &Packet<'_>) -> Option<IpAddr> {
        let branch = param(response.via(), "branch");
        let client =
            self.clients.iter().rev().find(|client| param(client.request.via(), "branch") == branch)?;
        Some(client.flow.remote.ip())
    }
}
