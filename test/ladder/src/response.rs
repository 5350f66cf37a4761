//! How a phone builds a response: RFC 3261 §8.2.6 and §12.1.1; where it goes: §18.2.2, RFC 3581 §4.

use offhook_net::Flow;

use crate::message::{First, Message};
use crate::phone::{Phone, Received};
use crate::text::{param, sent_by};

/// Requests whose success makes a dialog: RFC 3261 §12.1, RFC 6665 §4.1, RFC 3515 §2.
pub(crate) const MAKE_DIALOG: [&str; 4] = ["INVITE", "NOTIFY", "REFER", "SUBSCRIBE"];

impl Phone {
    /// Answers the latest open request of the call, or the latest of `method`. The error is what the phone lacks.
    pub(crate) fn response(
        &mut self,
        number: u32,
        status: u16,
        method: Option<&str>,
        reason: Option<&str>,
    ) -> Result<(Message, Flow), String> {
        let index = self.call_by_number(number)?;
        let contact = self.contact();
        let call = &mut self.calls[index];
        let open = |r: &&mut Received| {
            !r.answered && r.message.status().is_none() && method.is_none_or(|m| m == r.message.method())
        };
        let asked = call.received.iter_mut().rev().find(open);
        let asked = asked.ok_or("it has no open request in this call (to repeat a response: `(again)`)")?;
        asked.answered = status >= 200;
        let request = &asked.message;
        let reason = reason.unwrap_or(offhook_sip::reason_phrase(status)).to_owned();
        let mut message = Message::new(First::Response { status, reason });
        for (index, via) in request.values("Via").into_iter().enumerate() {
            message.add("Via", &if index == 0 { received_from(via, &asked.by) } else { via.to_owned() });
        }
        message.copy(request, "From");
        match (request.value("To"), request.tag("To")) {
            (Some(to), None) if status > 100 => message.add("To", &format!("{to};tag={}", call.local_tag)),
            _ => message.copy(request, "To"),
        }
        message.copy(request, "Call-ID");
        message.copy(request, "CSeq");
        let names_itself = MAKE_DIALOG.contains(&request.method()) || request.method() == "UPDATE";
        if (101..300).contains(&status) && names_itself {
            message.copy(request, "Record-Route");
            message.add("Contact", &contact);
        }
        Ok((message, asked.by))
    }
}

/// What a server notes in the top Via: RFC 3261 §18.2.1, RFC 3581 §4.
fn received_from(via: &str, by: &Flow) -> String {
    let (ip, port) = (by.remote.ip().to_string(), by.remote.port());
    if param(via, "rport") == Some("") {
        let parts = via.split(';').map(|part| match part.trim() {
            "rport" => format!("rport={port};received={ip}"),
            part => part.to_owned(),
        });
        return parts.collect::<Vec<_>>().join(";");
    }
    let same = sent_by(via).is_some_and(|(host, _)| host == ip);
    if same { via.to_owned() } else { format!("{via};received={ip}") }
}
