//! Call detail records against what was seen at the door of an exchange: whose calls they are, which way those went, and where
//! they were answered. When, how and how often is held against the trace by the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use offhook_cdr::{Outcome, Record};

use crate::oracle::{Facts, Packet, param};
use crate::sniffer::{Cause, Step};

/// A call, as it came and as it went.
#[derive(Default, Debug)]
struct Call<'a> {
    uris: BTreeSet<&'a str>,
    sources: BTreeSet<String>,
    /// Where copies were sent: by which branch.
    targets: BTreeMap<&'a str, SocketAddr>,
    /// Who has taken the call, as the caller was told.
    takers: BTreeSet<SocketAddr>,
}

/// Everything in the records that was otherwise.
pub(crate) fn wrong(facts: &Facts, steps: &[Step], records: &[Record]) -> Vec<String> {
    let calls = calls(steps);
    let check = |record: &Record| {
        let what = match calls.get(&*record.call_id) {
            Some(call) => judge(facts, call, record)?,
            None => "is of a call that nobody made",
        };
        Some(format!("a record {what}: {record:?}"))
    };
    records.iter().filter_map(check).collect()
}

fn judge(facts: &Facts, call: &Call<'_>, record: &Record) -> Option<&'static str> {
    let neighbour = facts.neighbour_of(&record.request_uri);
    let target = record.callee_target.split_once(' ').and_then(|(_, address)| address.parse().ok());
    // Who has answered may be where the call was redirected to.
    let by = match target {
        Some(target) => facts
            .neighbours
            .iter()
            .find(|neighbour| neighbour.places.contains(&target) && !neighbour.trunk.is_empty()),
        None => neighbour,
    };
    let trunk = by.map_or("", |neighbour| neighbour.trunk);
    let is_known = !call.takers.is_empty();
    let is_taker = target.is_some_and(|target: SocketAddr| match is_known {
        true => call.takers.contains(&target),
        false => call.targets.values().any(|known| *known == target),
    });
    let answered = record.outcome == Outcome::Answered;
    [
        (call.uris.contains(&*record.request_uri), "has another Request-URI"),
        (call.sources.contains(&record.caller_source), "comes from elsewhere"),
        (record.route == neighbour.map_or("user", |neighbour| neighbour.route), "has another route"),
        (record.trunk == trunk, "has another trunk"),
        (!answered || is_taker, "was answered where it never was"),
    ]
    .into_iter()
    .find_map(|(is_so, what)| (!is_so).then_some(what))
}

fn calls(steps: &[Step]) -> BTreeMap<&str, Call<'_>> {
    let mut calls = BTreeMap::<&str, Call<'_>>::new();
    let begins = |packet: &Packet<'_>| {
        packet.status == 0 && packet.is_invite() && param(packet.value("To"), "tag").is_empty()
    };
    for step in steps {
        if let Cause::Message(from, bytes) = &step.cause
            && let Some(packet) = Packet::read(bytes).filter(begins)
        {
            let call = calls.entry(packet.value("Call-ID")).or_default();
            call.uris.insert(packet.uri());
            call.sources.insert(format!("{} {}", from.transport.name(), from.remote));
        }
        for sent in &step.sent {
            if let Some(packet) = Packet::read(&sent.bytes).filter(begins) {
                let call = calls.entry(packet.value("Call-ID")).or_default();
                call.targets.insert(param(packet.via(), "branch"), sent.flow.remote);
            }
        }
        if let Some((call_id, branch)) = taken(step)
            && let Some(call) = calls.get_mut(call_id)
        {
            call.takers.extend(call.targets.get(branch).copied());
        }
    }
    calls
}

/// A 2xx that comes and goes on: the call, and the branch.
fn taken(step: &Step) -> Option<(&str, &str)> {
    let is_2xx = |packet: &Packet<'_>| packet.is_invite() && (200..300).contains(&packet.status);
    let Cause::Message(_, bytes) = &step.cause else { return None };
    let packet = Packet::read(bytes).filter(is_2xx)?;
    let goes_on = step.sent.iter().any(|sent| Packet::read(&sent.bytes).as_ref().is_some_and(is_2xx));
    goes_on.then(|| (packet.value("Call-ID"), param(packet.via(), "branch")))
}
