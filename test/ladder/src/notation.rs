//! What the text of a ladder says, line by line; `reading.rs` makes it from the text.

use offhook_net::IcmpError;
use offhook_sip::Transport;

/// The server's name in every ladder.
pub(crate) const PROXY: &str = "proxy";

/// One line and what is quoted below it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// From 1, as editors count.
    pub(crate) number: usize,
    /// As written, for reports; quotes are further lines.
    pub(crate) source: Vec<String>,
    pub(crate) when: When,
    pub(crate) kind: Kind,
}

/// When a line is due, milliseconds: earliest and latest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// At the time of the line before.
    Same,
    /// Counted from the line before.
    After(u64, u64),
    /// Counted from the first line.
    At(u64, u64),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Time passes; nothing may come.
    Silence,
    /// `given PHONE is registered [as USER] [over TRANSPORT]`
    Registered {
        phone: String,
        user: Option<String>,
        transport: Option<Transport>,
    },
    Step(Step),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Written with the receiver on the left.
    pub(crate) leftwards: bool,
    pub(crate) transport: Option<Transport>,
    pub(crate) lost: bool,
    pub(crate) what: What,
    /// `#2`: which call; 1 if not said.
    pub(crate) call: u32,
    pub(crate) options: Options,
    pub(crate) quotes: Vec<Quote>,
    pub(crate) body: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Request {
        method: String,
        target: Option<String>,
    },
    Response {
        status: u16,
        method: Option<String>,
        reason: Option<String>,
    },
    Raw(Vec<u8>),
    Close,
    /// `icmp port unreachable`: the last datagram did not arrive, and who sent it is told why.
    Icmp(IcmpError),
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    /// `(auth)`: answers the last challenge.
    pub(crate) auth: bool,
    /// `(again)`: byte for byte as before.
    pub(crate) again: bool,
    /// `(outbound)`: to the destination of the line, whatever the route set says.
    pub(crate) outbound: bool,
    /// `(with bob)`: in the dialog with this phone, where a call was forked.
    pub(crate) with: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Quote {
    pub(crate) name: String,
    /// `None`: must be absent.
    pub(crate) value: Option<String>,
}

impl Step {
    /// The step that a premise makes.
    pub(crate) fn register(phone: &str) -> Self {
        let what = What::Request { method: "REGISTER".to_owned(), target: None };
        Self { from: phone.to_owned(), to: PROXY.to_owned(), ..Self::new(what) }
    }

    pub(crate) fn new(what: What) -> Self {
        Self {
            from: String::new(),
            to: String::new(),
            leftwards: false,
            transport: None,
            lost: false,
            what,
            call: 1,
            options: Options::default(),
            quotes: Vec::new(),
            body: None,
        }
    }
}
