//! Checks call detail records against what really travelled: for each call that the exchange sent on its way there is
//! exactly one, and it tells what the caller was told, when, and who hung up.
//!
//! It reads the trace of the simulated network and knows nothing of the code that makes the records.

use std::collections::{BTreeMap, HashSet};

use offhook_cdr::{EndedBy, Outcome, Record};
use offhook_proxy::renumber;
use offhook_simnet::{Entry, Fate, NodeId, World};
use offhook_sip::{Message, Method};

use crate::exchange::{CALL_MAX_MS, Plan};

/// A connection that is gone takes so long to open anew, ms: what was sent leaves so much later.
const DIAL_MS_MAX: u64 = 10_000;

/// What the trace tells about a call: Call-ID and the caller's tag.
#[derive(Default, Debug)]
struct Seen {
    /// When its INVITEs arrived: one of them, perhaps not the first, was taken.
    arrived_ms: Vec<u64>,
    /// The branches by which they came.
    branches: HashSet<Vec<u8>>,
    /// It was forwarded without state: such calls leave no record.
    stateless: bool,
    /// The numbers of its attempts.
    attempts: Vec<u32>,
    /// When one of them was told in vain, and that was acknowledged: the record is written then, and a copy that comes by another
    /// way after it is a call of its own.
    given_up_ms: Option<u64>,
    /// When the caller was first told that it rings.
    rang: Option<Told>,
    /// When the caller was sent the first 2xx.
    answered: Option<Told>,
    /// The tags of those who answered.
    callees: Vec<Vec<u8>>,
    /// The refusals that the caller was sent: one, unless the INVITE came by several branches.
    refused: Vec<u16>,
    /// Who sent the first BYE whose good end the exchange passed on, or which led nowhere, and when that was.
    ended: Option<(EndedBy, u64)>,
}

/// When the caller was sent something.
#[derive(Clone, Copy, Debug)]
struct Told {
    sent_ms: u64,
    /// Over a connection, which may have had to be opened anew.
    by_stream: bool,
}

impl Told {
    fn of(sent: &Entry) -> Self {
        Self { sent_ms: sent.sent_ms, by_stream: sent.transport.is_reliable() }
    }

    /// Whether it was noted when it was sent, or, over a connection, before that.
    fn is_noted(told: Option<Self>, noted_ms: Option<u64>, epoch_ms: u64) -> bool {
        match (told, noted_ms) {
            (Some(Self { sent_ms, by_stream }), Some(noted_ms)) => {
                let late_ms_max = if by_stream { DIAL_MS_MAX } else { 1 };
                (noted_ms..noted_ms + late_ms_max).contains(&(sent_ms + epoch_ms))
            }
            (told, noted_ms) => told.is_none() && noted_ms.is_none(),
        }
    }
}

type Calls = BTreeMap<(Vec<u8>, Vec<u8>), Seen>;

/// Everything in the records of the exchange that is not what happened.
pub(crate) fn wrong(world: &World, exchange: NodeId, plan: &Plan) -> Vec<String> {
    let records = plan.records(world.now_ms() + 2 * CALL_MAX_MS);
    let epoch_ms = world.now_ms() - world.elapsed_ms();
    let mut wrong = Vec::new();
    let seen = calls(world, exchange);
    for ((call_id, _), call) in &seen {
        let call_id = String::from_utf8_lossy(call_id);
        let its: Vec<&Record> = records.iter().filter(|record| record.call_id == call_id).collect();
        let others = seen.keys().filter(|(other, _)| *other == call_id.as_bytes()).count();
        match its[..] {
            [] if call.stateless => {}
            _ if call.stateless => wrong.push(format!("a record of {call_id}, which had no state: {call:?}")),
            [record] => compare(call, record, epoch_ms, &mut wrong),
            [] => wrong.push(format!("no record of {call_id}: {call:?}")),
            // Redialled under the same Call-ID after a refusal, or the same Call-ID from two callers.
            _ if its.len() <= others.max(call.attempts.len()) + usize::from(call.came_again()) => {}
            _ => wrong.push(format!("{} records of {call_id}: {call:?}\n{its:?}", its.len())),
        }
    }
    wrong
}

impl Seen {
    /// A copy came after the record was written.
    fn came_again(&self) -> bool {
        self.given_up_ms.is_some_and(|given_up_ms| self.arrived_ms.iter().any(|at_ms| *at_ms >= given_up_ms))
    }
}

fn compare(call: &Seen, record: &Record, epoch_ms: u64, wrong: &mut Vec<String>) {
    let at = |ms: u64| ms + epoch_ms;
    let is_answered = record.outcome == Outcome::Answered;
    let is_then = Told::is_noted(call.answered, record.answer_ms, epoch_ms);
    let is_right = is_then && is_answered == call.answered.is_some();
    // Where he was told different things by several branches, one of them.
    let is_told = is_answered || call.refused.is_empty() || call.refused.contains(&record.status);
    let mut complain = |what: &str| wrong.push(format!("{what}: {call:?}\n{record:?}"));
    // Challenged by us, the caller has tried once more: that end is not in the record of the first attempt.
    if !(is_right && is_told) && call.attempts.len() == 1 {
        complain("the record does not tell what the caller was told");
    }
    if !call.arrived_ms.iter().any(|arrived_ms| record.start_ms == at(*arrived_ms)) {
        complain("the record begins at another time");
    }
    if !Told::is_noted(call.rang, record.ring_ms, epoch_ms) && call.attempts.len() == 1 {
        complain("the record rings at another time");
    }
    let told = call.ended.map(|(by, ended_ms)| (Some(by), Some(at(ended_ms))));
    let is_one = is_answered && call.callees.len() == 1;
    if is_one && told.is_some_and(|told| told != (record.ended_by, record.end_ms)) {
        complain("the record ends in another way");
    }
}

fn calls(world: &World, exchange: NodeId) -> Calls {
    let mut calls = sent(world, exchange);
    for entry in world.trace().iter().filter(|entry| entry.to == Some(exchange)) {
        let Some(message) = entry.message().and_then(|bytes| Message::parse(bytes).ok()) else { continue };
        let (Fate::Arrived { at_ms, .. }, Some(method)) = (entry.fate, message.method()) else { continue };
        let (Ok(call_id), Ok(from), Ok(via)) = (message.call_id(), message.from(), message.top_via()) else {
            continue;
        };
        let key = (call_id.to_vec(), from.tag().unwrap_or_default().to_vec());
        let Some(call) = calls.get_mut(&key) else { continue };
        match method {
            Method::Invite => {
                call.arrived_ms.push(at_ms);
                call.branches.insert(via.branch().to_vec());
            }
            // RFC 3261 §17.1.1.3: it has the branch of its INVITE. An ACK to a 2xx has its own.
            Method::Ack if call.branches.contains(via.branch()) => {
                call.given_up_ms.get_or_insert(at_ms);
            }
            _ => {}
        }
    }
    calls
}

/// Which call, and the number in CSeq.
type Numbered = ((Vec<u8>, Vec<u8>), u32);

/// The BYEs that the exchange has heard an end of. Of others it says itself that nobody can be reached, and that is an end
/// too (RFC 3261 §15.1.1).
fn heard_byes(world: &World, exchange: NodeId) -> HashSet<Numbered> {
    let arrived = world.trace().iter().filter(|entry| entry.to == Some(exchange));
    let numbered = |bytes| {
        let message = Message::parse(bytes).ok().filter(|m| m.status() >= Some(200))?;
        let (cseq, tag) = (message.cseq().ok()?, message.from().ok()?.tag().unwrap_or_default().to_vec());
        let key = (message.call_id().ok()?.to_vec(), tag);
        (cseq.method == b"BYE").then_some((key, cseq.number))
    };
    let heard: Vec<Numbered> = arrived.filter_map(|entry| entry.message()).filter_map(numbered).collect();
    // What came from a trunk that asks for credentials has other numbers.
    let inward =
        heard.iter().map(|(key, number)| (key.clone(), renumber::inward(*number))).collect::<Vec<_>>();
    heard.into_iter().chain(inward).collect()
}

fn invites(world: &World, exchange: NodeId) -> HashSet<Numbered> {
    let arrived = world.trace().iter().filter(|entry| entry.to == Some(exchange));
    let numbered = |bytes| {
        let message = Message::parse(bytes).ok().filter(|m| m.method() == Some(Method::Invite))?;
        let tag = message.from().ok()?.tag().unwrap_or_default().to_vec();
        Some(((message.call_id().ok()?.to_vec(), tag), message.cseq().ok()?.number))
    };
    arrived.filter_map(|entry| entry.message()).filter_map(numbered).collect()
}

/// Everything but the arrivals.
fn sent(world: &World, exchange: NodeId) -> Calls {
    let (arrived, heard) = (invites(world, exchange), heard_byes(world, exchange));
    let mut calls = Calls::new();
    for entry in world.trace().iter().filter(|entry| entry.from == exchange) {
        let Some(message) = entry.message().and_then(|bytes| Message::parse(bytes).ok()) else { continue };
        let (Ok(call_id), Ok(cseq)) = (message.call_id(), message.cseq()) else { continue };
        let (Ok(from), Ok(to)) = (message.from(), message.to()) else { continue };
        let tag = |tag: Option<&[u8]>| tag.unwrap_or_default().to_vec();
        let (from_tag, to_tag) = (tag(from.tag()), tag(to.tag()));
        let key = (call_id.to_vec(), from_tag.clone());
        if message.method() == Some(Method::Invite) && to_tag.is_empty() {
            // A trunk that asks for credentials is sent other numbers than the caller has written.
            let is_callers = arrived.contains(&(key.clone(), cseq.number));
            let number = if is_callers { cseq.number } else { renumber::inward(cseq.number) };
            let call = calls.entry(key).or_default();
            call.stateless |= message.top_via().is_ok_and(|via| via.branch().starts_with(b"z9hG4bKos"));
            if !call.attempts.contains(&number) {
                call.attempts.push(number);
            }
            continue;
        }
        let Some(status) = message.status() else { continue };
        let leads_nowhere = matches!(status, 430 | 500 | 503) && !heard.contains(&(key.clone(), cseq.number));
        match cseq.method {
            b"INVITE" => {
                if let Some(call) = calls.get_mut(&key).filter(|call| call.attempts.contains(&cseq.number)) {
                    answer(call, status, to_tag, entry);
                }
            }
            b"BYE" if matches!(status, 200..=299 | 408 | 480 | 481) || leads_nowhere => {
                let turned = (call_id.to_vec(), to_tag.clone());
                end(calls.get_mut(&key), (EndedBy::Caller, entry.sent_ms), &to_tag);
                end(calls.get_mut(&turned), (EndedBy::Callee, entry.sent_ms), &from_tag);
            }
            _ => {}
        }
    }
    calls
}

fn answer(call: &mut Seen, status: u16, callee: Vec<u8>, sent: &Entry) {
    match status {
        101..=199 => {
            call.rang.get_or_insert(Told::of(sent));
        }
        200..=299 => {
            call.answered.get_or_insert(Told::of(sent));
            if !call.callees.contains(&callee) {
                call.callees.push(callee);
            }
        }
        300.. if !call.refused.contains(&status) => call.refused.push(status),
        _ => {}
    }
}

fn end(call: Option<&mut Seen>, end: (EndedBy, u64), callee: &[u8]) {
    if let Some(call) = call.filter(|call| call.callees.iter().any(|tag| tag == callee)) {
        call.ended.get_or_insert(end);
    }
}
