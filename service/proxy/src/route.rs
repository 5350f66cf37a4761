//! Route preprocessing: RFC 3261 §16.4. What of the route set is ours, and what comes next.

use offhook_sip::{Essentials, Host, Malformed, Message, Method, Name, NameAddr, Param, Scheme, Uri};

use crate::cookie::CookieKey;
use crate::flow_token::{self, FlowRoute};
use crate::identity::Identity;
use crate::record_route::{self, InDialog, NamesMark, Nearness};

/// Most Route values of ours that one request may have on top: two where transports or address families meet, and
/// some for spirals through us. More is somebody playing (RFC 5393 describes the attack).
const OWN_ROUTES_MAX: usize = 8;

/// The route set of a request as this proxy sees it.
#[derive(Clone, Copy, Debug)]
pub struct Routed<'a> {
    /// The Request-URI, or the last Route value if a strict router put our address into the Request-URI.
    pub uri: Uri<'a>,
    /// Whether that was so: then the last Route value is to be removed, and the Request-URI replaced.
    pub from_strict_router: bool,
    /// How many of the first Route values name us and are to be removed.
    pub own_routes: usize,
    /// The first Route value behind ours: where the request goes next.
    pub next: Option<NameAddr<'a>>,
    /// Set if one of our values was sealed for this dialog.
    pub in_dialog: Option<InDialog>,
    /// It belongs to that dialog, but From names another user of ours than who was let in for it.
    pub has_other_name: bool,
    /// What the flow token of our topmost value says, if it has one (RFC 5626 §5.3).
    pub flow: Option<FlowRoute>,
}

impl<'a> Routed<'a> {
    /// On its way to this URI, without a route.
    pub fn to(uri: Uri<'a>) -> Self {
        Self {
            uri,
            from_strict_router: false,
            own_routes: 0,
            next: None,
            in_dialog: None,
            has_other_name: false,
            flow: None,
        }
    }

    /// Looks at Request-URI and Route.
    ///
    /// # Errors
    /// The Request-URI or a Route value that we must understand is malformed, or we are in the route too often.
    pub fn of(
        message: &Message<'a>,
        parts: &Essentials<'a>,
        identity: &Identity,
        key: &CookieKey,
    ) -> Result<Self, Malformed> {
        let uri = message.request_uri()?;
        let mut routed = Self::to(uri);
        if !message.has(Name::Route) {
            return Ok(routed);
        }
        if is_ours(&uri, identity) && uri.params().has(b"oh") {
            routed.leave_strict_router(message, parts, uri, key)?;
        }
        // The last one is the real Request-URI then, and no hop.
        let foreign = match routed.from_strict_router {
            true => message.values(Name::Route).count() - 1,
            false => usize::MAX,
        };
        for value in message.values(Name::Route).take(foreign) {
            let route = NameAddr::parse(value).ok_or(Malformed::Header("Route"))?;
            let route_uri = route.parsed_uri()?;
            if !is_ours(&route_uri, identity) {
                routed.next = Some(route);
                break;
            }
            let [dialog, flow] = route_uri.params().pick([b"oh", b"of"]);
            if routed.own_routes == 0 {
                routed.flow = flow.map(|token| flow_token::read(key, token));
            }
            routed.own_routes += 1;
            routed.note_seal(parts, dialog, key);
            if routed.own_routes > OWN_ROUTES_MAX {
                return Err(Malformed::TooMany("Route"));
            }
        }
        if routed.seeks_user(identity) {
            routed.in_dialog = None;
        }
        routed.has_other_name = routed.names_another((message.method(), parts), identity, key);
        Ok(routed)
    }

    /// Whether it needs no credentials: it belongs to a dialog that was let in, and names nobody who was not.
    pub fn is_let_in(&self) -> bool {
        self.in_dialog.is_some() && !self.has_other_name
    }

    /// §12.2.1.1: From and To are the same in all requests of a side. Who changes them (RFC 4916) shows that he may. What only ends or
    /// goes on with what has begun says nothing new of its sender, and an ACK could not be asked (§22.1).
    fn names_another(
        &self,
        (method, parts): (Option<Method>, &Essentials<'_>),
        identity: &Identity,
        key: &CookieKey,
    ) -> bool {
        let goes_on = matches!(method, Some(Method::Ack | Method::Bye | Method::Cancel | Method::Prack));
        let Some(dialog) = self.in_dialog.filter(|_| !goes_on) else { return false };
        let (from, to) = (parts.from.uri, parts.to.uri);
        let (caller, callee) = if dialog.from_caller { (from, to) } else { (to, from) };
        let is_ours = parts.from.parsed_uri().is_ok_and(|from| identity.domain_of(&from).is_some());
        is_ours && NamesMark::of_names(caller, callee, key) != dialog.names
    }

    /// Whether it goes to whatever phones a user has. Dialogs are with one of them, by its Contact (§12.2.1.1), so what was let
    /// in for a dialog gives no right to that.
    fn seeks_user(&self, identity: &Identity) -> bool {
        let leads = self.next.is_some() || self.flow.is_some();
        let Some(at) = self.uri.address.filter(|_| !leads && self.uri.user.is_some()) else { return false };
        if self.in_dialog.is_none_or(|dialog| dialog.toward.is_some()) {
            return false;
        }
        let is_ours = match at.host {
            Host::Name(_) => identity.domain_of(&self.uri).is_some(),
            _ => identity.is_us(&at),
        };
        is_ours && !self.uri.params().has(b"gr")
    }

    /// Whether the Request-URI or the next Route is `sips`: then every hop must be secure (RFC 3261 §26.2.2, RFC 5630
    /// §5.3), and we record-route so (§16.6 step 4).
    pub fn wants_security(&self) -> bool {
        let next = self.next.map_or(&b""[..], |next| next.uri);
        self.uri.scheme == Scheme::Sips || next.get(..5).is_some_and(|s| s.eq_ignore_ascii_case(b"sips:"))
    }

    /// §16.4, second paragraph: the Request-URI is a value of ours, so the real one is the last Route value.
    fn leave_strict_router(
        &mut self,
        message: &Message<'a>,
        parts: &Essentials<'a>,
        own: Uri<'a>,
        key: &CookieKey,
    ) -> Result<(), Malformed> {
        let last = message.values(Name::Route).last().ok_or(Malformed::Header("Route"))?;
        self.uri = NameAddr::parse(last).ok_or(Malformed::Header("Route"))?.parsed_uri()?;
        self.from_strict_router = true;
        self.note_seal(parts, own.params().find(b"oh"), key);
        Ok(())
    }

    fn note_seal(&mut self, parts: &Essentials<'a>, token: Option<Param<'_>>, key: &CookieKey) {
        // §12.2.1.1: without a To tag it belongs to no dialog, whatever it carries.
        if parts.to_tag.is_empty() || self.in_dialog.is_some_and(|d| d.toward.is_some()) {
            return;
        }
        let before = self.in_dialog;
        let token = token.and_then(|token| token.text());
        let read =
            token.and_then(|t| record_route::read(key, t, parts.call_id, parts.from_tag, parts.to_tag));
        if before.is_none() {
            self.in_dialog = read;
            return;
        }
        // Where two values stand (RFC 5658 §4), one of them has all that is to be remembered.
        let both = || [read, before].into_iter().flatten();
        let stateless = both().any(|dialog| dialog.stateless);
        let beyond = both().find_map(|dialog| dialog.beyond);
        let from_beyond = both().any(|dialog| dialog.from_beyond);
        let toward_near = both().map(|dialog| dialog.toward_near).fold(Nearness::default(), Nearness::or);
        let names = both().map(|dialog| dialog.names).find(|names| *names != NamesMark::default());
        let names = names.unwrap_or_default();
        let all = |dialog| InDialog { stateless, beyond, from_beyond, toward_near, names, ..dialog };
        self.in_dialog = read.or(before).map(all);
    }
}

/// A Route value is ours if it names one of our addresses, or a domain of ours without a user part other than flows.
fn is_ours(uri: &Uri<'_>, identity: &Identity) -> bool {
    let Some(at) = uri.address else { return false };
    let plain = uri.user.is_none() || uri.params().has(b"oh");
    identity.is_us(&at) || (plain && at.port.is_none() && identity.domain_of(uri).is_some())
}
