//! Whether what came is what the ladder says, and what no SIP element may do whatever the ladder says.

use crate::failure::Problem;
use crate::glob::fits;
use crate::message::{First, Message};
use crate::notation::{Quote, Step, What};
use crate::phone::Phone;

/// Headers of every request: RFC 3261 §8.1.1.
const MANDATORY: [&str; 6] = ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq"];

/// What a step asserts. Its target and quotes have been expanded.
pub(crate) fn against_step(step: &Step, message: &Message) -> Result<(), Problem> {
    first_line(step, message)?;
    for (index, quote) in step.quotes.iter().enumerate() {
        let same = |earlier: &&Quote| earlier.name.eq_ignore_ascii_case(&quote.name);
        let place = step.quotes[..index].iter().filter(same).count();
        header(quote, place, message)?;
    }
    match &step.body {
        Some(body) if *body != message.body => {
            Err(mismatch("body", &String::from_utf8_lossy(body), &String::from_utf8_lossy(&message.body)))
        }
        _ => Ok(()),
    }
}

fn first_line(step: &Step, message: &Message) -> Result<(), Problem> {
    match (&step.what, &message.first) {
        (What::Request { method, target }, First::Request { method: got, uri }) if method == got => {
            match target.as_deref() {
                Some(target) if !fits(target, uri) => Err(mismatch("Request-URI", target, uri)),
                _ => Ok(()),
            }
        }
        (What::Response { status, method, reason }, First::Response { status: got, reason: got_reason })
            if status == got =>
        {
            let got_method = message.method();
            if let Some(method) = method.as_deref().filter(|method| *method != got_method) {
                return Err(mismatch("method of CSeq", method, got_method));
            }
            match reason.as_deref() {
                Some(reason) if !fits(reason, got_reason) => {
                    Err(mismatch("reason phrase", reason, got_reason))
                }
                _ => Ok(()),
            }
        }
        (what, _) => Err(mismatch("message", &describe(what), &summary(message))),
    }
}

/// `place` counts quotes of the same header from the top.
fn header(quote: &Quote, place: usize, message: &Message) -> Result<(), Problem> {
    let values = message.values(&quote.name);
    match (&quote.value, values.get(place)) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(mismatch(&quote.name, "none", &values.join(", "))),
        (Some(pattern), None) => Err(mismatch(&quote.name, pattern, "none")),
        (Some(pattern), Some(value)) if !fits(pattern, value) => Err(mismatch(&quote.name, pattern, value)),
        (Some(_), Some(_)) => Ok(()),
    }
}

/// Rules that hold without saying, for what a phone receives. The error is the rule that was broken.
pub(crate) fn against_rules(phone: &Phone, message: &Message, on_stream: bool) -> Result<(), String> {
    let length = message.value("Content-Length").map(|value| value.parse::<usize>());
    match length {
        Some(Ok(length)) if length != message.body.len() => {
            let body = message.body.len();
            return Err(format!(
                "Content-Length is {length}, but the body has {body} bytes (RFC 3261 §18.3)"
            ));
        }
        Some(Err(_)) => return Err("Content-Length is no number (RFC 3261 §20.14)".to_owned()),
        None if on_stream => return Err("no Content-Length on a stream (RFC 3261 §18.3)".to_owned()),
        _ => {}
    }
    match message.first {
        First::Request { .. } => request_rules(message),
        First::Response { .. } => response_rules(phone, message),
    }
}

fn request_rules(message: &Message) -> Result<(), String> {
    if let Some(missing) = MANDATORY.iter().find(|name| message.value(name).is_none()) {
        return Err(format!("no {missing} (RFC 3261 §8.1.1)"));
    }
    match message.cseq() {
        Some((_, method)) if method != message.method() => {
            Err(format!("CSeq says {method} (RFC 3261 §8.1.1.5)"))
        }
        None => Err("CSeq is malformed (RFC 3261 §20.16)".to_owned()),
        _ if message.tag("From").is_none() => Err("no tag in From (RFC 3261 §8.1.1.3)".to_owned()),
        _ if !message.branch().is_some_and(|branch| branch.starts_with("z9hG4bK")) => {
            Err("no branch with the magic cookie (RFC 3261 §8.1.1.7)".to_owned())
        }
        _ => Ok(()),
    }
}

fn response_rules(phone: &Phone, message: &Message) -> Result<(), String> {
    let name = &phone.name;
    let Some(request) = phone.sent_request(message.branch().unwrap_or_default(), message.method()) else {
        return Err(format!("{name} has sent no request with this top Via and method (RFC 3261 §17.1.3)"));
    };
    let (got, sent) = (message.values("Via").len(), request.values("Via").len());
    if got != sent {
        return Err(format!("{name} sent {sent} Via values, but {got} came back (RFC 3261 §16.7 step 3)"));
    }
    for header in ["From", "Call-ID", "CSeq"] {
        if message.value(header) != request.value(header) {
            return Err(format!("{header} is not that of the request (RFC 3261 §8.2.6.2)"));
        }
    }
    Ok(())
}

pub(crate) fn mismatch(name: &str, expected: &str, got: &str) -> Problem {
    Problem::Mismatch { name: name.to_owned(), expected: quoted(expected), got: quoted(got) }
}

fn quoted(text: &str) -> String {
    if text == "none" { text.to_owned() } else { format!("`{text}`") }
}

/// The words of a ladder for it.
pub(crate) fn describe(what: &What) -> String {
    let words = |first: String, second: &Option<String>| match second {
        Some(second) => format!("{first} {second}"),
        None => first,
    };
    match what {
        What::Request { method, target } => words(method.clone(), target),
        What::Response { status, method, .. } => words(status.to_string(), method),
        What::Raw(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        What::Close => "close".to_owned(),
        What::Icmp(error) => format!("icmp {}", error.name()),
    }
}

/// The words of a ladder for a message.
pub(crate) fn summary(message: &Message) -> String {
    match &message.first {
        First::Request { method, uri } => format!("{method} {uri}"),
        First::Response { status, .. } => format!("{status} {}", message.method()),
    }
}
