//! What a proxy checks before it does anything with a request: RFC 3261 §16.3, in the order of that section.

use offhook_sip::{Essentials, Hint, Message, Method, Name, Refusal, Scheme, Via};

use crate::cookie::CookieKey;
use crate::flow_token::FlowRoute;
use crate::identity::Identity;
use crate::privacy::Privacy;
use crate::route::Routed;

/// A request with what has been found out about it.
pub struct Screened<'m, 'a> {
    /// The request.
    pub message: &'m Message<'a>,
    /// Its mandatory headers.
    pub parts: &'m Essentials<'a>,
    /// Its method.
    pub method: Method,
    /// Its route set.
    pub routed: Routed<'a>,
    /// Its loop mark, where it is known and not that of its Request-URI: a redirection was followed.
    pub mark: Option<u32>,
}

/// One check; an error is the answer.
type Step = for<'m, 'a> fn(&Screened<'m, 'a>, &Identity, &CookieKey) -> Result<(), Refusal<'a>>;

/// Step 6, authorization, needs facts and
/// stands in [`crate::access`].
const STEPS: [Step; 5] = [scheme, max_forwards, loops, extensions, flows];

/// Runs the checks on a request whose mandatory headers are in order (§16.3 step 1).
///
/// # Errors
/// The answer to the first check that fails.
pub fn screen<'m, 'a>(
    message: &'m Message<'a>,
    parts: &'m Essentials<'a>,
    identity: &Identity,
    key: &CookieKey,
) -> Result<Screened<'m, 'a>, Refusal<'a>> {
    let routed = Routed::of(message, parts, identity, key)?;
    let method = message.method().unwrap_or(Method::Other);
    let screened = Screened { message, parts, method, routed, mark: None };
    for step in STEPS {
        step(&screened, identity, key)?;
    }
    Ok(screened)
}

/// Step 2: only URIs whose scheme we understand can be routed.
fn scheme<'a>(request: &Screened<'_, 'a>, _: &Identity, _: &CookieKey) -> Result<(), Refusal<'a>> {
    match request.routed.uri.scheme {
        Scheme::Sip | Scheme::Sips => Ok(()),
        // A telephone number is understood if a rule takes it; else it is refused when it is clear that none does.
        Scheme::Tel => Ok(()),
        Scheme::Other => Err(Refusal::new(416)),
    }
}

/// Step 3. With no hop left a REGISTER may still have arrived where it was meant to, and OPTIONS is answered by whoever
/// has it then (§11): these two are looked at again when it is clear whether they would go on.
fn max_forwards<'a>(request: &Screened<'_, 'a>, _: &Identity, _: &CookieKey) -> Result<(), Refusal<'a>> {
    match request.parts.max_forwards {
        Some(0) if !matches!(request.method, Method::Options | Method::Register) => Err(Refusal::new(483)),
        _ => Ok(()),
    }
}

/// Step 4, as RFC 5393 §4.2 makes it mandatory: a Via of ours with the mark that we would write now is a loop; with
/// another mark it is a spiral and goes on.
fn loops<'a>(request: &Screened<'_, 'a>, identity: &Identity, key: &CookieKey) -> Result<(), Refusal<'a>> {
    // Most requests come straight from a phone: their one Via has no mark of ours, and nothing is hashed.
    let is_loop = |via: &Via<'_>, branch: &[u8]| {
        CookieKey::mark_of(branch)
            .is_some_and(|mark| mark == request.loop_mark(key) && identity.is_us(&via.sent_by))
    };
    // In a dialog each pass uses up a Route value of ours, however alike those are that are left where a call was sent to and fro.
    if request.routed.in_dialog.is_some() {
        return Ok(());
    }
    let parts = &request.parts;
    if is_loop(&parts.via, parts.branch) {
        return Err(Refusal::new(482));
    }
    if parts.is_first_hop {
        return Ok(());
    }
    let mut below = request.message.values(Name::Via).skip(1).filter_map(|value| Via::parse(value).ok());
    if below.any(|via| is_loop(&via, via.branch())) { Err(Refusal::new(482)) } else { Ok(()) }
}

/// Step 5, with `privacy` (RFC 3323 §4.3) and without it. `pref`: RFC 3841 §5.
const UNDERSTOOD: [&[u8]; 2] = [b"pref", b"privacy"];

/// Step 5: extensions that a proxy would have to understand. `privacy` is one where all that is wished can be granted: who
/// insists on a proxy that understands wants it done.
fn extensions<'a>(request: &Screened<'_, 'a>, _: &Identity, _: &CookieKey) -> Result<(), Refusal<'a>> {
    // CANCEL and ACK cannot be refused this way (§16.3 step 5 speaks of requests that can be answered; §8.2.2.3).
    if matches!(request.method, Method::Cancel | Method::Ack) || !request.message.has(Name::ProxyRequire) {
        return Ok(());
    }
    let understood = match Privacy::of(request.message).is_granted() {
        true => &UNDERSTOOD[..],
        false => &UNDERSTOOD[..1],
    };
    let is_known = |tag: &[u8]| understood.iter().any(|own| own.eq_ignore_ascii_case(tag));
    if request.message.values(Name::ProxyRequire).all(is_known) {
        return Ok(());
    }
    Err(Refusal::new(420).with(Hint::UnsupportedBut(Name::ProxyRequire, understood)))
}

/// RFC 5626 §5.3.1: a flow token that was tampered with, or whose flow is gone.
fn flows<'a>(request: &Screened<'_, 'a>, _: &Identity, _: &CookieKey) -> Result<(), Refusal<'a>> {
    match request.routed.flow {
        Some(FlowRoute::Forged) => Err(Refusal::new(403).because("Not a flow of this proxy")),
        Some(FlowRoute::Gone) => Err(Refusal::new(430)),
        Some(FlowRoute::To(_)) | None => Ok(()),
    }
}

impl Screened<'_, '_> {
    /// The mark that our branches carry for requests routed like this one (§16.6 step 8, RFC 5393 §4.2.1). The To tag is
    /// left out: an ACK to a refusal has one, its INVITE has none, and both must get the same branch where we keep no
    /// state.
    pub fn loop_mark(&self, key: &CookieKey) -> u32 {
        if let Some(mark) = self.mark {
            return mark;
        }
        let (parts, routed) = (&self.parts, &self.routed);
        // It goes one way, and needs no mark: should it come again without a Route value of ours, it has one from then on.
        if routed.in_dialog.is_some() {
            return 0;
        }
        let next = routed.next.map_or(&b""[..], |n| n.uri);
        let cseq = parts.cseq.number.to_be_bytes();
        key.loop_mark(&[routed.uri.text, next, parts.call_id, parts.from_tag, &cseq])
    }
}
