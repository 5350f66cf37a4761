//! What a REGISTER asks for: RFC 3261 §10.2 read, §10.3 steps 2 and 6 checked.

use arrayvec::ArrayVec;
use offhook_location::StoredFlow;
use offhook_sip::{Hint, Message, Name, NameAddr, Refusal, Scheme, Uri, header};

use crate::Policy;

/// Most Contact values in one REGISTER. Phones send one or two; edge proxies do not gather more.
pub const CONTACTS_MAX: usize = 16;

/// The extensions a REGISTER may require of us (§10.3 step 2): RFC 3327, RFC 5626, RFC 5627 is not there yet.
const SUPPORTED: &[&[u8]] = &[b"path"];

/// One Contact of the request.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The address with its parameters.
    pub contact: NameAddr<'a>,
    /// Its URI.
    pub uri: Uri<'a>,
    /// How long the binding shall last, seconds; 0 removes it.
    pub expires_s: u32,
    /// Preference in thousandths.
    pub q_milli: u16,
    /// `+sip.instance`, or empty.
    pub instance: &'a [u8],
    /// `reg-id`, or 0.
    pub reg_id: u32,
}

/// What is asked.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack of one call; a box would be an allocation for each REGISTER"
)]
#[derive(Clone, Debug)]
pub enum Asked<'a> {
    /// No Contact: tell the bindings (§10.2.3).
    List,
    /// `Contact: *`, `Expires: 0`: remove all (§10.2.2).
    Clear,
    /// Add, refresh or remove these.
    Change(ArrayVec<Wanted<'a>, CONTACTS_MAX>),
}

/// A REGISTER with everything a decision needs.
#[derive(Clone, Debug)]
pub struct Registration<'a> {
    /// What is asked.
    pub asked: Asked<'a>,
    /// Call-ID, which orders updates of one device together with `cseq`.
    pub call_id: &'a [u8],
    /// CSeq number.
    pub cseq: u32,
    /// The values of Path, joined by commas (RFC 3327 §5.3).
    pub path: &'a [u8],
    /// User-Agent, cut to a sensible length.
    pub user_agent: &'a [u8],
    /// The way it came.
    pub flow: StoredFlow,
}

/// So much of a User-Agent is kept: enough to tell a phone by.
const USER_AGENT_BYTES_MAX: usize = 80;

impl<'a> Registration<'a> {
    /// Reads a REGISTER that passed `check_request`. `path` is the joined value of its Path headers.
    ///
    /// # Errors
    /// The answer that RFC 3261 §10.3 gives.
    pub fn read(
        message: &Message<'a>,
        path: &'a [u8],
        flow: StoredFlow,
        policy: &Policy,
    ) -> Result<Self, Refusal<'a>> {
        required_extensions(message)?;
        let user_agent = message.value(Name::UserAgent).unwrap_or_default();
        Ok(Self {
            asked: asked(message, policy)?,
            call_id: message.call_id()?,
            cseq: message.cseq()?.number,
            path,
            user_agent: user_agent.get(..USER_AGENT_BYTES_MAX).unwrap_or(user_agent),
            flow,
        })
    }
}

/// §10.3 step 2.
fn required_extensions<'a>(message: &Message<'a>) -> Result<(), Refusal<'a>> {
    let unknown = |tag: &&[u8]| !SUPPORTED.iter().any(|s| s.eq_ignore_ascii_case(tag));
    match message.values(Name::Require).find(unknown) {
        Some(tag) => Err(Refusal::new(420).with(Hint::Unsupported(tag))),
        None => Ok(()),
    }
}

/// §10.3 step 6 and the lifetimes of step 7.
fn asked<'a>(message: &Message<'a>, policy: &Policy) -> Result<Asked<'a>, Refusal<'a>> {
    // §10.3: a malformed Expires counts as the default.
    let expires_s = message.seconds(Name::Expires).unwrap_or_default();
    let mut wanted = ArrayVec::new();
    let mut star = false;
    for value in message.values(Name::Contact) {
        if value == b"*" {
            star = true;
        } else if wanted.try_push(read_contact(value, expires_s, policy)?).is_err() {
            return Err(Refusal::new(403).because("Too many contacts"));
        }
    }
    match (star, wanted.is_empty()) {
        (true, true) if expires_s == Some(0) => Ok(Asked::Clear),
        (true, _) => Err(Refusal::new(400).because("Contact * stands alone and with Expires 0")),
        (false, true) => Ok(Asked::List),
        (false, false) => Ok(Asked::Change(wanted)),
    }
}

fn read_contact<'a>(
    value: &'a [u8],
    expires_s: Option<u32>,
    policy: &Policy,
) -> Result<Wanted<'a>, Refusal<'a>> {
    let bad = || Refusal::new(400).because("Malformed Contact");
    let contact = NameAddr::parse(value).ok_or_else(bad)?;
    let uri = contact.parsed_uri()?;
    if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
        return Err(Refusal::new(400).because("Contact must be a SIP URI"));
    }
    let params = contact.params();
    let own_expires_s = params.value(b"expires").and_then(header::seconds);
    let asked_s = own_expires_s.or(expires_s).unwrap_or(policy.expires_default_s);
    // §10.3 step 7: what is shorter than our minimum, but not a removal, is refused with the minimum.
    if asked_s > 0 && asked_s < policy.expires_min_s {
        return Err(Refusal::new(423).with(Hint::MinExpires(policy.expires_min_s)));
    }
    let q_milli = match params.value(b"q") {
        Some(q) => header::q_milli(q).ok_or_else(bad)?,
        None => 1000,
    };
    Ok(Wanted {
        contact,
        uri,
        expires_s: asked_s.min(policy.expires_max_s),
        q_milli,
        instance: params.value(b"+sip.instance").unwrap_or_default(),
        reg_id: params.value(b"reg-id").and_then(header::seconds).unwrap_or(0),
    })
}
