//! A message as it is kept, and as it is listed.

/// A message that shall be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMessage {
    /// The recipient's address-of-record, in canonical form.
    pub aor: Box<[u8]>,
    /// Who has left it: an account or a neighbour. Its messages are counted together.
    pub sender: Box<[u8]>,
    /// What tells this request from all others of its recipient; one that comes again is kept once.
    pub request: Box<[u8]>,
    /// When it came.
    pub received_ms: u64,
    /// From when on nobody wants it.
    pub expires_at_ms: u64,
    /// When its recipient's devices were tried in vain; `None`: there were none.
    pub failed_at_ms: Option<u64>,
    /// Whether it may travel only by secure transports.
    pub secure: bool,
    /// What is delivered.
    pub content: Box<[u8]>,
}

impl NewMessage {
    /// What it counts against the limits, bytes.
    pub(crate) fn len(&self) -> u64 {
        self.content.len() as u64
    }
}

/// Which messages are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// One message.
    pub id: Option<u64>,
    /// Those of this recipient.
    pub aor: Option<Vec<u8>>,
    /// The first so many.
    pub limit: Option<u32>,
}

/// A message in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its number.
    pub id: u64,
    /// The recipient.
    pub aor: Vec<u8>,
    /// Who has left it.
    pub sender: Vec<u8>,
    /// When it came, ms.
    pub received_ms: u64,
    /// From when on nobody wants it, ms.
    pub expires_at_ms: u64,
    /// Its header lines and its body.
    pub content: Vec<u8>,
}
