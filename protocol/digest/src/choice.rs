//! Which of several challenges a client answers: RFC 8760 §2.4.

use crate::{Algorithm, Challenge};

/// The challenge of this realm that is worth most: the strongest algorithm, and among equals the first, which its sender
/// prefers. `values` are those of all WWW-Authenticate or all Proxy-Authenticate headers of a response; what cannot be
/// read is passed over. RFC 8760 §2.4 lets local policy differ from the sender's order: ours is that nobody on the way
/// can talk us into MD5 by turning the lines around.
pub fn best<'a>(values: impl Iterator<Item = &'a [u8]>, realm: &[u8]) -> Option<Challenge<'a>> {
    let strength = |algorithm: Algorithm| Algorithm::ALL.iter().position(|known| *known == algorithm);
    values
        .filter_map(|value| Challenge::parse(value).ok())
        .filter(|challenge| challenge.realm.eq_ignore_ascii_case(realm))
        .min_by_key(|challenge| strength(challenge.algorithm))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen<'a>(values: &[&'a str]) -> Option<(&'a [u8], Algorithm)> {
        let found = best(values.iter().map(|value| value.as_bytes()), b"a.example");
        found.map(|challenge| (challenge.nonce, challenge.algorithm))
    }

    /// RFC 8760 §2.4: what is not known is passed over.
    #[test]
    fn the_strongest_of_our_realm() {
        let md5 = r#"Digest realm="a.example", nonce="1", qop="auth", algorithm=MD5"#;
        let sha256 = r#"Digest realm="A.example", nonce="2", qop="auth", algorithm=SHA-256"#;
        let foreign = r#"Digest realm="b.example", nonce="3", qop="auth", algorithm=SHA-512-256"#;
        let unknown = r#"Digest realm="a.example", nonce="4", qop="auth", algorithm=SHA3"#;
        let basic = r#"Basic realm="a.example""#;
        let two = Some((&b"2"[..], Algorithm::Sha256));
        assert_eq!(chosen(&[md5, foreign, sha256, unknown]), two);
        assert_eq!(chosen(&[unknown, basic, md5]), Some((&b"1"[..], Algorithm::Md5)));
        assert_eq!(chosen(&[foreign, basic]), None);
    }
}
