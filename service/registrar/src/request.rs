//! What a REGISTER asks for: RFC 3261 §10.2 read, §10.3 steps 2 and 6 checked; what it may ask for by Path (RFC 3327
//! §5.3), outbound (RFC 5626 §6) and GRUU (RFC 5627 §5.1).

use arrayvec::ArrayVec;
use offhook_location::StoredFlow;
use offhook_sip::{Contact, Hint, Message, Name, NameAddr, Refusal, Scheme, Uri};

use crate::Policy;

/// Most Contact values in one REGISTER. Phones send one or two; edge proxies do not gather more.
pub const CONTACTS_MAX: usize = 16;

/// The extensions a REGISTER may require of us (§10.3 step 2): RFC 3327, RFC 5626, RFC 5627.
const SUPPORTED: &[&[u8]] = &[b"path", b"outbound", b"gruu", b"pref"];

/// Most values of Path. A phone sits behind an edge proxy, that behind a border or two; each value travels in every
/// request to the phone.
pub const PATHS_MAX: usize = 16;

/// Most bytes of Contact parameters that are kept: capabilities (RFC 3840) of a talkative phone take 400.
pub const CONTACT_PARAMS_BYTES_MAX: usize = 1024;

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
    /// `+sip.instance`, with its angle brackets, or empty.
    pub instance: &'a [u8],
    /// `reg-id`, or 0 where outbound does not apply (RFC 5626 §6).
    pub reg_id: u32,
}

/// The Contacts of one REGISTER.
pub type Contacts<'a> = ArrayVec<Wanted<'a>, CONTACTS_MAX>;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'r, 'a> {
    /// No Contact: tell the bindings (§10.2.3).
    List,
    /// `Contact: *`, `Expires: 0`: remove all (§10.2.2).
    Clear,
    /// Add, refresh or remove these.
    Change(&'r [Wanted<'a>]),
}

/// A REGISTER with everything a decision needs.
#[derive(Clone, Debug)]
pub struct Registration<'r, 'a> {
    /// What is asked.
    pub asked: Asked<'r, 'a>,
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
    /// Whether the bindings are flows of their devices: RFC 5626 §6.
    pub outbound: bool,
    /// Whether the phone takes GRUUs: RFC 5627 §5.2.
    pub takes_gruu: bool,
}

/// So much of a User-Agent is kept: enough to tell a phone by.
const USER_AGENT_BYTES_MAX: usize = 80;

impl<'r, 'a> Registration<'r, 'a> {
    /// Reads a REGISTER that passed `check_request`. `path` is the joined value of its Path headers; `room` is empty, and
    /// the caller's so that its 4 kB stay where they are.
    ///
    /// # Errors
    /// The answer that RFC 3261 §10.3 gives.
    pub fn read(
        message: &Message<'a>,
        path: &'a [u8],
        flow: StoredFlow,
        policy: &Policy,
        room: &'r mut Contacts<'a>,
    ) -> Result<Self, Refusal<'a>> {
        required_extensions(message)?;
        check_path(message, path, policy)?;
        let user_agent = message.value(Name::UserAgent).unwrap_or_default();
        let supported = message.option_tags(Name::Supported);
        let clears = read_contacts(message, policy, room)?;
        check_schemes(message, room)?;
        let outbound = apply_outbound(message, path, room)?;
        Ok(Self {
            asked: match clears {
                true => Asked::Clear,
                false if room.is_empty() => Asked::List,
                false => Asked::Change(room),
            },
            outbound,
            takes_gruu: supported.has(b"gruu"),
            call_id: message.call_id()?,
            cseq: message.cseq()?.number,
            path,
            user_agent: user_agent.get(..USER_AGENT_BYTES_MAX).unwrap_or(user_agent),
            flow,
        })
    }
}

/// §10.3 step 2, and §8.2.2.3 for what else is asked of the server itself: 420 where more is required than is supported.
///
/// # Errors
/// The 420, with what is not supported.
pub fn required_extensions<'a>(message: &Message<'a>) -> Result<(), Refusal<'a>> {
    if !message.has(Name::Require) {
        return Ok(());
    }
    let is_known = |tag: &[u8]| SUPPORTED.iter().any(|s| s.eq_ignore_ascii_case(tag));
    if message.values(Name::Require).all(is_known) {
        return Ok(());
    }
    Err(Refusal::new(420).with(Hint::UnsupportedBut(Name::Require, SUPPORTED)))
}

/// RFC 3327 §5.3: a phone that does not know Path would not see who put himself between; and there is an end.
fn check_path<'a>(message: &Message<'a>, path: &[u8], policy: &Policy) -> Result<(), Refusal<'a>> {
    if path.is_empty() {
        return Ok(());
    }
    if policy.path_must_be_supported
        && !message.option_tags(Name::Supported).has(b"path")
        && !message.option_tags(Name::Require).has(b"path")
    {
        return Err(Refusal::new(420).with(Hint::Unsupported(b"path")));
    }
    let mut count = 0;
    for value in message.values(Name::Path) {
        count += 1;
        let uri = NameAddr::parse(value).and_then(|path| path.parsed_uri().ok());
        let is_route = uri.is_some_and(|uri| uri.is_sip());
        if count > PATHS_MAX || !is_route {
            let what = if is_route { "Too many values of Path" } else { "Malformed Path" };
            return Err(Refusal::new(400).because(what));
        }
    }
    Ok(())
}

/// RFC 5630 §5.2: a `sips` Contact is bound where all URIs are `sips`: "the Request-URI and the Contacts and all the Path
/// header fields". What is only taken away binds nothing.
fn check_schemes<'a>(message: &Message<'a>, wanted: &Contacts<'a>) -> Result<(), Refusal<'a>> {
    let bound = || wanted.iter().filter(|w| w.expires_s > 0);
    let is_sips = |uri: &Uri<'_>| uri.scheme == Scheme::Sips;
    if !bound().any(|w| is_sips(&w.uri)) {
        return Ok(());
    }
    let is_secure =
        |path| NameAddr::parse(path).and_then(|path| path.parsed_uri().ok()).is_some_and(|uri| is_sips(&uri));
    if is_sips(&message.request_uri()?)
        && bound().all(|w| is_sips(&w.uri))
        && message.values(Name::Path).all(is_secure)
    {
        return Ok(());
    }
    Err(Refusal::new(400).because("Contact is sips, other URIs are not"))
}

/// RFC 5626 §6: which reg-ids count. Says whether any does.
fn apply_outbound<'a>(
    message: &Message<'a>,
    path: &[u8],
    wanted: &mut Contacts<'a>,
) -> Result<bool, Refusal<'a>> {
    // "one with a reg-id but no instance-id is not valid": the reg-id is ignored.
    wanted.iter_mut().filter(|w| w.instance.is_empty()).for_each(|w| w.reg_id = 0);
    if wanted.iter().all(|w| w.reg_id == 0) {
        return Ok(false);
    }
    let supported = message.option_tags(Name::Supported).has(b"outbound");
    if !has_flow(message, path) {
        if supported {
            return Err(Refusal::new(439));
        }
        wanted.iter_mut().for_each(|w| w.reg_id = 0);
        return Ok(false);
    }
    // "a single UA instance over a single flow"
    if wanted.iter().filter(|w| w.expires_s > 0).count() > 1 {
        return Err(Refusal::new(400).because("One flow, one Contact"));
    }
    Ok(supported)
}

/// Whether the flow to the phone is known: it spoke to us directly, or the first proxy behind it put `ob` into its Path.
/// That proxy's value is the last one (RFC 3327 §5.2: each puts its own on top).
fn has_flow(message: &Message<'_>, path: &[u8]) -> bool {
    if message.values(Name::Via).nth(1).is_none() && path.is_empty() {
        return true;
    }
    let first_hop = message.values(Name::Path).last().and_then(NameAddr::parse);
    first_hop.and_then(|hop| hop.parsed_uri().ok()).is_some_and(|uri| uri.params().has(b"ob"))
}

/// §10.3 step 6 and the lifetimes of step 7. Says whether all bindings are to go.
fn read_contacts<'a>(
    message: &Message<'a>,
    policy: &Policy,
    wanted: &mut Contacts<'a>,
) -> Result<bool, Refusal<'a>> {
    // §10.3: a malformed Expires counts as the default.
    let expires_s = message.seconds(Name::Expires).unwrap_or_default();
    let mut star = false;
    for contact in message.contacts() {
        match contact? {
            Contact::Star => star = true,
            Contact::Address { .. } if wanted.is_full() => {
                return Err(Refusal::new(403).because("Too many contacts"));
            }
            Contact::Address { name_addr, q_milli, expires_s: own_s, instance, reg_id } => {
                let uri = uri_of(&name_addr)?;
                let expires_s = granted_s(own_s.or(expires_s), policy)?;
                let q_milli = q_milli.unwrap_or(1000);
                wanted.push(Wanted { contact: name_addr, uri, expires_s, q_milli, instance, reg_id });
            }
        }
    }
    match (star, wanted.is_empty()) {
        (true, true) if expires_s == Some(0) => Ok(true),
        (true, _) => Err(Refusal::new(400).because("Contact * stands alone and with Expires 0")),
        (false, _) => Ok(false),
    }
}

/// The URI of a Contact that can be called, with as many parameters as are kept.
fn uri_of<'a>(contact: &NameAddr<'a>) -> Result<Uri<'a>, Refusal<'a>> {
    let uri = contact.parsed_uri()?;
    if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
        return Err(Refusal::new(400).because("Contact must be a SIP URI"));
    }
    if contact.params_text().len() > CONTACT_PARAMS_BYTES_MAX {
        return Err(Refusal::new(413).because("Contact parameters too long"));
    }
    Ok(uri)
}

/// §10.3 step 7: what is shorter than our minimum, but not a removal, is refused with the minimum.
fn granted_s<'a>(asked_s: Option<u32>, policy: &Policy) -> Result<u32, Refusal<'a>> {
    let asked_s = asked_s.unwrap_or(policy.expires_default_s);
    if asked_s > 0 && asked_s < policy.expires_min_s {
        return Err(Refusal::new(423).with(Hint::MinExpires(policy.expires_min_s)));
    }
    Ok(asked_s.min(policy.expires_max_s))
}
