//! What becomes of the bindings: RFC 3261 §10.3 steps 6 and 7, RFC 5626 §6.

use arrayvec::ArrayVec;
use offhook_location::{Binding, StoredFlow};
use offhook_sip::{Refusal, Uri};

use crate::Policy;
use crate::request::{Asked, Registration, Wanted};

/// Most bindings of one address-of-record that a decision can hold, whatever the policy says.
pub const BINDINGS_MAX: usize = 32;

/// The bindings of one address-of-record.
pub type BindingList<'x> = ArrayVec<Binding<'x>, BINDINGS_MAX>;

/// Applies a registration to `bindings`, which holds what is registered now. `known` are these and those that have ended since
/// their phone was heard last. Says whether anything changed.
///
/// # Errors
/// The answer; then nothing may be changed, whatever `bindings` holds (§10.3: all or nothing).
pub fn decide<'x>(
    registration: &Registration<'_, 'x>,
    bindings: &mut BindingList<'x>,
    known: impl Iterator<Item = Binding<'x>> + Clone,
    (now_ms, policy): (u64, &Policy),
) -> Result<bool, Refusal<'static>> {
    match &registration.asked {
        Asked::List => Ok(false),
        Asked::Clear => clear(registration, bindings),
        Asked::Change(wanted) => {
            let mut changed = false;
            for one in *wanted {
                if change(registration, one, bindings, now_ms)? {
                    changed = true;
                    note_beginning(registration, one, (bindings, known.clone()), now_ms);
                }
            }
            if bindings.len() > policy.bindings_per_aor_max {
                return Err(too_many());
            }
            Ok(changed)
        }
    }
}

/// The way that a phone had until now which registers by another: the same binding, or on a stream the same device, whose
/// Contact names the connection. `bindings` are those before.
///
/// Where two phones in two houses have the same private address, they take turns at one binding: it must be the same device,
/// the same run of it or the same house.
pub fn way_before(registration: &Registration<'_, '_>, bindings: &[Binding<'_>]) -> Option<StoredFlow> {
    let flow = &registration.flow;
    let is_elsewhere =
        |have: &Binding<'_>| (have.flow.remote, have.flow.transport) != (flow.remote, flow.transport);
    // Nearly every phone stays where it is.
    if !bindings.iter().any(is_elsewhere) {
        return None;
    }
    let Asked::Change([wanted, ..]) = &registration.asked else { return None };
    let is_device = |have: &Binding<'_>| !wanted.instance.is_empty() && have.instance == wanted.instance;
    let is_its = |have: &&Binding<'_>| {
        let is_on_stream = || have.flow.transport.is_reliable() && wanted.reg_id == 0 && have.reg_id == 0;
        is_same_device(have, wanted) || is_device(have) && is_on_stream()
    };
    let before = bindings.iter().filter(is_its).max_by_key(|have| have.registered_at_ms)?;
    let is_same_phone = is_device(before)
        || before.call_id == registration.call_id
        || before.flow.remote.ip() == flow.remote.ip();
    let is_direct = before.path.is_empty() && registration.path.is_empty();
    (wanted.expires_s > 0 && is_elsewhere(before) && is_same_phone && is_direct).then_some(before.flow)
}

/// §10.3 step 6: of each binding made under the same Call-ID, the CSeq must be lower.
fn clear(
    registration: &Registration<'_, '_>,
    bindings: &mut BindingList<'_>,
) -> Result<bool, Refusal<'static>> {
    for have in bindings.iter() {
        if order(registration, have)? == Order::Again {
            return Err(same_number());
        }
    }
    let changed = !bindings.is_empty();
    bindings.clear();
    Ok(changed)
}

/// How an update stands to the one before.
#[derive(PartialEq, Eq)]
enum Order {
    /// It is newer, or from another device.
    Newer,
    /// It has the number of the one before: that one again, or a wrong one.
    Again,
}

/// §10.3 step 7: "If it does agree, it compares the CSeq value."
fn order(registration: &Registration<'_, '_>, have: &Binding<'_>) -> Result<Order, Refusal<'static>> {
    if registration.call_id != have.call_id || registration.cseq > have.cseq {
        Ok(Order::Newer)
    } else if registration.cseq == have.cseq {
        Ok(Order::Again)
    } else {
        Err(Refusal::new(400).because("CSeq is lower than that of an earlier REGISTER"))
    }
}

fn change<'x>(
    registration: &Registration<'_, 'x>,
    wanted: &Wanted<'x>,
    bindings: &mut BindingList<'x>,
    now_ms: u64,
) -> Result<bool, Refusal<'static>> {
    let place = bindings.iter().position(|have| is_same_device(have, wanted));
    if let Some(place) = place
        && order(registration, &bindings[place])? == Order::Again
    {
        return if is_done(&bindings[place], wanted) { Ok(false) } else { Err(same_number()) };
    }
    match (place, wanted.expires_s) {
        (Some(place), 0) => drop(bindings.remove(place)),
        (None, 0) => return Ok(false),
        (Some(place), _) => bindings[place] = binding(registration, wanted, now_ms),
        (None, _) => bindings.try_push(binding(registration, wanted, now_ms)).map_err(|_| too_many())?,
    }
    Ok(true)
}

/// Whether a binding is what is wanted: then its REGISTER has come a second time, for its answer was lost.
fn is_done(have: &Binding<'_>, wanted: &Wanted<'_>) -> bool {
    let lasts_ms = have.expires_at_ms.saturating_sub(have.registered_at_ms);
    lasts_ms == u64::from(wanted.expires_s) * 1000 && have.q_milli == wanted.q_milli
}

/// The same contact by URI comparison (§10.3 step 7), or the same flow of the same instance (RFC 5626 §6).
fn is_same_device(have: &Binding<'_>, wanted: &Wanted<'_>) -> bool {
    if wanted.reg_id != 0 && !wanted.instance.is_empty() {
        return have.reg_id == wanted.reg_id && have.instance == wanted.instance;
    }
    // RFC 5626 §6: the Contact of a flow is not compared, but any Contact can be taken away.
    if have.reg_id != 0 && wanted.expires_s > 0 {
        return false;
    }
    let same = |known: Uri<'_>| known.matches(&wanted.uri);
    have.contact == wanted.uri.text || Uri::parse(have.contact).is_ok_and(same)
}

fn binding<'x>(registration: &Registration<'_, 'x>, wanted: &Wanted<'x>, now_ms: u64) -> Binding<'x> {
    let more = wanted.contact.params().any(|p| !is_answered_anew(p.name));
    Binding {
        contact: wanted.contact.uri,
        params: if more { wanted.contact.params_text() } else { b"" },
        path: registration.path,
        instance: wanted.instance,
        reg_id: wanted.reg_id,
        call_id: registration.call_id,
        cseq: registration.cseq,
        q_milli: wanted.q_milli,
        expires_at_ms: now_ms + u64::from(wanted.expires_s) * 1000,
        registered_at_ms: now_ms,
        began_at_ms: 0,
        flow: registration.flow,
        user_agent: registration.user_agent,
    }
}

/// RFC 5627 §5.1: where a device registers under another Call-ID than last, its temporary names from before are void, those of
/// all its contacts. A refresh, another flow, or a connection made anew changes nothing.
fn note_beginning<'x>(
    registration: &Registration<'_, 'x>,
    wanted: &Wanted<'x>,
    (bindings, known): (&mut BindingList<'x>, impl Iterator<Item = Binding<'x>> + Clone),
    now_ms: u64,
) {
    if wanted.instance.is_empty() || wanted.expires_s == 0 {
        return;
    }
    let of_device = known.filter(|known| known.instance == wanted.instance);
    let like = of_device.clone().filter(|known| wanted.reg_id == 0 || known.reg_id == wanted.reg_id);
    let last = like.max_by_key(|known| known.registered_at_ms);
    let began_at_ms = match of_device.clone().map(|known| known.began_at_ms).max() {
        None => now_ms,
        Some(began_at_ms) if last.is_none_or(|last| last.call_id == registration.call_id) => began_at_ms,
        // Behind all names that were given, though the clock may have gone back.
        Some(began_at_ms) => {
            let given_ms = of_device.map(|known| known.registered_at_ms.max(began_at_ms)).max();
            now_ms.max(given_ms.unwrap_or_default() + 1)
        }
    };
    for binding in bindings.iter_mut().filter(|binding| binding.instance == wanted.instance) {
        binding.began_at_ms = began_at_ms;
    }
}

/// Parameters of a Contact that the answer does not repeat as they came: what the registrar grants, and GRUUs, which a phone
/// cannot choose (RFC 5627 §5.1).
pub(crate) fn is_answered_anew(name: &[u8]) -> bool {
    let ours: [&[u8]; 4] = [b"expires", b"q", b"pub-gruu", b"temp-gruu"];
    ours.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// §10.3 steps 6 and 7: with the number of an earlier REGISTER nothing else can be asked for.
fn same_number() -> Refusal<'static> {
    Refusal::new(400).because("CSeq is that of an earlier REGISTER")
}

fn too_many() -> Refusal<'static> {
    Refusal::new(403).because("Too many contacts")
}
