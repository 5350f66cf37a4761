//! What a phone remembers of what it sends and receives: the dialogs of RFC 3261 §12.1 and §12.2, the last challenge.

use offhook_digest::Challenge;
use offhook_net::Flow;

use crate::message::Message;
use crate::phone::{Dialog, Phone, Received, Sent};
use crate::response::MAKE_DIALOG;
use crate::text::uri_of;

impl Phone {
    /// Remembers what it sends.
    pub(crate) fn learn_sent(&mut self, message: Message, bytes: Vec<u8>) {
        let call = self.call_by_id(message.call_id()).unwrap_or_else(|| {
            // The ladder has written another Call-ID over the phone's own.
            self.begin_call(message.call_id().to_owned())
        });
        if let Some((number, _)) = message.cseq().filter(|_| message.status().is_none()) {
            let call = &mut self.calls[call];
            call.local_cseq = call.local_cseq.max(number);
        }
        if message.status().is_some_and(|status| (101..300).contains(&status)) {
            self.learn_as_server(call, &message);
        }
        self.calls[call].sent.push(Sent { message, bytes });
    }

    /// Remembers what it receives. A retransmission changes nothing.
    pub(crate) fn learn_received(&mut self, number: u32, message: Message, by: Flow) {
        let call_id = message.call_id().to_owned();
        let call = self.call_by_id(&call_id).unwrap_or_else(|| self.begin_call(call_id.clone()));
        if call_id != self.registration_id() {
            self.current.insert(number, call_id);
        }
        if self.calls[call].received.iter().any(|earlier| earlier.message == message) {
            return;
        }
        match message.status() {
            Some(status) => self.learn_response(call, status, &message),
            None => self.learn_request(call, &message),
        }
        let answered = message.method() == "ACK";
        self.calls[call].received.push(Received { message, by, answered });
    }

    fn learn_response(&mut self, call: usize, status: u16, message: &Message) {
        let challenge = match status {
            401 => Some(("Authorization", message.values("WWW-Authenticate"))),
            407 => Some(("Proxy-Authorization", message.values("Proxy-Authenticate"))),
            _ => None,
        };
        if let Some((header, values)) = challenge {
            // The first one that it understands: RFC 8760 §2.4.
            let known = values.into_iter().find(|value| Challenge::parse(value.as_bytes()).is_ok());
            self.challenge = known.map(|value| (header, value.to_owned()));
        }
        if !(101..300).contains(&status) || !MAKE_DIALOG.contains(&message.method()) {
            return;
        }
        let (Some(tag), Some(local), Some(remote)) =
            (message.tag("To"), message.value("From"), message.value("To"))
        else {
            return;
        };
        let dialog = self.dialog_entry(call, tag, local, remote);
        if let Some(contact) = message.value("Contact") {
            dialog.target = uri_of(contact).to_owned();
        }
        // The first 2xx says the route set anew (§13.2.2.4); what is answered inside the dialog does not (§12.2).
        if !dialog.confirmed {
            dialog.routes = message.values("Record-Route").into_iter().rev().map(str::to_owned).collect();
            dialog.confirmed = status >= 200;
        }
    }

    /// The phone has answered so that a dialog exists: the roles are the other way round.
    fn learn_as_server(&mut self, call: usize, response: &Message) {
        let branch = response.branch().unwrap_or_default();
        let request =
            self.calls[call].received.iter().map(|received| &received.message).find(|m| {
                m.status().is_none() && m.method() == response.method() && m.branch() == Some(branch)
            });
        let Some(request) = request.filter(|m| MAKE_DIALOG.contains(&m.method())) else { return };
        let request = request.clone();
        let (Some(tag), Some(local), Some(remote)) =
            (request.tag("From"), response.value("To"), request.value("From"))
        else {
            return;
        };
        let dialog = self.dialog_entry(call, tag, local, remote);
        if !dialog.confirmed {
            dialog.routes = request.values("Record-Route").into_iter().map(str::to_owned).collect();
            dialog.confirmed = true;
        }
        if let Some(contact) = request.value("Contact") {
            dialog.target = uri_of(contact).to_owned();
        }
    }

    /// A request inside a dialog may move its target: RFC 3261 §12.2.2.
    fn learn_request(&mut self, call: usize, message: &Message) {
        let refreshes = matches!(message.method(), "INVITE" | "UPDATE" | "SUBSCRIBE" | "NOTIFY");
        let (Some(tag), Some(contact)) = (message.tag("From"), message.value("Contact")) else { return };
        let dialog = self.calls[call].dialogs.iter_mut().find(|dialog| dialog.remote_tag == tag);
        if let Some(dialog) = dialog.filter(|_| refreshes) {
            dialog.target = uri_of(contact).to_owned();
        }
    }

    fn dialog_entry(&mut self, call: usize, remote_tag: &str, local: &str, remote: &str) -> &mut Dialog {
        let dialogs = &mut self.calls[call].dialogs;
        let found = dialogs.iter().position(|dialog| dialog.remote_tag == remote_tag);
        let index = found.unwrap_or_else(|| {
            dialogs.push(Dialog {
                remote_tag: remote_tag.to_owned(),
                local: local.to_owned(),
                remote: remote.to_owned(),
                target: uri_of(remote).to_owned(),
                routes: Vec::new(),
                confirmed: false,
            });
            dialogs.len() - 1
        });
        &mut dialogs[index]
    }
}
