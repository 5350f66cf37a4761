//! A new request: which of the things we can do with it, in the order of RFC 3261 §16.3 to §16.5.

use offhook_journal::Event;
use offhook_net::Outbox;
use offhook_proxy::{Screened, screen};
use offhook_sip::{Hint, Malformed, Message, Method, Refusal};
use offhook_transaction::ServerKey;

use crate::arrival::Arrival;
use crate::reply::ALLOW;
use crate::switchboard::Switchboard;
use crate::way::{self, Way};

/// How long a peer waits for a server that is restarting.
const STOPPED_RETRY_AFTER_S: u32 = 5;

impl Switchboard {
    /// Handles a request from its arrival to the end of what this message makes us do.
    pub(crate) fn request(&mut self, arrival: &Arrival<'_, '_>, out: &mut Outbox) {
        if let Err(fault) = arrival.message.check_request() {
            return self.malformed(arrival, fault, out);
        }
        let method = arrival.message.method().unwrap_or(Method::Other);
        let Some(key) = server_key(arrival.message) else { return };
        match method {
            Method::Ack => return self.ack(arrival, &key, out),
            Method::Cancel => return self.cancel(arrival, &key, out),
            _ => {}
        }
        if let Some(id) = self.transactions.find_server(&key) {
            // A retransmission: the last response goes again, if there is one (§17.2).
            if let Some(response) = self.transactions.request_again(arrival.now_ms, id) {
                out.push(response, arrival.reply_to, 0);
            }
            return;
        }
        match screen(arrival.message, &arrival.settings.identity, &self.cookies) {
            Ok(screened) if self.drain.is_asked() && screened.routed.in_dialog.is_none() => {
                let refusal =
                    Refusal::new(503).because("Shutting down").with(Hint::RetryAfter(STOPPED_RETRY_AFTER_S));
                self.refuse(arrival, refusal, out);
            }
            Ok(screened) => self.new_request(arrival, &screened, &key, out),
            Err(refusal) => self.refuse(arrival, refusal, out),
        }
    }

    fn new_request(
        &mut self,
        arrival: &Arrival<'_, '_>,
        screened: &Screened<'_, '_>,
        key: &ServerKey<'_>,
        out: &mut Outbox,
    ) {
        let way = way::find(arrival, screened);
        match way {
            Way::Us => self.for_us(arrival, screened.method, out),
            Way::User { .. } if screened.method == Method::Register => self.register(arrival, out),
            _ => self.relay(arrival, screened, &way, key, out),
        }
    }

    /// A request to the server itself.
    fn for_us(&mut self, arrival: &Arrival<'_, '_>, method: Method, out: &mut Outbox) {
        match method {
            Method::Register => self.register(arrival, out),
            Method::Options => self.accept(arrival, out),
            _ => self.refuse(arrival, Refusal::new(405).with(Hint::Allow(ALLOW)), out),
        }
    }

    fn malformed(&mut self, arrival: &Arrival<'_, '_>, fault: Malformed, out: &mut Outbox) {
        // Without these there is nowhere to send an answer to, or nothing to know it by (§8.2.6.2).
        let answerable = arrival.message.top_via().is_ok()
            && arrival.message.call_id().is_ok()
            && arrival.message.from().is_ok()
            && arrival.message.cseq().is_ok()
            && arrival.message.method() != Some(Method::Ack);
        let status = answerable.then_some(fault.status());
        let reason = fault.to_string();
        let event = Event::RequestMalformed { source: arrival.from.remote, status, reason: &reason };
        self.journal.note(arrival.now_ms, &event);
        if answerable {
            let tag = self.stateless_tag(arrival.message);
            let start = out.begin();
            Refusal::from(fault).write(arrival.message, &tag, arrival.mended_via, out.arena());
            out.send(start, arrival.reply_to, 0);
        }
    }
}

/// What makes two requests the same transaction (§17.2.3).
pub(crate) fn server_key<'a>(message: &Message<'a>) -> Option<ServerKey<'a>> {
    let via = message.top_via().ok()?;
    let method = message.method_text();
    if via.has_magic_cookie() {
        return Some(ServerKey::Rfc3261 { branch: via.branch(), sent_by: via.sent_by_text, method });
    }
    Some(ServerKey::Rfc2543 {
        request_uri: message.request_uri_text(),
        to_tag: message.to().ok()?.tag().unwrap_or_default(),
        from_tag: message.from().ok()?.tag().unwrap_or_default(),
        call_id: message.call_id().ok()?,
        cseq: message.cseq().ok()?.number,
        via: via.text,
        method,
    })
}
