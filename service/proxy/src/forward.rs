//! The copy of a request that goes to one target: RFC 3261 §16.6 steps 1 to 8. Only what must change does.

use offhook_sip::{Essentials, Line, LossFeedback, Message, Name, NameAddr, Scratch, Splice, Uri, header};

use crate::asserted::Statement;
use crate::cookie::CookieKey;
use crate::flow_token::{self, PathEntry};
use crate::history::Story;
use crate::identity::Local;
use crate::record_route::{self, Sides};
use crate::renumber::{self, Renumber};
use crate::route::Routed;
use crate::session_timer;

/// Max-Forwards of a request that came without: RFC 3261 §16.6 step 3.
const MAX_FORWARDS_DEFAULT: u8 = 70;

/// The branch parameter of our Via.
#[derive(Clone, Copy, Debug)]
pub enum Branch {
    /// A client transaction waits for the answers.
    Stateful(crate::cookie::Place),
    /// None does (§16.11). They go back through this shard, or [`crate::ANY_SHARD`].
    Stateless(u8),
}

/// Everything that makes one copy different from what was received.
#[derive(Clone, Copy)]
pub struct Forward<'x> {
    /// The mandatory headers.
    pub parts: &'x Essentials<'x>,
    /// The route set as found by preprocessing.
    pub routed: &'x Routed<'x>,
    /// The Request-URI of this target, if it is not the received one.
    pub target: Option<&'x [u8]>,
    /// Route values to put on top: the Path of the binding (RFC 3327 §5.2), or empty.
    pub path: &'x [u8],
    /// Our address on the side where the request leaves.
    pub local: &'x Local,
    /// The received top Via with `received` and `rport`, if it had to change.
    pub mended_via: Option<&'x [u8]>,
    /// The branch of our Via.
    pub branch: Branch,
    /// What the branch says to loop detection.
    pub loop_mark: u32,
    /// Whether to stay in the path, and the flows to remember.
    pub record_route: Option<Sides>,
    /// Our address on the side where the request came in, if it is another: then both stand in Record-Route, so that
    /// each side speaks to the address and transport it knows (RFC 5658 §4).
    pub arrived_at: Option<&'x Local>,
    /// The way back to the phone, to be put into the Path of its REGISTER (RFC 3327 §5.2, RFC 5626 §5.1).
    pub path_entry: Option<PathEntry>,
    /// Max-Breadth of this branch (RFC 5393 §5.3.3), if it is to be written.
    pub max_breadth: Option<u32>,
    /// The header line with the credentials that were meant for us (§22.3), to be taken away.
    pub spent_credentials: Option<&'x Line>,
    /// Whether the next hop is asked how much it can take (RFC 7339 §4.1).
    pub offers_overload_control: bool,
    /// Whether the next hop may send requests to us by the same connection (RFC 5923 §8.1).
    pub offers_reuse: bool,
    /// Towards a trunk that we answer challenges of.
    pub renumber: Option<Renumber>,
    /// What few copies need.
    pub extras: Option<&'x Extras<'x>>,
}

/// What few copies need: it was asked for by the configuration, or by the request itself.
#[derive(Clone, Copy, Default)]
pub struct Extras<'x> {
    /// The session timer that the two ends of the call are asked for (RFC 4028 §8.1).
    pub session_timer: Option<session_timer::Demand>,
    /// Who the sender is, where the request says so or the next hop is to know (RFC 3325 §5).
    pub statement: Option<Statement<'x>>,
    /// Which way it has gone (RFC 7044 §9.2).
    pub story: Option<Story<'x>>,
}

impl Extras<'_> {
    fn edit(&self, splice: &mut Splice<'_, '_>, message: &Message<'_>) {
        if let Some(demand) = &self.session_timer {
            demand.edit(splice, message);
        }
        if let Some(statement) = &self.statement {
            statement.edit(splice, message);
        }
        if let Some(story) = &self.story {
            story.edit(splice, message);
        }
    }
}

/// Writes the copy to the end of `out`.
pub fn write(
    message: &Message<'_>,
    key: &CookieKey,
    forward: &Forward<'_>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) {
    let mut splice = Splice::new(message, scratch);
    routes_and_uri(&mut splice, message, forward);
    max_forwards(&mut splice, forward);
    if let Some(sides) = forward.record_route {
        let dialog = (forward.parts.call_id, forward.parts.from_tag);
        let secure = forward.routed.wants_security();
        splice.push_front(Name::RecordRoute, |out| {
            record_route::write(key, forward.local, dialog, sides, secure, out);
        });
        // A line of its own: some phones lose their way in a list.
        if let Some(other) = forward.arrived_at {
            splice.push_front(Name::RecordRoute, |out| {
                record_route::write(key, other, dialog, Sides::default(), secure, out);
            });
        }
    }
    if let Some(entry) = forward.path_entry {
        splice.push_front(Name::Path, |out| flow_token::write(key, forward.local, entry, out));
    }
    if let Some(breadth) = forward.max_breadth {
        splice.set(Name::MaxBreadth, |out| write_number(breadth, out));
    }
    if let Some(line) = forward.spent_credentials {
        splice.remove(line.whole());
    }
    if let Some(extras) = forward.extras {
        extras.edit(&mut splice, message);
    }
    if let Some(how) = forward.renumber {
        renumber::write(&mut splice, message, how);
    }
    if forward.routed.in_dialog.is_some_and(|dialog| dialog.from_beyond) {
        renumber::write_back(&mut splice, message);
    }
    via(&mut splice, message, key, forward);
    // §18.3: on a stream the length must be said; saying it always costs nothing.
    if forward.local.transport.is_reliable() && !message.has(Name::ContentLength) {
        splice.push_back(Name::ContentLength, |out| write_number(message.body().len() as u32, out));
    }
    splice.write_to(out);
}

/// Step 2 (Request-URI), §16.4 (our Routes go), RFC 3327 (Path comes), and step 6 (a next hop that routes strictly).
fn routes_and_uri(splice: &mut Splice<'_, '_>, message: &Message<'_>, forward: &Forward<'_>) {
    let routed = forward.routed;
    let uri = forward.target.or(routed.from_strict_router.then_some(routed.uri.text));
    if routed.from_strict_router {
        remove_last_route(splice, message);
    }
    let first_hop = if forward.path.is_empty() { routed.next.map(|n| n.uri) } else { None };
    let strict = first_hop.and_then(|text| Uri::parse(text).ok()).filter(|u| !u.is_loose());
    if let Some(strict) = strict {
        // Step 6: a strict router wants itself in the Request-URI and the target at the end of the route.
        splice.pop_values(Name::Route, routed.own_routes + 1);
        replace_uri(splice, message, strict.text);
        let target = uri.unwrap_or(message.request_uri_text());
        splice.push_back(Name::Route, |out| write_bracketed(target, out));
        return;
    }
    if routed.own_routes > 0 {
        splice.pop_values(Name::Route, routed.own_routes);
    }
    if !forward.path.is_empty() {
        splice.push_front(Name::Route, |out| out.extend_from_slice(forward.path));
    }
    if let Some(uri) = uri {
        replace_uri(splice, message, uri);
    }
}

fn replace_uri(splice: &mut Splice<'_, '_>, message: &Message<'_>, uri: &[u8]) {
    // §16.6 step 2, §19.1.1: headers and the method parameter have no place in a Request-URI.
    let plain = uri.split(|&c| c == b'?').next().unwrap_or(uri);
    splice.replace(message.range_of(message.request_uri_text()), |out| out.extend_from_slice(plain));
}

fn remove_last_route(splice: &mut Splice<'_, '_>, message: &Message<'_>) {
    let Some(line) = message.lines_of(Name::Route).last() else { return };
    let value = message.line_value(line);
    let mut start = 0;
    let mut rest = Some(value);
    while let Some(text) = rest {
        start = message.range_of(text).start;
        rest = header::split(text).1;
    }
    if start <= line.value().start {
        splice.remove(line.whole());
    } else {
        // From the comma before it to the end of the value.
        splice.remove(start - 1..line.value().end);
    }
}

/// Step 3.
fn max_forwards(splice: &mut Splice<'_, '_>, forward: &Forward<'_>) {
    let left = forward.parts.max_forwards.map_or(MAX_FORWARDS_DEFAULT, |n| n.saturating_sub(1));
    splice.set(Name::MaxForwards, |out| write_number(u32::from(left), out));
}

/// Step 8, and what §18.2.1 adds to the Via below.
fn via(splice: &mut Splice<'_, '_>, message: &Message<'_>, key: &CookieKey, forward: &Forward<'_>) {
    splice.push_front(Name::Via, |out| {
        out.extend_from_slice(b"SIP/2.0/");
        out.extend_from_slice(forward.local.transport.via_token().as_bytes());
        out.push(b' ');
        out.extend_from_slice(forward.local.sent_by.as_bytes());
        // RFC 3581 §3: we too may sit behind something that changes our port.
        out.extend_from_slice(if forward.local.transport.is_reliable() {
            b";branch="
        } else {
            b";rport;branch="
        });
        match forward.branch {
            Branch::Stateful(place) => key.write_branch(place, forward.loop_mark, out),
            Branch::Stateless(shard) => {
                let identity = stateless_identity(message, &forward.parts.via);
                key.write_stateless_branch(shard, &identity, forward.loop_mark, out);
            }
        }
        if forward.offers_overload_control {
            out.extend_from_slice(LossFeedback::OFFER);
        }
        if forward.offers_reuse {
            out.extend_from_slice(b";alias");
        }
    });
    if let Some(mended) = forward.mended_via {
        splice.replace(message.range_of(forward.parts.via.text), |out| out.extend_from_slice(mended));
    }
}

/// What identifies the upstream transaction of a message for §16.11: the branch and sender of the Via that is not
/// ours. A sender of RFC 2543 has no unique branch; then the dialog and number stand in for it.
pub fn stateless_identity<'a>(message: &Message<'a>, upstream: &offhook_sip::Via<'a>) -> [&'a [u8]; 4] {
    if upstream.has_magic_cookie() {
        return [upstream.branch(), upstream.sent_by.host_text, b"", b""];
    }
    let call_id = message.call_id().unwrap_or_default();
    let cseq = first_word(message.value(Name::CSeq).unwrap_or_default());
    let tag = message.from().ok().and_then(|f: NameAddr<'a>| f.tag()).unwrap_or_default();
    [call_id, cseq, tag, upstream.sent_by.host_text]
}

fn write_bracketed(uri: &[u8], out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(uri);
    out.push(b'>');
}

fn write_number(n: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

fn first_word(text: &[u8]) -> &[u8] {
    text.split(|&c| c == b' ').next().unwrap_or_default()
}
