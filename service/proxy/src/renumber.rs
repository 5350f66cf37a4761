//! Other numbers in CSeq on the far side of us, for requests that may have to be repeated with credentials of our own.
//!
//! RFC 3261 §22.3: "If a proxy were to resubmit a request adding a Proxy-Authorization header field value, it would need
//! to increment the CSeq in the new request. However, this would cause the UAC that submitted the original request to
//! discard a response from the UAS, as the CSeq value would be different." So the number is mapped back, and as we
//! remember nothing of a dialog, the mapping is one that needs no memory:
//!
//! ```text
//!   caller             us               trunk
//!     INVITE 7  ──────────────────────►  28 = 7·4         401
//!                       ──────────────►  29 = 7·4 + 1     with credentials
//!     200 7     ◄──────────────────────  29               29 / 4
//!     ACK 7     ──────────────────────►  29               the number of its INVITE: how often that was repeated
//!     BYE 8     ──────────────────────►  32                 stands in our Record-Route
//! ```
//! Each request has room for its repetitions below the next one. The number in RAck (RFC 3262 §7.2) is one of these too,
//! and so is the one that names a REFER in `Event: refer;id=…` (RFC 3515 §2.4.6), in either direction:
//!
//! ```text
//!     REFER 9          ──────────────►  36
//!     NOTIFY id=9      ◄──────────────  NOTIFY id=36
//!     SUBSCRIBE id=9   ──────────────►  id=36
//! ```

use offhook_sip::{Message, Method, Name, Splice};

/// Numbers of one request on the far side: the first try and its repetitions.
const TRIES: u32 = 4;

/// The last repetition that has a number.
pub const TRY_MAX: u8 = 3;

/// A dialog that begins with a larger number keeps its own: there is no room above (RFC 3261 §8.1.1.5: below 2^31).
const NUMBER_MAX: u32 = (1 << 29) - (1 << 20);

/// How the numbers of one request change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Renumber {
    /// Which try this is, 0 for the first; of an ACK: which try of its INVITE was answered.
    pub tries: u8,
    /// Which try of an earlier request it names: a PRACK its INVITE, a SUBSCRIBE a REFER.
    pub earlier_tries: u8,
}

/// Whether a dialog that begins with this number has room.
pub fn fits(number: u32) -> bool {
    number < NUMBER_MAX
}

/// Whether a number has a place on the far side. A callee numbers as he likes (RFC 3261 §12.2.1.1: below 2^31): his larger
/// numbers stay as they are, which needs no memory either.
pub fn has_place(number: u32) -> bool {
    number < (1 << 31) / TRIES
}

/// The number on the far side; one that has no place there stays.
pub fn outward(number: u32, tries: u8) -> u32 {
    if !has_place(number) {
        return number;
    }
    number.wrapping_mul(TRIES).wrapping_add(u32::from(tries.min(TRY_MAX)))
}

/// The number on the near side.
pub fn inward(number: u32) -> u32 {
    number / TRIES
}

/// The numbers of a request on its way to the far side.
pub(crate) fn write(splice: &mut Splice<'_, '_>, message: &Message<'_>, how: Renumber) {
    if let Ok(cseq) = message.cseq() {
        splice.set(Name::CSeq, |out| write_cseq(outward(cseq.number, how.tries), cseq.method, out));
    }
    if message.method() == Some(Method::Prack)
        && let Some((rseq, number, method)) = message.value(Name::RAck).and_then(rack)
    {
        splice.set(Name::RAck, |out| {
            out.extend_from_slice(rseq);
            out.push(b' ');
            write_cseq(outward(number, how.earlier_tries), method, out);
        });
    }
    if message.method() == Some(Method::Subscribe) {
        write_refer_id(splice, message, |number| outward(number, how.earlier_tries));
    }
}

/// A request from the far side: where it names a REFER of the near side, by the number that is known there.
pub(crate) fn write_back(splice: &mut Splice<'_, '_>, message: &Message<'_>) {
    if message.method() == Some(Method::Notify) {
        write_refer_id(splice, message, inward);
    }
}

fn write_refer_id(splice: &mut Splice<'_, '_>, message: &Message<'_>, map: impl Fn(u32) -> u32) {
    if let Some((text, number)) = refer_id(message) {
        splice.replace(message.range_of(text), |out| {
            out.extend_from_slice(itoa::Buffer::new().format(map(number)).as_bytes());
        });
    }
}

/// The number of the REFER whose subscription a request belongs to, if it says so: RFC 3515 §2.4.6.
pub fn refer_of(message: &Message<'_>) -> Option<u32> {
    refer_id(message).map(|(_, number)| number)
}

fn refer_id<'m>(message: &Message<'m>) -> Option<(&'m [u8], u32)> {
    let mut parts = message.value(Name::Event)?.split(|&c| c == b';').map(<[u8]>::trim_ascii);
    if !parts.next()?.eq_ignore_ascii_case(b"refer") {
        return None;
    }
    let text = parts.find_map(|part| {
        let (name, value) = part.split_at_checked(part.iter().position(|&c| c == b'=')?)?;
        name.trim_ascii().eq_ignore_ascii_case(b"id").then(|| value[1..].trim_ascii())
    })?;
    Some((text, std::str::from_utf8(text).ok()?.parse().ok()?))
}

/// The number of the INVITE that a PRACK is for: RFC 3262 §7.2.
pub fn invite_of(prack: &Message<'_>) -> Option<u32> {
    prack.value(Name::RAck).and_then(rack).map(|(_, number, _)| number)
}

/// Appends `4711 INVITE`.
pub fn write_cseq(number: u32, method: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.push(b' ');
    out.extend_from_slice(method);
}

fn rack(value: &[u8]) -> Option<(&[u8], u32, &[u8])> {
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (rseq, number, method) = (words.next()?, words.next()?, words.next()?);
    Some((rseq, std::str::from_utf8(number).ok()?.parse().ok()?, method))
}

#[cfg(test)]
mod tests {
    use offhook_sip::Scratch;

    use super::*;

    /// RFC 3261 §8.1.3.5, §12.2.1.1: a repetition has a higher number, and the next request a higher one than all of them.
    #[test]
    fn numbers_rise_and_come_back() {
        for number in [0, 1, 7, NUMBER_MAX - 1] {
            let tries: Vec<u32> = (0..=TRY_MAX).map(|tries| outward(number, tries)).collect();
            assert!(tries.is_sorted() && tries.iter().all(|far| inward(*far) == number && *far < 1 << 31));
            assert!(tries.iter().all(|far| *far < outward(number + 1, 0)));
        }
        assert!(fits(NUMBER_MAX - 1) && !fits(NUMBER_MAX));
        let last = (1 << 29) - 1;
        assert!(has_place(last) && outward(last, TRY_MAX) == (1 << 31) - 1);
        assert!(!has_place(last + 1) && outward(last + 1, 1) == last + 1);
    }

    /// RFC 3262 §7.2.
    #[test]
    fn a_prack_names_its_invite() {
        let prack = b"PRACK sip:a SIP/2.0\r\nCSeq: 8 PRACK\r\nRAck: 776656 7 INVITE\r\n\r\n";
        let prack = Message::parse(prack).expect("a PRACK");
        let (mut scratch, mut out) = (Scratch::default(), Vec::new());
        let mut splice = Splice::new(&prack, &mut scratch);
        write(&mut splice, &prack, Renumber { tries: 0, earlier_tries: 1 });
        splice.write_to(&mut out);
        let text = String::from_utf8(out).expect("ASCII");
        assert!(text.contains("CSeq: 32 PRACK\r\nRAck: 776656 29 INVITE\r\n"), "{text}");
        assert_eq!(invite_of(&prack), Some(7));
    }

    /// RFC 3515 §2.4.6: of the event package `refer` alone, however it is written.
    #[test]
    fn a_refer_is_named_by_its_number() {
        for (event, want) in [
            ("refer;id=7", Some(7)),
            ("Refer ; foo=bar; ID = 7 ;x", Some(7)),
            ("refer", None),
            ("refer;id=x", None),
            ("refer;id=99999999999", None),
            ("presence;id=7", None),
            ("referral;id=7", None),
        ] {
            let notify = format!("NOTIFY sip:a SIP/2.0\r\nEvent: {event}\r\n\r\n");
            let notify = Message::parse(notify.as_bytes()).expect("a NOTIFY");
            assert_eq!(refer_of(&notify), want, "{event}");
        }
        let notify = b"NOTIFY sip:a SIP/2.0\r\no: refer;id=29;x=1\r\n\r\n";
        let notify = Message::parse(notify).expect("a NOTIFY");
        let (mut scratch, mut out) = (Scratch::default(), Vec::new());
        let mut splice = Splice::new(&notify, &mut scratch);
        write_back(&mut splice, &notify);
        splice.write_to(&mut out);
        assert!(String::from_utf8_lossy(&out).contains("o: refer;id=7;x=1\r\n"));
    }
}
