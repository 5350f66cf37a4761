//! URIs of Service-Route: RFC 3608.

use std::fmt;

use offhook_sip::Uri;

use crate::error::Fault;
use crate::table::Kind;
use crate::value::FromText;

/// A loose route: a SIP URI with `lr`. Displayed as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteUri(String);

impl fmt::Display for RouteUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromText for RouteUri {
    const KIND: Kind = Kind::Text("a sip URI with lr");

    fn from_text(text: &str) -> Result<Self, Fault> {
        const FORM: &str = "a sip URI with ;lr is wanted, such as sip:proxy.example.org;lr";
        let uri = Uri::parse(text.as_bytes()).map_err(|_| Fault::Malformed(FORM))?;
        // RFC 3608 §6.1: phones follow it as a preloaded route, so every element must be a loose router.
        if !uri.is_sip() || !uri.is_loose() || text.contains(',') {
            return Err(Fault::Malformed(FORM));
        }
        Ok(Self(text.to_owned()))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3608 §6.1.
    #[test]
    fn only_loose_routes() {
        for text in ["sip:orig@proxy.example.org;lr", "sips:192.0.2.1:5061;lr"] {
            assert_eq!(RouteUri::from_text(text).map(|uri| uri.text()), Ok(text.to_owned()));
        }
        for text in
            ["", "sip:proxy.example.org", "tel:+1;lr", "sip:a;lr,sip:b;lr", "<sip:a;lr>", "sip:a;lr\r\nX: y"]
        {
            assert!(matches!(RouteUri::from_text(text), Err(Fault::Malformed(_))), "{text}");
        }
    }
}
