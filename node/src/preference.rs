//! What a caller asks of the target set: RFC 3841. [`offhook_proxy::preferences`] decides; here facts are fetched and the
//! target set is changed. Requests that ask for nothing pay for a look at three headers.

use offhook_proxy::access::Sender;
use offhook_proxy::preferences::{Preferences, Standing};
use offhook_route::Then;
use offhook_sip::{Disposition, Name, Refusal};

use crate::arrival::Arrival;
use crate::history::{how_of_users, mark_of};
use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};
use crate::way::Way;

/// What the caller prefers; `None` where nobody asks him.
pub(crate) fn preferences<'a>(
    passage: &Passage<'_, '_, 'a>,
) -> Result<Option<Preferences<'a>>, Refusal<'static>> {
    let arrival = passage.arrival;
    match arrival.settings.caller_preferences {
        true => Preferences::of(arrival.message, passage.screened.method).map(Some),
        false => Ok(None),
    }
}

/// What the caller asks of a proxy that answers for the domain (RFC 3841 §7.1). `None`: nothing.
fn disposition(arrival: &Arrival<'_, '_>) -> Option<Disposition> {
    let asks = arrival.settings.caller_preferences && arrival.message.has(Name::RequestDisposition);
    asks.then(|| Disposition::of(arrival.message))
}

/// Whether the other phones go on ringing when one has answered (`no-cancel`).
pub(crate) fn leaves_rest(arrival: &Arrival<'_, '_>, way: &Way<'_, '_>) -> bool {
    disposition(arrival).is_some_and(|asked| asked.cancel == Some(false)) && is_for_user(way)
}

fn is_for_user(way: &Way<'_, '_>) -> bool {
    matches!(way, Way::User { .. }) || matches!(way, Way::Rule(rule, _) if matches!(rule.then, Then::Users))
}

/// Puts the phones of a user in the order in which they ring: the user's own, then the caller's; at most so many.
pub(crate) fn arrange(arrival: &Arrival<'_, '_>, targets: &mut Targets) {
    targets.order(arrival.settings.fork_targets_max);
    // §9.1: where the caller wants to be redirected the other directives are ignored.
    let Some(asked) = disposition(arrival).filter(|asked| asked.redirect != Some(true)) else { return };
    if asked.fork == Some(false) {
        targets.keep_first();
    }
    match asked.parallel {
        Some(true) => targets.rank(|_| 0),
        Some(false) => targets.rank(|place| place),
        None => {}
    }
}

impl Targets {
    /// Judges the target that was pushed last by what its contact was registered with.
    pub(crate) fn judge_last(&mut self, standing: Standing) {
        let Some(last) = self.last_mut() else { return };
        match standing {
            Standing::Wanted(milli) => last.wanted_milli = milli,
            Standing::Unwanted => last.unwanted = true,
        }
    }

    /// Leaves out what is not wanted. Where nothing would be left of what nobody has refused aloud, all stay (RFC 3841
    /// §7.2.4).
    pub(crate) fn leave_unwanted(&mut self, preferences: &Preferences<'_>) {
        if self.list().iter().all(|target| !target.unwanted) {
            return;
        }
        if preferences.are_implicit() && self.list().iter().all(|target| target.unwanted) {
            return;
        }
        self.retain(|target| !target.unwanted);
    }
}

impl Switchboard {
    /// RFC 3841 §9.1 `redirect`: the caller is told where the user's phones are, instead of being connected. Only who has
    /// shown that he belongs here is told, and only of phones that can be reached without us. `None`: go on.
    pub(crate) fn redirects(&self, passage: &Passage<'_, '_, '_>, targets: &Targets) -> Option<Vec<u8>> {
        let asks = disposition(passage.arrival).is_some_and(|asked| asked.redirect == Some(true));
        if !asks || !is_for_user(passage.way) || !matches!(passage.sender, Sender::Proved | Sender::Peer) {
            return None;
        }
        let received = passage.screened.routed.uri.text;
        let mark = mark_of(passage.arrival, received, how_of_users(passage.way));
        Some(contacts(targets, &mark)).filter(|contacts| !contacts.is_empty())
    }
}

/// The targets as values of Contact with this parameter, each turn with a q of its own (RFC 3841 §7.2.4), without their
/// features.
fn contacts(targets: &Targets, mark: &[u8]) -> Vec<u8> {
    let is_direct = |target: &&Target| !target.pinned && target.path.is_empty();
    let direct: Vec<&Target> = targets.list().iter().filter(is_direct).collect();
    let turns = direct.chunk_by(|a, b| a.turn() == b.turn());
    let count = turns.clone().count().max(1);
    let mut text = Vec::new();
    for (turn, target) in turns.enumerate().flat_map(|(turn, all)| all.iter().map(move |t| (turn, t))) {
        let Some(uri) = &target.uri else { continue };
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        text.push(b'<');
        text.extend_from_slice(targets.text(uri));
        text.push(b'>');
        text.extend_from_slice(mark);
        if count > 1 {
            let q_milli = 1000 - turn * 1000 / count;
            text.extend_from_slice(format!(";q={}.{:03}", q_milli / 1000, q_milli % 1000).as_bytes());
        }
    }
    text
}
