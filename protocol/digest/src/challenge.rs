//! WWW-Authenticate and Proxy-Authenticate: RFC 7616 §3.3, RFC 3261 §20.44 and §20.27.

use crate::params::{collect, push_raw_quoted};
use crate::{Algorithm, Malformed, Qop};

/// What a server asks. Texts are what stands between the quotes (see [`crate::unescape`]).
///
/// A server that takes several algorithms sends several challenges, the one it likes best first (RFC 8760 §2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Challenge<'a> {
    /// For whom a password is wanted: here, the domain.
    pub realm: &'a [u8],
    /// The server's nonce.
    pub nonce: &'a [u8],
    /// To be returned unchanged.
    pub opaque: Option<&'a [u8]>,
    /// The algorithm; MD5 when the server said none.
    pub algorithm: Algorithm,
    /// `qop="auth"` is offered. With neither this nor `auth_int`, the server knows RFC 2069 only.
    pub auth: bool,
    /// `qop="auth-int"` is offered.
    pub auth_int: bool,
    /// The answer was right but its nonce too old: try again without asking the user.
    pub stale: bool,
}

const NAMES: [&str; 6] = ["realm", "nonce", "opaque", "algorithm", "qop", "stale"];

impl<'a> Challenge<'a> {
    /// Reads the value of a WWW-Authenticate or Proxy-Authenticate header. Parameters and qualities of protection
    /// that are not known are ignored.
    ///
    /// # Errors
    /// [`Malformed`]; RFC 8760 §2.4 wants such a challenge passed over.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        std::str::from_utf8(value).map_err(|_| Malformed::Text)?;
        let [realm, nonce, opaque, algorithm, qop, stale] = collect(value, &NAMES)?;
        let offers = |wanted: Qop| {
            qop.unwrap_or_default()
                .split(|byte| *byte == b',')
                .any(|name| Qop::from_name(name.trim_ascii()) == Some(wanted))
        };
        let (auth, auth_int) = (offers(Qop::Auth), offers(Qop::AuthInt));
        if qop.is_some() && !auth && !auth_int {
            return Err(Malformed::Qop);
        }
        Ok(Self {
            realm: realm.ok_or(Malformed::Missing("realm"))?,
            nonce: nonce.ok_or(Malformed::Missing("nonce"))?,
            opaque,
            algorithm: match algorithm {
                Some(name) => Algorithm::from_name(name).ok_or(Malformed::Algorithm)?,
                None => Algorithm::Md5,
            },
            auth,
            auth_int,
            stale: stale.is_some_and(|value| value.eq_ignore_ascii_case(b"true")),
        })
    }

    /// Appends the header's value to `out`, which is the only thing that may grow. Whatever the texts are, each stays
    /// within its quotes and no line ends early.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(b"Digest realm=");
        push_raw_quoted(out, self.realm);
        out.extend(b", nonce=");
        push_raw_quoted(out, self.nonce);
        if let Some(opaque) = self.opaque {
            out.extend(b", opaque=");
            push_raw_quoted(out, opaque);
        }
        out.extend(b", algorithm=");
        out.extend(self.algorithm.name().as_bytes());
        out.extend(match (self.auth, self.auth_int) {
            (true, true) => b", qop=\"auth,auth-int\"".as_slice(),
            (true, false) => b", qop=\"auth\"",
            (false, true) => b", qop=\"auth-int\"",
            (false, false) => b"",
        });
        if self.stale {
            out.extend(b", stale=TRUE");
        }
    }
}
