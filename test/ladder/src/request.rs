//! How a phone builds a request: new ones by RFC 3261 §8.1.1, in a dialog by §12.2.1.1, ACK by §13.2.2.4 and
//! §17.1.1.3, CANCEL by §9.1, PRACK by RFC 3262 §7.2.

use crate::message::{First, Message};
use crate::notation::Options;
use crate::phone::{Call, Dialog, Phone};
use crate::text::uri_of;

/// A request and where the phone's own knowledge sends it.
pub(crate) struct Built {
    pub(crate) message: Message,
    /// The URI whose host comes next, if a dialog says so; otherwise the outbound proxy.
    pub(crate) next_hop: Option<String>,
}

/// Requests that carry a Contact: RFC 3261 Table 2, RFC 3311, RFC 3515, RFC 6665.
const WITH_CONTACT: [&str; 6] = ["INVITE", "NOTIFY", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"];

impl Phone {
    /// Builds what a line asks for. `target` is a URI already. The error is what the phone lacks.
    pub(crate) fn request(
        &mut self,
        number: u32,
        method: &str,
        target: Option<&str>,
        options: &Options,
    ) -> Result<Built, String> {
        if options.auth
            && let Some(built) = self.try_again_with_credentials(number, method)?
        {
            return Ok(built);
        }
        let with = options.with.as_deref();
        let mut built = match (method, target) {
            ("ACK", None) => self.ack(number, with)?,
            ("CANCEL", None) => self.cancel(number)?,
            ("ACK" | "CANCEL", Some(_)) => {
                return Err(format!("the target of {method} is that of its INVITE"));
            }
            ("REGISTER", target) => self.register(target),
            (_, Some(target)) => self.begin(number, method, target),
            (_, None) => self.in_dialog(number, method, with)?,
        };
        if options.auth {
            self.add_credentials(&mut built.message)?;
        }
        Ok(built)
    }

    fn register(&mut self, aor: Option<&str>) -> Built {
        let id = self.registration_id();
        let call = self.call_by_id(&id).unwrap_or_else(|| self.begin_call(id));
        let aor = aor.map_or_else(|| self.aor(), str::to_owned);
        // RFC 5630 §5.2: a `sips` Contact is for a `sips` address-of-record, and asked for at a `sips` URI.
        let scheme = if aor.starts_with("sips:") { "sips" } else { "sip" };
        let registrar = format!("{scheme}:{}", self.domain);
        let mut message = self.outside_dialog(call, "REGISTER", &registrar, [&aor, &aor]);
        message.add("Expires", "3600");
        Built { message, next_hop: None }
    }

    fn begin(&mut self, number: u32, method: &str, target: &str) -> Built {
        let call_id = format!("call-{}", self.make_up());
        self.current.insert(number, call_id.clone());
        let (call, aor) = (self.begin_call(call_id), self.aor());
        let message = self.outside_dialog(call, method, target, [&aor, target]);
        Built { message, next_hop: None }
    }

    fn outside_dialog(&mut self, call: usize, method: &str, uri: &str, [from, to]: [&str; 2]) -> Message {
        let (via, contact) = (self.new_via(), self.contact());
        let call = &mut self.calls[call];
        call.local_cseq += 1;
        let mut message = request(method, uri, &via);
        message.add("From", &format!("<{from}>;tag={}", call.local_tag));
        message.add("To", &format!("<{to}>"));
        finish(&mut message, call, method, &contact);
        message
    }

    fn in_dialog(&mut self, number: u32, method: &str, with: Option<&str>) -> Result<Built, String> {
        let index = self.call_by_number(number)?;
        let (via, contact) = (self.new_via(), self.contact());
        let call = &mut self.calls[index];
        call.local_cseq += 1;
        let mut built = route(method, &via, call.dialog(with)?);
        finish(&mut built.message, call, method, &contact);
        if method == "PRACK" {
            let reliable = call.received.iter().rev().find(|r| r.message.value("RSeq").is_some());
            let reliable = &reliable.ok_or("it has received no reliable provisional response")?.message;
            let (rseq, cseq) = (reliable.value("RSeq").unwrap_or(""), reliable.value("CSeq").unwrap_or(""));
            built.message.add("RAck", &format!("{rseq} {cseq}"));
        }
        Ok(built)
    }

    fn ack(&mut self, number: u32, with: Option<&str>) -> Result<Built, String> {
        let index = self.call_by_number(number)?;
        let via = self.new_via();
        let call = &self.calls[index];
        let response = call.last_response("INVITE", with).filter(|r| r.status() >= Some(200));
        let response = response.ok_or("it has received no final response to an INVITE")?;
        let invite = self.sent_request(response.branch().unwrap_or_default(), "INVITE");
        let invite = invite.ok_or("it did not send the INVITE that was answered")?;
        let (cseq, _) = response.cseq().ok_or("the response has no CSeq")?;
        let mut built = if response.status() < Some(300) {
            let mut built = route("ACK", &via, call.dialog(with)?);
            built.message.copy(invite, "Authorization");
            built.message.copy(invite, "Proxy-Authorization");
            built
        } else {
            let mut message = hop_by_hop("ACK", invite);
            message.copy(response, "To");
            Built { message, next_hop: None }
        };
        built.message.add("Call-ID", &call.call_id);
        built.message.add("CSeq", &format!("{cseq} ACK"));
        Ok(built)
    }

    fn cancel(&mut self, number: u32) -> Result<Built, String> {
        let call = &self.calls[self.call_by_number(number)?];
        let invite = call.last_request("INVITE").ok_or("it has sent no INVITE in this call")?;
        let (cseq, _) = invite.cseq().ok_or("its INVITE has no CSeq")?;
        let mut message = hop_by_hop("CANCEL", invite);
        message.copy(invite, "To");
        message.copy(invite, "Call-ID");
        message.add("CSeq", &format!("{cseq} CANCEL"));
        Ok(Built { message, next_hop: None })
    }
}

fn request(method: &str, uri: &str, via: &str) -> Message {
    let mut message = Message::new(First::Request { method: method.to_owned(), uri: uri.to_owned() });
    message.add("Via", via);
    message.add("Max-Forwards", "70");
    message
}

/// RFC 3261 §12.2.1.1: request target and Route, for loose and for strict routers.
fn route(method: &str, via: &str, dialog: &Dialog) -> Built {
    let mut routes = dialog.routes.clone();
    let next_hop = routes.first().map_or(dialog.target.as_str(), |route| uri_of(route)).to_owned();
    let loose = routes.first().is_none_or(|route| uri_of(route).split(';').any(|param| param == "lr"));
    let mut message = if loose {
        request(method, &dialog.target, via)
    } else {
        routes.remove(0);
        routes.push(format!("<{}>", dialog.target));
        request(method, &next_hop, via)
    };
    for route in &routes {
        message.add("Route", route);
    }
    message.add("From", &dialog.local);
    message.add("To", &dialog.remote);
    Built { message, next_hop: Some(next_hop) }
}

/// ACK to a refusal, and CANCEL: the same transaction's branch, the same way.
fn hop_by_hop(method: &str, invite: &Message) -> Message {
    let mut message = request(method, invite.uri(), invite.value("Via").unwrap_or_default());
    message.copy(invite, "Route");
    message.copy(invite, "From");
    message
}

fn finish(message: &mut Message, call: &Call, method: &str, contact: &str) {
    message.add("Call-ID", &call.call_id);
    message.add("CSeq", &format!("{} {method}", call.local_cseq));
    if WITH_CONTACT.contains(&method) {
        message.add("Contact", contact);
    }
}
