//! What is asked: the OPTIONS of RFC 3261 §11.1.

use std::fmt::Write;
use std::net::SocketAddr;

use offhook_net::Flow;

/// What a run of questions is about.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The Request-URI.
    pub uri: String,
    /// The way to the server.
    pub flow: Flow,
    /// Our address, for Via, From and Contact.
    pub local: SocketAddr,
    /// How many questions.
    pub count: u32,
    /// How long each may take, milliseconds; 64·T1 at most (Timer F).
    pub timeout_ms: u64,
    /// Makes branches, tags and the Call-ID our own.
    pub entropy: u64,
}

impl Inquiry {
    /// The branch of a question, unique in space and time (RFC 3261 §8.1.1.7).
    pub fn branch(&self, number: u32) -> String {
        format!("z9hG4bK{:016x}.{number}", self.entropy)
    }

    /// The OPTIONS request of RFC 3261 §11.1.
    pub fn request(&self, branch: &str, number: u32) -> Vec<u8> {
        let Self { uri, local, entropy, .. } = self;
        let (via, name) = (self.flow.transport.via_token(), self.flow.transport.name());
        let mut text = String::with_capacity(512);
        // A String takes everything.
        let _ = write!(
            text,
            "OPTIONS {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{via} {local};rport;branch={branch}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:ping@{local}>;tag={entropy:016x}\r\n\
             To: <{uri}>\r\n\
             Call-ID: {entropy:016x}@offhook\r\n\
             CSeq: {number} OPTIONS\r\n\
             Contact: <sip:ping@{local};transport={name}>\r\n\
             Accept: application/sdp\r\n\
             User-Agent: Offhook/{version}\r\n\
             Content-Length: 0\r\n\r\n",
            version = env!("CARGO_PKG_VERSION"),
        );
        text.into_bytes()
    }
}
