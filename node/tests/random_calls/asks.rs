//! A provider's side of a trunk: it asks who is there (RFC 3261 §22, RFC 7616), and registers who proves it (RFC 3261 §10.3).

use std::collections::BTreeMap;

use offhook_digest::{Credentials, Ha1, verify};
use offhook_net::Outbox;

use crate::callee::State;
use crate::phone::Phone;
use crate::wire::Message;

/// Who the exchange is to the provider, and how it proves that.
pub(crate) const USER: &str = "4930123";
pub(crate) const PASSWORD: &str = "correct horse";

/// So many REGISTERs may come to nothing: the exchange waits longer each time, and an evening ends.
const MISHAPS_MAX: u32 = 3;

/// What a provider wants to know, and what it knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asks {
    /// It asks as a proxy does: 407.
    as_proxy: bool,
    /// A nonce is good for so many requests.
    pub(crate) uses_max: u32,
    /// Registrations are no shorter, s.
    least_s: u32,
    /// How often each nonce was used.
    nonces: BTreeMap<String, u32>,
    /// The last REGISTER: Call-ID and number.
    last: Option<(String, u32)>,
    /// REGISTERs that came to nothing.
    mishaps: u32,
    /// Until when the exchange is registered, Unix time in ms.
    pub(crate) registered_until_ms: u64,
}

/// What a proof is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Proof {
    None,
    Stale,
    Good,
    /// It is for somebody else, or wrong.
    Bad,
}

impl Phone {
    /// Asks for a proof, unless there is one. Whether the request was answered so.
    pub(crate) fn asks_for_proof(&mut self, now_ms: u64, index: usize, out: &mut Outbox) -> bool {
        let request = self.servers[index].request.clone();
        let Some(asks) = self.asks() else { return false };
        let (status, header, asking) = match asks.as_proxy {
            true => (407, "Proxy-Authorization", "Proxy-Authenticate"),
            false => (401, "Authorization", "WWW-Authenticate"),
        };
        let proof = asks.judge(&request, header);
        let stale = match proof {
            Proof::Good => return false,
            Proof::Bad => {
                self.complain("a proof that is none", &request);
                ""
            }
            Proof::Stale => ", stale=true",
            Proof::None => "",
        };
        let Some(asks) = self.asks() else { return false };
        let nonce = format!("n{}", asks.nonces.len());
        asks.nonces.insert(nonce.clone(), 0);
        let (realm, qop) = ("provider.example", "qop=\"auth\"");
        let challenge = format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", {qop}{stale}");
        self.servers[index].extra.push((asking, challenge));
        self.say(now_ms, index, status, out);
        true
    }

    /// A REGISTER of the exchange: most are taken.
    pub(crate) fn registers(&mut self, now_ms: u64, index: usize, out: &mut Outbox) {
        let request = self.servers[index].request.clone();
        let (call_id, number) = (request.value("Call-ID").to_owned(), request.cseq());
        let expires_s: u32 = request.value("Expires").parse().unwrap_or(0);
        let dice = self.rng.below(10);
        let Some(asks) = self.asks() else { return self.say(now_ms, index, 404, out) };
        let is_old = asks.last.as_ref().is_some_and(|(last, n)| *last == call_id && *n >= number);
        asks.last = Some((call_id, number));
        let least_s = asks.least_s;
        let fails = dice < 2 && asks.mishaps < MISHAPS_MAX;
        asks.mishaps += u32::from(fails);
        let (status, extra) = match dice {
            0 if fails => (503, None),
            1 if fails => (0, None),
            _ if expires_s < least_s => (423, Some(("Min-Expires", least_s.to_string()))),
            _ => {
                asks.registered_until_ms = now_ms + u64::from(expires_s) * 1000;
                (200, Some(("Contact", request.value("Contact").to_owned())))
            }
        };
        if is_old {
            self.complain("a REGISTER whose number does not grow", &request);
        }
        self.servers[index].extra.extend(extra);
        match status {
            0 => self.servers[index].state = State::Silent,
            _ => self.say(now_ms, index, status, out),
        }
    }

    fn asks(&mut self) -> Option<&mut Asks> {
        self.line.serves.as_mut()?.asks.as_mut()
    }
}

impl Asks {
    /// A provider that asks as a proxy does, or not; a nonce of it is good for `uses_max` requests, and no registration is
    /// shorter than `least_s`.
    pub(crate) fn new(as_proxy: bool, uses_max: u32, least_s: u32) -> Self {
        Self { as_proxy, uses_max, least_s, ..Self::default() }
    }

    fn judge(&mut self, request: &Message, header: &str) -> Proof {
        let value = request.value(header).to_owned();
        if value.is_empty() {
            return Proof::None;
        }
        let Ok(credentials) = Credentials::parse(value.as_bytes()) else { return Proof::Bad };
        let ha1 = Ha1::from_password(
            credentials.algorithm,
            USER.as_bytes(),
            b"provider.example",
            PASSWORD.as_bytes(),
        );
        let is_ours = credentials.username == USER.as_bytes() && credentials.uri == request.uri().as_bytes();
        if !is_ours || !verify(&credentials, &ha1, request.method().as_bytes(), request.body.as_bytes()) {
            return Proof::Bad;
        }
        let nonce = String::from_utf8_lossy(credentials.nonce).into_owned();
        // Another machine of the provider may have given it.
        let Some(uses) = self.nonces.get_mut(&nonce) else { return Proof::Stale };
        *uses += 1;
        if *uses > self.uses_max { Proof::Stale } else { Proof::Good }
    }
}
