//! Authentication-Info: RFC 7616 §3.5, RFC 3261 §20.6.

use crate::Malformed;
use crate::params::collect_bare;

/// The nonce that a server wants its next request answered with, as it stands between the quotes; `None` where it says nothing
/// of one, or an empty one. `value` is that of an Authentication-Info header.
///
/// # Errors
/// [`Malformed`].
pub fn next_nonce(value: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    std::str::from_utf8(value).map_err(|_| Malformed::Text)?;
    let [nonce] = collect_bare(value, &["nextnonce"])?;
    Ok(nonce.filter(|nonce| !nonce.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.5: `nextnonce` may stand among others, and alone.
    #[test]
    fn the_next_nonce() {
        let next = |value: &'static str| next_nonce(value.as_bytes());
        assert_eq!(next(r#"nextnonce="47364c23", qop=auth, nc=00000001"#), Ok(Some(&b"47364c23"[..])));
        assert_eq!(next(r#"rspauth="x" , NextNonce="a\"b""#), Ok(Some(&br#"a\"b"#[..])));
        assert_eq!(next("qop=auth"), Ok(None));
        assert_eq!(next(r#"nextnonce="""#), Ok(None));
        assert_eq!(next(r#"nextnonce="a", nextnonce="b""#), Err(Malformed::Twice("nextnonce")));
        assert!(next("nextnonce").is_err() && next(r#"nextnonce="a"#).is_err());
    }
}
