//! The register of headers: one line each. Adding a header is adding a line.

mod key;

use crate::chars::is_whole_token;

pub(crate) use key::known_name;

/// How often a header may stand in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HowMany {
    /// At most once, with one value. A second line of a header that every element acts on is an attempt at smuggling
    /// or a mistake, and answered 400 at once; of the others it is an error when one asks for it
    /// ([`crate::Message::only_value`]), since nobody may refuse what it need not read (RFC 3261 §16.3 step 1).
    One,
    /// Any number, and commas separate values (RFC 3261 §7.3.1).
    Many,
    /// Any number of lines, but commas belong to the value: the authentication headers (RFC 3261 §7.3.1).
    Lines,
}

macro_rules! headers {
    ($($name:literal | $short:literal => $variant:ident, $many:ident, $source:literal;)*) => {
        /// A header we know by name.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = $source] $variant,)*
            /// Any other; its text stands in the message.
            Other,
        }

        const REGISTER: &[(&str, &str, Name, HowMany)] = &[$(($name, $short, Name::$variant, HowMany::$many),)*];
    };
}

headers! {
    // name                  short      variant             how many  source
    "Via"                 | "v" => Via,                Many,  "RFC 3261 §20.42";
    "From"                | "f" => From,               One,   "RFC 3261 §20.20";
    "To"                  | "t" => To,                 One,   "RFC 3261 §20.39";
    "Call-ID"             | "i" => CallId,             One,   "RFC 3261 §20.8";
    "CSeq"                | ""  => CSeq,               One,   "RFC 3261 §20.16";
    "Max-Forwards"        | ""  => MaxForwards,        One,   "RFC 3261 §20.22";
    "Route"               | ""  => Route,              Many,  "RFC 3261 §20.34";
    "Record-Route"        | ""  => RecordRoute,        Many,  "RFC 3261 §20.30";
    "Contact"             | "m" => Contact,            Many,  "RFC 3261 §20.10";
    "Content-Length"      | "l" => ContentLength,      One,   "RFC 3261 §20.14";
    "Content-Type"        | "c" => ContentType,        One,   "RFC 3261 §20.15";
    "Expires"             | ""  => Expires,            One,   "RFC 3261 §20.19";
    "Authorization"       | ""  => Authorization,      Lines, "RFC 3261 §20.7";
    "Proxy-Authorization" | ""  => ProxyAuthorization, Lines, "RFC 3261 §20.28";
    "WWW-Authenticate"    | ""  => WwwAuthenticate,    Lines, "RFC 3261 §20.44";
    "Proxy-Authenticate"  | ""  => ProxyAuthenticate,  Lines, "RFC 3261 §20.27";
    "Proxy-Require"       | ""  => ProxyRequire,       Many,  "RFC 3261 §20.29";
    "Require"             | ""  => Require,            Many,  "RFC 3261 §20.32";
    "Supported"           | "k" => Supported,          Many,  "RFC 3261 §20.37";
    "Unsupported"         | ""  => Unsupported,        Many,  "RFC 3261 §20.40";
    "Path"                | ""  => Path,               Many,  "RFC 3327 §4";
    "Service-Route"       | ""  => ServiceRoute,       Many,  "RFC 3608 §5";
    "User-Agent"          | ""  => UserAgent,          One,   "RFC 3261 §20.41";
    "Server"              | ""  => Server,             One,   "RFC 3261 §20.35";
    "Accept"              | ""  => Accept,             Many,  "RFC 3261 §20.1";
    "Accept-Contact"      | "a" => AcceptContact,      Many,  "RFC 3841 §9.2";
    "Accept-Encoding"     | ""  => AcceptEncoding,     Many,  "RFC 3261 §20.2";
    "Accept-Language"     | ""  => AcceptLanguage,     Many,  "RFC 3261 §20.3";
    "Alert-Info"          | ""  => AlertInfo,          Many,  "RFC 3261 §20.4";
    "Allow"               | ""  => Allow,              Many,  "RFC 3261 §20.5";
    "Allow-Events"        | "u" => AllowEvents,        Many,  "RFC 6665 §8.2.2";
    "Authentication-Info" | ""  => AuthenticationInfo, Lines, "RFC 3261 §20.6";
    "Call-Info"           | ""  => CallInfo,           Many,  "RFC 3261 §20.9";
    "Content-Disposition" | ""  => ContentDisposition, One,   "RFC 3261 §20.11";
    "Content-Encoding"    | "e" => ContentEncoding,    Many,  "RFC 3261 §20.12";
    "Content-Language"    | ""  => ContentLanguage,    Many,  "RFC 3261 §20.13";
    "Date"                | ""  => Date,               One,   "RFC 3261 §20.17";
    "Diversion"           | ""  => Diversion,          Many,  "RFC 5806 §5";
    "Error-Info"          | ""  => ErrorInfo,          Many,  "RFC 3261 §20.18";
    "Event"               | "o" => Event,              One,   "RFC 6665 §8.2.1";
    "Flow-Timer"          | ""  => FlowTimer,          One,   "RFC 5626 §10";
    "Geolocation"         | ""  => Geolocation,        Many,  "RFC 6442 §4.1";
    "History-Info"        | ""  => HistoryInfo,        Many,  "RFC 7044 §5";
    "Identity"            | "y" => Identity,           Many,  "RFC 8224 §4";
    "In-Reply-To"         | ""  => InReplyTo,          Many,  "RFC 3261 §20.21";
    "Join"                | ""  => Join,               One,   "RFC 3911 §7.1";
    "Max-Breadth"         | ""  => MaxBreadth,         One,   "RFC 5393 §5.3.3";
    "MIME-Version"        | ""  => MimeVersion,        One,   "RFC 3261 §20.24";
    "Min-Expires"         | ""  => MinExpires,         One,   "RFC 3261 §20.23";
    "Min-SE"              | ""  => MinSe,              One,   "RFC 4028 §5";
    "Organization"        | ""  => Organization,       One,   "RFC 3261 §20.25";
    "P-Asserted-Identity" | ""  => PAssertedIdentity,  Many,  "RFC 3325 §9.1";
    "P-Preferred-Identity"| ""  => PPreferredIdentity, Many,  "RFC 3325 §9.2";
    "Priority"            | ""  => Priority,           One,   "RFC 3261 §20.26";
    "Privacy"             | ""  => Privacy,            Many,  "RFC 3323 §4.2";
    "RAck"                | ""  => RAck,               One,   "RFC 3262 §7.2";
    "Reason"              | ""  => Reason,             Many,  "RFC 3326 §2";
    "Refer-To"            | "r" => ReferTo,            One,   "RFC 3515 §2.1";
    "Referred-By"         | "b" => ReferredBy,         One,   "RFC 3892 §3";
    "Reject-Contact"      | "j" => RejectContact,      Many,  "RFC 3841 §9.2";
    "Replaces"            | ""  => Replaces,           One,   "RFC 3891 §6.1";
    "Remote-Party-ID"     | ""  => RemotePartyId,      Many,  "draft-ietf-sip-privacy-04 §5";
    "Reply-To"            | ""  => ReplyTo,            One,   "RFC 3261 §20.31";
    "Request-Disposition" | "d" => RequestDisposition, Many,  "RFC 3841 §9.1";
    "Retry-After"         | ""  => RetryAfter,         One,   "RFC 3261 §20.33";
    "RSeq"                | ""  => RSeq,               One,   "RFC 3262 §7.1";
    "Session-Expires"     | "x" => SessionExpires,     One,   "RFC 4028 §4";
    "Session-ID"          | ""  => SessionId,          One,   "RFC 7989 §5";
    "SIP-ETag"            | ""  => SipETag,            One,   "RFC 3903 §11.3.1";
    "SIP-If-Match"        | ""  => SipIfMatch,         One,   "RFC 3903 §11.3.2";
    "Subject"             | "s" => Subject,            One,   "RFC 3261 §20.36";
    "Subscription-State"  | ""  => SubscriptionState,  One,   "RFC 6665 §8.2.3";
    "Target-Dialog"       | ""  => TargetDialog,       One,   "RFC 4538 §7";
    "Timestamp"           | ""  => Timestamp,          One,   "RFC 3261 §20.38";
    "Warning"             | ""  => Warning,            Many,  "RFC 3261 §20.43";
}

/// How many names there are, [`Name::Other`] included.
pub(crate) const NAMES: usize = REGISTER.len() + 1;

impl Name {
    /// The header of this name, long or short, in any case of letters (RFC 3261 §7.3.1, §7.3.3).
    pub fn from_token(token: &[u8]) -> Self {
        key::find(token).unwrap_or(Self::Other)
    }

    /// Every header of the register.
    pub fn all() -> impl Iterator<Item = Self> {
        REGISTER.iter().map(|&(_, _, name, _)| name)
    }

    /// The long form, empty for [`Name::Other`].
    pub fn text(self) -> &'static str {
        REGISTER.get(self as usize).map_or("", |(long, ..)| long)
    }

    /// How often it may stand.
    pub fn how_many(self) -> HowMany {
        REGISTER.get(self as usize).map_or(HowMany::Many, |(.., many)| *many)
    }

    /// Whether every element acts on this header, and it may stand once: what identifies a request (RFC 3261 §8.1.1)
    /// and what ends it.
    pub(crate) const fn is_vital(self) -> bool {
        matches!(
            self,
            Self::From | Self::To | Self::CallId | Self::CSeq | Self::MaxForwards | Self::ContentLength
        )
    }

    /// Whether these bytes could be a header name at all.
    pub fn is_legal(token: &[u8]) -> bool {
        is_whole_token(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 §7.3.1 (names in any case) and §7.3.3 (compact forms).
    #[test]
    fn every_header_is_found_by_long_and_short_name_in_any_case() {
        for (position, (long, short, name, many)) in REGISTER.iter().enumerate() {
            assert_eq!(*name as usize, position);
            assert_eq!(Name::from_token(long.as_bytes()), *name, "{long}");
            assert_eq!(Name::from_token(long.to_uppercase().as_bytes()), *name, "{long}");
            assert_eq!(name.text(), *long);
            assert_eq!(name.how_many(), *many);
            if !short.is_empty() {
                assert_eq!(Name::from_token(short.to_uppercase().as_bytes()), *name, "{short}");
            }
        }
    }

    #[test]
    fn unknown_names_are_other() {
        for token in [
            &b""[..],
            b"X-Header",
            b"viaa",
            b"q",
            b"\xff\xff",
            b"To\0",
            b"Call\rID",
            b"a-name-of-25-letters-or-so",
        ] {
            assert_eq!(Name::from_token(token), Name::Other, "{}", token.escape_ascii());
        }
    }
}
