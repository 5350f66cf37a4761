//! The answer to the challenge of a registrar that we register at: RFC 3261 §22.2, RFC 7616 §3.4.

use offhook_digest::{Algorithm, Challenge, Login, Request, answer};
use offhook_sip::Name;

/// A challenge that was answered: it is good for more than one request (RFC 7616 §3.4.1).
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// Which header its answer stands in.
    pub header: Name,
    realm: Vec<u8>,
    pub nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    algorithm: Algorithm,
    qop: (bool, bool),
    /// How often it was answered.
    pub count: u32,
}

impl Proof {
    /// Of a challenge that is answered in `header`.
    pub(crate) fn of(challenge: &Challenge<'_>, header: Name) -> Self {
        Self {
            header,
            realm: challenge.realm.to_vec(),
            nonce: challenge.nonce.to_vec(),
            opaque: challenge.opaque.map(<[u8]>::to_vec),
            algorithm: challenge.algorithm,
            qop: (challenge.auth, challenge.auth_int),
            count: 0,
        }
    }

    /// RFC 7616 §3.5: what is answered next is this, and not the same again.
    pub(crate) fn renew(&mut self, nonce: &[u8]) {
        (self.nonce, self.count) = (nonce.to_vec(), 0);
    }

    /// The header line for a REGISTER to `registrar`.
    pub(crate) fn line(&self, registrar: &str, login: &offhook_route::Login, cnonce: &[u8]) -> String {
        let challenge = Challenge {
            realm: &self.realm,
            nonce: &self.nonce,
            opaque: self.opaque.as_deref(),
            algorithm: self.algorithm,
            auth: self.qop.0,
            auth_int: self.qop.1,
            stale: false,
        };
        let login = Login { username: &login.user, password: login.password.reveal() };
        let request = Request { method: "REGISTER", uri: registrar, body: b"" };
        let cnonce = String::from_utf8_lossy(cnonce);
        let credentials = answer(&challenge, login, request, &cnonce, self.count);
        format!("{}: {credentials}\r\n", self.header.text())
    }
}
