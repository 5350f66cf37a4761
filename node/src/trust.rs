//! Who the sender of a message is, for the next hop: the facts for [`offhook_proxy::asserted`], RFC 3325.

use std::net::IpAddr;

use offhook_digest::Credentials;
use offhook_proxy::access::Sender;
use offhook_proxy::asserted::{self, Account, Statement, Trust};
use offhook_proxy::privacy::Privacy;
use offhook_route::{Rule, Then, Trunk};
use offhook_sip::{Message, Method, Name, NameAddr, Refusal, Scheme, same_in_any_case};
use offhook_transaction::ClientId;

use crate::identify::account_name;
use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::way::Way;

/// The account whose secret the sender knows, where it was asked: user part and domain.
pub(crate) fn proved_account<'a>(passage: &Passage<'_, '_, 'a>) -> Option<Account<'a>> {
    let Passage { arrival, screened, spent, sender, .. } = *passage;
    let asked = arrival.settings.rights.authenticate_calls && !screened.routed.is_let_in();
    if !asked || !matches!(sender, Sender::Proved | Sender::ProvedAnother) {
        return None;
    }
    let message: &Message<'a> = arrival.message;
    let credentials = Credentials::parse(message.line_value(spent?)).ok()?;
    Some((account_name(credentials.username, credentials.realm), credentials.realm))
}

/// RFC 3323 §5: privacy that is critical and that neither we nor a trusted neighbour can grant.
///
/// # Errors
/// 500.
pub(crate) fn check_privacy(passage: &Passage<'_, '_, '_>) -> Result<(), Refusal<'static>> {
    let Passage { arrival, screened, .. } = *passage;
    // What the first request of a dialog was granted, the others are not refused.
    if !arrival.message.has(Name::Privacy) || screened.routed.in_dialog.is_some() {
        return Ok(());
    }
    match trunk_of(passage) {
        // A number that is looked up may lead elsewhere.
        Some((rule, trunk)) if trunk.trusted && rule.suffix.is_none() => Ok(()),
        _ => Privacy::of(arrival.message).check(),
    }
}

/// The rule that the request falls under, and the trunk that it names.
fn trunk_of<'p>(passage: &Passage<'p, '_, '_>) -> Option<(&'p Rule, &'p Trunk)> {
    let Way::Rule(rule, _) = passage.way else { return None };
    let Then::Trunk(index) = rule.then else { return None };
    Some((rule, passage.arrival.settings.routing.trunk(index)?))
}

impl Switchboard {
    /// What the copy for this next hop says about the sender; `None`: there is nothing to say and nothing to take away.
    pub(crate) fn statement<'p>(&self, passage: &Passage<'p, 'p, 'p>, hop: IpAddr) -> Option<Statement<'p>> {
        let Passage { arrival, screened, .. } = *passage;
        let mentioned = asserted::is_mentioned(arrival.message);
        let everywhere = arrival.settings.assert_everywhere;
        if !mentioned && self.trust.is_empty() && !everywhere {
            return None;
        }
        let settings = arrival.settings;
        // By its certificate, or by what we have registered there.
        let known = || self.known_trunk(settings, &arrival.from, &screened.routed.uri);
        let is_trusted = |index| settings.routing.trunk(index).is_some_and(|trunk| trunk.trusted);
        let from = self.trust.believes(arrival.from.remote.ip()) || known().is_some_and(is_trusted);
        // Two trunks may share an address, and one of them be trusted: the rule has said which is meant.
        let meant = trunk_of(passage).map(|(_, trunk)| trunk).filter(|trunk| self.trunk_is_at(trunk, hop));
        let to = meant.map_or_else(|| self.trust.confides_in(hop), |trunk| trunk.trusted);
        let trust = Trust { from, to };
        let proved = || proved_account(passage).filter(|_| screened.method != Method::Ack);
        let account = || proved().map(|account| self.preferred(passage, account));
        let statement = Statement::of_request(arrival.message, trust, everywhere, account);
        (mentioned || statement.says_something()).then_some(statement)
    }

    /// RFC 3325 §6: of the names of his account a sender may prefer another than the account's own. What is none of them is no
    /// hint.
    fn preferred<'p>(&self, passage: &Passage<'p, 'p, 'p>, (user, domain): Account<'p>) -> Account<'p> {
        let Passage { arrival, .. } = *passage;
        let directory = self.directory.load();
        let name_of = |value: &'p [u8]| {
            let uri = NameAddr::parse(value)?.parsed_uri().ok()?;
            // §9.2 has `tel` too: a number, which is of no domain.
            let home = match uri.scheme {
                Scheme::Tel => domain,
                _ => arrival.settings.identity.domain_of(&uri)?.as_bytes(),
            };
            let name = uri.user.filter(|_| same_in_any_case(home, domain))?;
            let is_his = directory.user_of_alias(name, home) == Some(user);
            (is_his && directory.find(name, home).is_none()).then_some(name)
        };
        let name = arrival.message.values(Name::PPreferredIdentity).find_map(name_of);
        (name.unwrap_or(user), domain)
    }

    /// What becomes of what a response says about its sender, on its way to `to`.
    pub(crate) fn statement_back(
        &self,
        message: &Message<'_>,
        from: impl FnOnce(&Self) -> Option<IpAddr>,
        to: IpAddr,
    ) -> Option<Statement<'static>> {
        if !asserted::is_mentioned(message) {
            return None;
        }
        let from = from(self).is_some_and(|ip| self.trust.believes(ip));
        Some(Statement::of_response(message, Trust { from, to: self.trust.confides_in(to) }))
    }

    /// Who has sent the response to the branch that it names.
    pub(crate) fn answered_by(&self, message: &Message<'_>) -> Option<IpAddr> {
        let place = self.cookies.read_branch(message.top_via().ok()?.branch())?;
        let record = self.transactions.client(ClientId::from_bits(place.transaction)?)?;
        Some(record.user.flow.remote.ip())
    }
}
