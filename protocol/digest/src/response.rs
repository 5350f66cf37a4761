//! The response to a challenge, made by clients and checked by servers: RFC 7616 §3.4.1 to §3.4.3.
//!
//! ```text
//!   A1 = HA1                          or, for -sess:     H(HA1 ":" nonce ":" cnonce)
//!   A2 = H(method ":" uri)            or, for auth-int:  H(method ":" uri ":" H(body))
//!   response = H(A1 ":" nonce ":" nc ":" cnonce ":" qop ":" A2)
//!         or = H(A1 ":" nonce ":" A2)  without qop, as in RFC 2069
//! ```

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};
use subtle::ConstantTimeEq;

use crate::ha1::{DIGEST_LEN_MAX, Hex, decode_hex};
use crate::params::{push_quoted, push_raw_quoted};
use crate::{Algorithm, Challenge, Credentials, Ha1, Hash, Qop};

/// Whether whoever wrote the credentials knows the password. Nothing is allocated, and the time taken does not depend
/// on how much of the response is right.
///
/// `false` also when `ha1` belongs to another hash function than the credentials. Whether the nonce is ours is a
/// question for [`crate::NonceKey::check`]; whether `uri` fits the request, for the caller (RFC 8760 §2.6 point 6).
pub fn verify(credentials: &Credentials<'_>, ha1: &Ha1, method: &[u8], body: &[u8]) -> bool {
    if ha1.hash() != credentials.algorithm.hash() {
        return false;
    }
    let exchange = Exchange {
        algorithm: credentials.algorithm,
        nonce: credentials.nonce,
        uri: credentials.uri,
        qop: credentials.qop,
        nc: credentials.nc_text,
        cnonce: credentials.cnonce.unwrap_or_default(),
        method,
        body,
    };
    let (mut given, mut wanted) = ([0; DIGEST_LEN_MAX], [0; DIGEST_LEN_MAX]);
    let expected = exchange.response(ha1);
    match (decode_hex(credentials.response, &mut given), decode_hex(expected.as_bytes(), &mut wanted)) {
        (Some(given), Some(wanted)) => given.ct_eq(wanted).into(),
        _ => false,
    }
}

/// Who answers a challenge.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The name, without quotes or escapes.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
}

/// The request that is sent again with the answer.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The Request-URI.
    pub uri: &'a str,
    /// The body; it counts for `auth-int` only.
    pub body: &'a [u8],
}

/// The value of the Authorization or Proxy-Authorization header that answers `challenge`.
///
/// `cnonce` is fresh entropy of the caller's, `nc` counts from 1 how often it has used this nonce. `auth` is taken
/// when offered; `auth-int` only when it is the only one, as things on the way like to touch SDP.
pub fn answer(
    challenge: &Challenge<'_>,
    login: Login<'_>,
    request: Request<'_>,
    cnonce: &str,
    nc: u32,
) -> String {
    let qop = match (challenge.auth, challenge.auth_int) {
        (true, _) => Some(Qop::Auth),
        (false, true) => Some(Qop::AuthInt),
        (false, false) => None,
    };
    let nc = format!("{nc:08x}");
    let (username, password) = (login.username.as_bytes(), login.password.as_bytes());
    let ha1 = Ha1::from_password(challenge.algorithm, username, challenge.realm, password);
    let response = Exchange {
        algorithm: challenge.algorithm,
        nonce: challenge.nonce,
        uri: request.uri.as_bytes(),
        qop,
        nc: nc.as_bytes(),
        cnonce: cnonce.as_bytes(),
        method: request.method.as_bytes(),
        body: request.body,
    }
    .response(&ha1);

    let mut out = Vec::with_capacity(512);
    out.extend(b"Digest username=");
    push_quoted(&mut out, username);
    out.extend(b", realm=");
    push_raw_quoted(&mut out, challenge.realm);
    out.extend(b", nonce=");
    push_raw_quoted(&mut out, challenge.nonce);
    out.extend(b", uri=");
    push_raw_quoted(&mut out, request.uri.as_bytes());
    out.extend(b", response=");
    push_raw_quoted(&mut out, response.as_bytes());
    out.extend(format!(", algorithm={}", challenge.algorithm.name()).as_bytes());
    if let Some(qop) = qop {
        out.extend(format!(", qop={}, nc={nc}", qop.name()).as_bytes());
    }
    if qop.is_some() || challenge.algorithm.is_session() {
        out.extend(b", cnonce=");
        push_raw_quoted(&mut out, cnonce.as_bytes());
    }
    if let Some(opaque) = challenge.opaque {
        out.extend(b", opaque=");
        push_raw_quoted(&mut out, opaque);
    }
    // A challenge that was parsed is UTF-8; one that was put together from other bytes cannot be answered rightly.
    String::from_utf8_lossy(&out).into_owned()
}

/// Everything that goes into a response besides HA1.
struct Exchange<'a> {
    algorithm: Algorithm,
    nonce: &'a [u8],
    uri: &'a [u8],
    qop: Option<Qop>,
    nc: &'a [u8],
    cnonce: &'a [u8],
    method: &'a [u8],
    body: &'a [u8],
}

impl Exchange<'_> {
    fn response(&self, ha1: &Ha1) -> Hex {
        match self.algorithm.hash() {
            Hash::Md5 => self.response_by::<Md5>(ha1),
            Hash::Sha256 => self.response_by::<Sha256>(ha1),
            Hash::Sha512Trunc256 => self.response_by::<Sha512_256>(ha1),
        }
    }

    fn response_by<H: Digest>(&self, ha1: &Ha1) -> Hex {
        let session;
        let a1 = if self.algorithm.is_session() {
            session = Hex::of::<H>(&[ha1.as_bytes(), self.nonce, self.cnonce]);
            session.as_bytes()
        } else {
            ha1.as_bytes()
        };
        let a2 = if self.qop == Some(Qop::AuthInt) {
            let body = Hex::of::<H>(&[self.body]);
            Hex::of::<H>(&[self.method, self.uri, body.as_bytes()])
        } else {
            Hex::of::<H>(&[self.method, self.uri])
        };
        match self.qop {
            Some(qop) => {
                let name = qop.name().as_bytes();
                Hex::of::<H>(&[a1, self.nonce, self.nc, self.cnonce, name, a2.as_bytes()])
            }
            None => Hex::of::<H>(&[a1, self.nonce, a2.as_bytes()]),
        }
    }
}
