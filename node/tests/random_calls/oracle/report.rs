//! A violation in words, with what was said before it.

use std::fmt;

use offhook_net::Flow;
use offhook_sip::Transport;

use super::packet::Packet;
use crate::sniffer::{Cause, Step};

/// Messages shown before the violation.
const LINES_MAX: usize = 16;

/// A rule that was broken.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    at_ms: u64,
    section: &'static str,
    pub(crate) what: String,
    ladder: String,
}

impl Violation {
    /// At this step; the ladder shows what belongs to the Call-ID, or everything where there is none.
    pub(crate) fn new(
        steps: &[Step],
        index: usize,
        section: &'static str,
        what: String,
        call_id: &str,
    ) -> Self {
        let ladder = ladder(&steps[..=index.min(steps.len() - 1)], call_id);
        Self { at_ms: steps[index].at_ms, section, what, ladder }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ms) = (self.at_ms / 1000, self.at_ms % 1000);
        write!(f, "at {seconds}.{ms:03} s against {}: {}\n{}", self.section, self.what, self.ladder)
    }
}

/// All that was said by this Call-ID at the exchange's door.
pub(crate) fn said(steps: &[Step], call_id: &str) -> String {
    let of_step = |step: &Step| {
        let received = match &step.cause {
            Cause::Message(from, bytes) => line(step, from, "──►", bytes, call_id),
            _ => None,
        };
        let sent = step.sent.iter().filter_map(|sent| line(step, &sent.flow, "◄──", &sent.bytes, call_id));
        received.into_iter().chain(sent).collect::<String>()
    };
    steps.iter().map(of_step).collect()
}

/// Whether a copy with this branch had Timer B run out before anybody said a word (RFC 3261 §17.1.1.2).
pub(crate) fn is_given_up(steps: &[Step], branch: &str) -> bool {
    let is_its = |bytes: &[u8]| {
        Packet::read(bytes)
            .is_some_and(|packet| packet.is_invite() && super::param(packet.via(), "branch") == branch)
    };
    let sent_ms = steps.iter().find(|step| step.sent.iter().any(|sent| is_its(&sent.bytes))).map(|s| s.at_ms);
    let answers = |step: &&Step| matches!(&step.cause, Cause::Message(_, bytes) if is_its(bytes) && bytes.starts_with(b"SIP/2.0"));
    let heard_ms = steps.iter().find(answers).map(|step| step.at_ms);
    let timer_b =
        |sent_ms: u64| heard_ms.is_none_or(|heard_ms| heard_ms >= sent_ms + super::transactions::TIMEOUT_MS);
    sent_ms.is_some_and(timer_b)
}

/// What the exchange asked its provider's registrar, and what it was told.
pub(crate) fn registrations(steps: &[Step]) -> String {
    let asked = steps.iter().flat_map(|step| &step.sent).filter_map(|sent| Packet::read(&sent.bytes));
    let own = asked.filter(|packet| packet.method == "REGISTER" && packet.status == 0);
    let call_ids: std::collections::BTreeSet<_> = own.map(|packet| packet.value("Call-ID")).collect();
    call_ids.into_iter().map(|call_id| said(steps, call_id)).collect()
}

fn ladder(steps: &[Step], call_id: &str) -> String {
    let mut lines = Vec::new();
    for step in steps.iter().rev() {
        for sent in step.sent.iter().rev() {
            lines.extend(line(step, &sent.flow, "◄──", &sent.bytes, call_id));
        }
        if let Cause::Message(from, bytes) = &step.cause {
            lines.extend(line(step, from, "──►", bytes, call_id));
        }
        if lines.len() >= LINES_MAX {
            break;
        }
    }
    lines.reverse();
    lines.concat()
}

fn line(step: &Step, flow: &Flow, arrow: &str, bytes: &[u8], call_id: &str) -> Option<String> {
    let packet = Packet::read(bytes)?;
    if !call_id.is_empty() && packet.value("Call-ID") != call_id {
        return None;
    }
    let (seconds, ms) = (step.at_ms / 1000, step.at_ms % 1000);
    let transport = if flow.transport == Transport::Udp { "" } else { flow.transport.name() };
    let (remote, cseq, via) = (flow.remote.to_string(), packet.value("CSeq"), packet.via());
    let branch = super::param(via, "branch");
    Some(format!(
        "{seconds:>5}.{ms:03} {remote:>22} {transport:<4} {arrow} {}  ({cseq}, {branch})\n",
        packet.first
    ))
}
