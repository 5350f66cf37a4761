//! The headers of the 200: RFC 3261 §10.3 step 8.

use offhook_location::Binding;
use offhook_sip::Params;

/// Writes a Contact line for each binding, with the seconds it has left, and the Path that was stored (RFC 3327 §5.3).
pub fn write_headers<'x>(
    bindings: impl IntoIterator<Item = &'x Binding<'x>>,
    path: &[u8],
    now_ms: u64,
    out: &mut Vec<u8>,
) {
    for binding in bindings {
        write_contact(binding, now_ms, out);
    }
    if !path.is_empty() {
        out.extend_from_slice(b"Path: ");
        out.extend_from_slice(path);
        out.extend_from_slice(b"\r\nSupported: path\r\n");
    }
}

fn write_contact(binding: &Binding<'_>, now_ms: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Contact: <");
    out.extend_from_slice(binding.contact);
    out.push(b'>');
    for param in Params::new(binding.params) {
        if !param.name.eq_ignore_ascii_case(b"expires") && !param.name.eq_ignore_ascii_case(b"q") {
            out.push(b';');
            out.extend_from_slice(param.whole);
        }
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
