//! Values that are one of a few names.

use offhook_sip::Transport;

use crate::error::Fault;
use crate::suggest::nearest;
use crate::table::Kind;
use crate::value::FromText;

macro_rules! names {
    ($( $(#[doc = $about:literal])+ pub enum $enum:ident {
        $( $(#[doc = $doc:literal])+ $variant:ident = $name:literal ),+ $(,)?
    } )+) => { $(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $enum { $( $(#[doc = $doc])+ $variant ),+ }

        impl $enum {
            const NAMES: &[&str] = &[$($name),+];

            /// The name the file uses.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name ),+ }
            }
        }

        impl FromText for $enum {
            const KIND: Kind = Kind::OneOf(Self::NAMES);

            fn from_text(text: &str) -> Result<Self, Fault> {
                match text {
                    $( $name => Ok(Self::$variant), )+
                    _ => Err(not_known(text, Self::NAMES)),
                }
            }

            fn text(&self) -> String {
                self.name().to_owned()
            }
        }
    )+ };
}

names! {
    /// How a request taken by a route is forwarded.
    pub enum RouteMode {
        /// With transactions: retransmissions are absorbed, failures answered (RFC 3261 §16.2).
        Stateful = "stateful",
        /// Without memory: each message is forwarded by itself (RFC 3261 §16.11).
        Stateless = "stateless",
    }

    /// Which redirections of phones and next hops the server follows for the caller.
    pub enum Recursion {
        /// None: the caller is told, and may follow them himself.
        Off = "off",
        /// Those to our own domains and to telephone numbers.
        Own = "own",
        /// Those to any place.
        All = "all",
    }

    /// By what requests are spread over the targets of a trunk.
    pub enum Spread {
        /// By Call-ID: each call anew.
        CallId = "call-id",
        /// By the user and host of the Request-URI, of To in a REGISTER: what is called by one name goes to one target.
        Aor = "aor",
        /// By the address the request came from.
        Source = "source",
    }

    /// A digest algorithm by its name in the registry of RFC 7616 §6.1.
    pub enum DigestAlgorithm {
        /// SHA-256, RFC 8760.
        Sha256 = "SHA-256",
        /// SHA-512/256, RFC 8760.
        Sha512Trunc256 = "SHA-512-256",
        /// MD5, RFC 2617: weak, and the only one many desk phones know.
        Md5 = "MD5",
    }

    /// Files of call detail records.
    pub enum CdrFiles {
        /// One JSON object per line.
        JsonLines = "jsonl",
        /// Comma-separated values, RFC 4180.
        Csv = "csv",
        /// None: the records are in the store only.
        None = "none",
    }

    /// The least grave lines the log still holds.
    pub enum LogLevel {
        /// Something is broken and needs a hand.
        Error = "error",
        /// Something is wrong and the server copes.
        Warn = "warn",
        /// What an operator wants to know the day after.
        Info = "info",
        /// Each request and connection.
        Debug = "debug",
    }

    /// How a log line looks.
    pub enum LogFormat {
        /// A line for people.
        Text = "text",
        /// One JSON object per line, for programs.
        Json = "json",
    }
}

impl FromText for Transport {
    const KIND: Kind = Kind::OneOf(&["udp", "tcp", "tls", "sctp", "ws", "wss"]);

    fn from_text(text: &str) -> Result<Self, Fault> {
        Self::from_name(text.as_bytes())
            .ok_or_else(|| not_known(text, &["udp", "tcp", "tls", "sctp", "ws", "wss"]))
    }

    fn text(&self) -> String {
        self.name().to_owned()
    }
}

fn not_known(text: &str, known: &'static [&'static str]) -> Fault {
    Fault::NotKnown { known, nearest: nearest(text, known.iter().copied()) }
}
