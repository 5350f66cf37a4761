//! The keys that DNSSEC begins with (RFC 4035 §5): what they sign is believed, and what that leads to.

use std::fmt;
use std::sync::Arc;

use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::serialize::txt::trust_anchor::Parser;

use crate::options::NamesError;

/// Keys that are trusted. By default those of the root zone, which are built in.
#[derive(Clone, Default)]
pub struct Anchors(Arc<TrustAnchors>);

impl Anchors {
    /// Reads DNSKEY records, one a line, as they stand in a zone.
    ///
    /// # Errors
    /// Something else stands there, or no key: then every signed name would lead nowhere.
    pub fn from_text(text: &str) -> Result<Self, NamesError> {
        let records = Parser::new(text).parse().map_err(|error| NamesError::Anchors(error.to_string()))?;
        if records.is_empty() {
            return Err(NamesError::Anchors("no DNSKEY record is there".into()));
        }
        let keys: Result<TrustAnchors, _> = text.parse();
        keys.map(|keys| Self(Arc::new(keys))).map_err(|error| NamesError::Anchors(error.to_string()))
    }

    pub(crate) fn keys(&self) -> Arc<TrustAnchors> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Anchors {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Anchors({} of the root)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The key of the examples in RFC 6605, as if it were the root's.
    const ONE: &str = "; ours\n. 3600 IN DNSKEY 257 3 13 \
        GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==\n";

    #[test]
    fn keys_are_read_as_they_stand_in_a_zone() {
        let one = Anchors::from_text(ONE).expect("a key");
        assert_eq!(one.keys().len(), 1, "and none of the built-in ones");
        assert_eq!(Anchors::default().keys().len(), 2);
        let other = ONE.replace(". 3600", "house.example. 3600");
        let other = Anchors::from_text(&other).expect("a key of another zone");
        assert!(other.keys().is_empty(), "the root is not trusted by it");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "; nothing\n\n", ". IN A 192.0.2.1\n", ". IN DNSKEY 257 3 13 !!!\n", "one two three"]
        {
            assert!(Anchors::from_text(text).is_err(), "{text:?}");
        }
    }
}
