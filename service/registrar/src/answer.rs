//! The headers of the 200: RFC 3261 §10.3 step 8, RFC 3327 §5.3, RFC 3608 §6.1, RFC 5626 §6, RFC 5627 §5.2.

use offhook_location::Binding;
use offhook_seal::Seals;
use offhook_sip::Params;

use crate::Registration;
use crate::decide::is_answered_anew;
use crate::gruu;

/// What the 200 tells beside the bindings.
#[derive(Clone, Copy)]
pub struct Headers<'x> {
    /// The address-of-record in canonical form.
    pub aor: &'x [u8],
    /// What seals temporary GRUUs.
    pub gruus: &'x Seals,
    /// The values of Service-Route, joined by commas (RFC 3608), or empty.
    pub service_route: &'x str,
    /// Flow-Timer, seconds, or 0.
    pub flow_timer_s: u32,
    /// The whole line of Date (RFC 3261 §20.17), or empty.
    pub date_line: &'x [u8],
}

/// Writes a Contact line for each binding, with the seconds it has left, and what the phone must know of the way.
pub fn write_headers<'x>(
    registration: &Registration<'_, '_>,
    bindings: &'x [Binding<'x>],
    headers: &Headers<'_>,
    now_ms: u64,
    out: &mut Vec<u8>,
) {
    let gruus = registration.takes_gruu.then_some(headers);
    for binding in bindings {
        let gruus = gruus.map(|headers| (headers, youngest(bindings, binding)));
        write_contact(binding, gruus, now_ms, out);
    }
    out.extend_from_slice(headers.date_line);
    if !registration.path.is_empty() {
        write_line(b"Path", registration.path, out);
        out.extend_from_slice(b"Supported: path\r\n");
    }
    if !headers.service_route.is_empty() {
        write_line(b"Service-Route", headers.service_route.as_bytes(), out);
    }
    if registration.outbound {
        out.extend_from_slice(b"Require: outbound\r\n");
        if registration.path.is_empty()
            && headers.flow_timer_s > 0
            && registration.flow.transport.is_reliable()
        {
            let mut number = itoa::Buffer::new();
            write_line(b"Flow-Timer", number.format(headers.flow_timer_s).as_bytes(), out);
        }
    }
}

fn write_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// `gruus`: with the binding that temporary ones are made of.
fn write_contact(
    binding: &Binding<'_>,
    gruus: Option<(&Headers<'_>, &Binding<'_>)>,
    now_ms: u64,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"Contact: <");
    out.extend_from_slice(binding.contact);
    out.push(b'>');
    for param in Params::new(binding.params) {
        if !is_answered_anew(param.name) {
            out.push(b';');
            out.extend_from_slice(param.whole);
        }
    }
    if let Some((headers, youngest)) = gruus.filter(|_| !binding.instance.is_empty()) {
        out.extend_from_slice(b";pub-gruu=\"");
        gruu::write_public(headers.aor, binding, out);
        out.push(b'"');
        write_temporary(headers, youngest, out);
    }
    let mut number = itoa::Buffer::new();
    if binding.q_milli < 1000 {
        // Three decimals, always: 0.7 is written 0.700.
        out.extend_from_slice(b";q=0.");
        out.extend_from_slice(&number.format(1000 + binding.q_milli).as_bytes()[1..]);
    }
    // A binding shown has at least one second left, or a phone would take it for removed.
    let left_s = binding.expires_at_ms.saturating_sub(now_ms).div_ceil(1000).max(1);
    out.extend_from_slice(b";expires=");
    out.extend_from_slice(number.format(left_s).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The binding of the same device that was registered last: "the most recently created temporary GRUU for that AOR and
/// instance ID" is its own (RFC 5627 §5.2).
fn youngest<'l, 'x>(bindings: &'l [Binding<'x>], binding: &'l Binding<'x>) -> &'l Binding<'x> {
    let of_device = bindings.iter().filter(|b| b.instance == binding.instance);
    of_device.max_by_key(|b| b.registered_at_ms).unwrap_or(binding)
}

/// A name so long that it does not fit into a token has no temporary GRUU.
fn write_temporary(headers: &Headers<'_>, binding: &Binding<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(b";temp-gruu=\"");
    match gruu::write_temporary(headers.gruus, headers.aor, binding, out) {
        Some(()) => out.push(b'"'),
        None => out.truncate(start),
    }
}
