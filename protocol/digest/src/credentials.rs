//! Authorization and Proxy-Authorization: RFC 7616 §3.4, RFC 3261 §20.7 and §20.28.

use std::fmt;

use crate::params::collect;
use crate::{Algorithm, Malformed, Qop};

/// What a client answers to a challenge. Borrows from the header value; texts are as they stood between the quotes
/// (see [`crate::unescape`]).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The user's name, usually the user part of the AOR.
    pub username: &'a [u8],
    /// The realm that was asked for.
    pub realm: &'a [u8],
    /// The server's nonce.
    pub nonce: &'a [u8],
    /// The Request-URI as the client wrote it. It may differ from the request's: RFC 8760 §2.6 point 6.
    pub uri: &'a [u8],
    /// The answer in hex. Empty is legal before the first challenge (RFC 8760 §2.7), and never right.
    pub response: &'a [u8],
    /// The algorithm; MD5 when the client said none.
    pub algorithm: Algorithm,
    /// Quality of protection; `None` is the way of RFC 2069, which old phones still go.
    pub qop: Option<Qop>,
    /// Nonce count: how often this nonce has been used by the client. There whenever `qop` is.
    pub nc: Option<u32>,
    /// The client's nonce. There whenever `qop` is, and for `-sess` algorithms.
    pub cnonce: Option<&'a [u8]>,
    /// What the challenge gave to be returned.
    pub opaque: Option<&'a [u8]>,
    /// `nc` in the client's own letters, which are what it hashed.
    pub(crate) nc_text: &'a [u8],
}

const NAMES: [&str; 12] = [
    "username",
    "username*",
    "realm",
    "nonce",
    "uri",
    "response",
    "algorithm",
    "qop",
    "nc",
    "cnonce",
    "opaque",
    "userhash",
];

impl<'a> Credentials<'a> {
    /// Reads the value of an Authorization or Proxy-Authorization header. Parameters that are not known are ignored.
    ///
    /// # Errors
    /// [`Malformed`] says what is missing, doubled, unknown or not in the form `name=value`.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let [username, star, realm, nonce, uri, response, algorithm, qop, nc_text, cnonce, opaque, userhash] =
            collect(value, &NAMES)?;
        if userhash.is_some_and(|value| value.eq_ignore_ascii_case(b"true")) {
            return Err(Malformed::Userhash);
        }
        let algorithm = match algorithm {
            Some(name) => Algorithm::from_name(name).ok_or(Malformed::Algorithm)?,
            None => Algorithm::Md5,
        };
        let qop = qop.map(|name| Qop::from_name(name).ok_or(Malformed::Qop)).transpose()?;
        let nc = nc_text.map(nonce_count).transpose()?;
        if qop.is_some() && nc.is_none() {
            return Err(Malformed::Missing("nc"));
        }
        if cnonce.is_none() && (qop.is_some() || algorithm.is_session()) {
            return Err(Malformed::Missing("cnonce"));
        }
        Ok(Self {
            username: name_of(username, star)?,
            realm: realm.ok_or(Malformed::Missing("realm"))?,
            nonce: nonce.ok_or(Malformed::Missing("nonce"))?,
            uri: uri.ok_or(Malformed::Missing("uri"))?,
            response: response.ok_or(Malformed::Missing("response"))?,
            algorithm,
            qop,
            nc,
            cnonce,
            opaque,
            nc_text: nc_text.unwrap_or_default(),
        })
    }
}

/// Nonce and response are left out: with them a short password can be guessed at leisure.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &String::from_utf8_lossy(self.username))
            .field("realm", &String::from_utf8_lossy(self.realm))
            .field("algorithm", &self.algorithm)
            .field("qop", &self.qop)
            .field("nc", &self.nc)
            .finish_non_exhaustive()
    }
}

/// `username`, or what `username*` says when it needs no decoding (RFC 5987 §3.2.1). Both at once are forbidden by
/// RFC 7616 §3.4; then the plain one counts, as it does for everybody who does not know the other.
fn name_of<'a>(username: Option<&'a [u8]>, star: Option<&'a [u8]>) -> Result<&'a [u8], Malformed> {
    if let Some(name) = username {
        return Ok(name);
    }
    let value = star.ok_or(Malformed::Missing("username"))?;
    let (charset, name) = value.split_at_checked(b"UTF-8''".len()).ok_or(Malformed::UsernameStar)?;
    if charset.eq_ignore_ascii_case(b"UTF-8''") && !name.contains(&b'%') {
        Ok(name)
    } else {
        Err(Malformed::UsernameStar)
    }
}

fn nonce_count(text: &[u8]) -> Result<u32, Malformed> {
    if text.len() != 8 {
        return Err(Malformed::NonceCount);
    }
    text.iter().try_fold(0_u32, |count, byte| {
        let digit = char::from(*byte).to_digit(16).ok_or(Malformed::NonceCount)?;
        Ok(count << 4 | digit)
    })
}
