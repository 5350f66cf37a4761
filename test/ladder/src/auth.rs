//! How a phone answers a challenge: RFC 3261 §22.2, RFC 7616, RFC 8760.

use offhook_digest::{Challenge, Login, Request, answer};

use crate::ladder::password_of;
use crate::message::Message;
use crate::phone::Phone;
use crate::request::Built;

impl Phone {
    /// The last request of this method again, with credentials, if a challenge was its answer: a new transaction with
    /// the next CSeq in the same call.
    pub(crate) fn try_again_with_credentials(
        &mut self,
        number: u32,
        method: &str,
    ) -> Result<Option<Built>, String> {
        let call = match method {
            "REGISTER" => self.call_by_id(&self.registration_id()),
            _ => self.call_by_number(number).ok(),
        };
        let Some(call) = call else { return Ok(None) };
        let Some(refused) = self.calls[call].last_request(method).cloned() else { return Ok(None) };
        let answers = |m: &Message| matches!(m.status(), Some(401 | 407)) && m.branch() == refused.branch();
        if !self.calls[call].received.iter().any(|received| answers(&received.message)) {
            return Ok(None);
        }
        let (via, mut message) = (self.new_via(), refused);
        self.calls[call].local_cseq += 1;
        message.replace("Via", &[&via]);
        message.replace("CSeq", &[&format!("{} {method}", self.calls[call].local_cseq)]);
        self.add_credentials(&mut message)?;
        Ok(Some(Built { message, next_hop: None }))
    }

    /// Answers the last challenge that this phone has met.
    pub(crate) fn add_credentials(&mut self, message: &mut Message) -> Result<(), String> {
        let (header, value) = self.challenge.clone().ok_or("it has never been challenged")?;
        let challenge = Challenge::parse(value.as_bytes());
        let challenge = challenge.map_err(|error| format!("it cannot answer `{value}`: {error}"))?;
        let nonce = String::from_utf8_lossy(challenge.nonce).into_owned();
        let count = self.nonce_counts.entry(nonce).or_default();
        *count += 1;
        let (count, password) = (*count, password_of(&self.user));
        let login = Login { username: &self.user, password: &password };
        let uri = message.uri().to_owned();
        let request = Request { method: message.method(), uri: &uri, body: &message.body };
        let credentials = answer(&challenge, login, request, &format!("{}-{count}", self.name), count);
        message.replace(header, &[&credentials]);
        Ok(())
    }
}
