//! Browser phones: `[websocket]`.

use crate::error::Fault;
use crate::table::{Kind, section};
use crate::value::FromText;

section! {
    /// Listeners with `transport = "ws"` or `"wss"`: SIP over WebSocket for browser phones, RFC 7118. `wss` shows the
    /// certificates of `[tls]`.
    pub struct WebSocket {
        /// The only path where phones may connect; others are answered 404.
        path: Option<Path> = None,
            because "every phone has another path built in, and nothing else is served at the port", example "\"/sip\"";
        /// The pages that may connect, by their origin (RFC 6454): `https://phone.example.org`, or
        /// `https://*.example.org` for all below a domain; others are answered 403. Where none is listed, any page may.
        origins: Vec<Origin> = Vec::new(),
            because "a page alone gains nothing: users prove who they are by their password, which no browser adds \
                     by itself",
            example "[\"https://phone.example.org\"]";
        /// How long a phone may be silent until it is asked whether it lives (Ping, RFC 6455 §5.5.2), in seconds. One that
        /// does not answer for as long again is gone, and its connection is closed.
        ping_interval_s: u64 = 30, within 5..=3_600,
            because "web proxies in front of servers drop connections that are silent for a minute";
    }
}

/// A path of a URL, from its first slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for Path {
    const KIND: Kind = Kind::Text("a path");

    fn from_text(text: &str) -> Result<Self, Fault> {
        let is_sound =
            text.starts_with('/') && text.bytes().all(|c| c.is_ascii_graphic() && !b"?#".contains(&c));
        if is_sound { Ok(Self(text.to_owned())) } else { Err(Fault::Malformed("a path looks like /sip")) }
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// The origin of a page, or a pattern for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
    read: offhook_websocket::Origin,
}

impl Origin {
    /// What requests are compared with.
    pub fn pattern(&self) -> &offhook_websocket::Origin {
        &self.read
    }
}

impl FromText for Origin {
    const KIND: Kind = Kind::Text("an origin");

    fn from_text(text: &str) -> Result<Self, Fault> {
        const FORM: &str =
            "an origin looks like https://phone.example.org or https://*.example.org, or is null";
        let read = offhook_websocket::Origin::parse(text).map_err(|_| Fault::Malformed(FORM))?;
        Ok(Self { text: text.to_owned(), read })
    }

    fn text(&self) -> String {
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_with_a_slash() {
        assert_eq!(Path::from_text("/sip/ws").map(|path| path.text()), Ok("/sip/ws".to_owned()));
        for text in ["", "sip", "/a b", "/a?b", "/ä"] {
            assert!(Path::from_text(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn origins_are_kept_as_they_were_written() {
        let origin = Origin::from_text("https://*.Example.org").unwrap();
        assert_eq!(origin.text(), "https://*.Example.org");
        assert!(origin.pattern().admits(b"https://phone.example.org"));
        assert!(Origin::from_text("phone.example.org").is_err());
    }
}
