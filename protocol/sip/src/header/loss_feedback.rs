//! Overload control in Via: RFC 7339 §4 and §9, with the loss-based scheme (§7), the only one we speak.
//!
//! ```text
//!   request    Via: …;branch=z9hG4bK1;oc;oc-algo="loss"                                        I can hold back
//!   response   Via: …;branch=z9hG4bK1;oc=20;oc-algo="loss";oc-validity=500;oc-seq=1282321615.78200    so do, by 20 %
//! ```

use crate::chars::{number, trim};
use crate::header::Via;
use crate::params::{Param, unquote};

/// The name of the scheme (§7.1).
const LOSS: &[u8] = b"loss";

/// How long a wish holds if nothing is said, ms (§4.3).
const VALIDITY_DEFAULT_MS: u32 = 500;

/// The sequence counts hundred-thousandths of a second: `oc-seq` has at most five decimals (§9).
const SEQUENCE_PER_S: u64 = 100_000;

/// What a server asks of a client: to send it less than it would, for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LossFeedback {
    /// The share of all requests that are not to be sent, in percent.
    pub percent: u8,
    /// For how long, ms; 0 ends the reduction (§5.7).
    pub validity_ms: u32,
    /// Grows from one wish to the next (§4.4), in hundred-thousandths. `None`: a server that has forgotten it.
    pub sequence: Option<u64>,
}

impl LossFeedback {
    /// What a client writes into its own Via, to be told: §4.1, §4.2.
    pub const OFFER: &[u8] = b";oc;oc-algo=\"loss\"";

    /// No longer is what [`LossFeedback::write`] writes.
    pub const BYTES_MAX: usize = 80;

    /// A wish spoken at `now_ms`, so that a later one has a higher number, after a restart too.
    pub fn at(now_ms: u64, percent: u8, validity_ms: u32) -> Self {
        let validity_ms = if percent == 0 { 0 } else { validity_ms };
        Self { percent, validity_ms, sequence: Some(now_ms * (SEQUENCE_PER_S / 1000)) }
    }

    /// Writes the parameters as they stand in the Via of a response.
    pub fn write(self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b";oc=");
        out.extend_from_slice(digits.format(self.percent).as_bytes());
        out.extend_from_slice(b";oc-algo=\"loss\";oc-validity=");
        out.extend_from_slice(digits.format(self.validity_ms).as_bytes());
        if let Some(sequence) = self.sequence {
            out.extend_from_slice(b";oc-seq=");
            out.extend_from_slice(digits.format(sequence / SEQUENCE_PER_S).as_bytes());
            out.push(b'.');
            // A one in front keeps the leading zeroes.
            let decimals = SEQUENCE_PER_S + sequence % SEQUENCE_PER_S;
            out.extend_from_slice(digits.format(decimals).as_bytes().get(1..).unwrap_or_default());
        }
    }
}

impl<'a> Via<'a> {
    /// Whether the sender would hold back if we asked: `oc` without a value, and our scheme among those it offers
    /// (RFC 7339 §5.1).
    pub fn offers_loss_control(&self) -> bool {
        if !self.mentions_overload() {
            return false;
        }
        let offers = self.params().find(b"oc").is_some_and(|oc| oc.value.is_none());
        offers && self.schemes().any(|scheme| scheme.eq_ignore_ascii_case(LOSS))
    }

    /// What the server that answered asks of us; `None` if it knows nothing of overload control, chose another scheme,
    /// or wrote what cannot be (RFC 7339 §4.1 to §4.4).
    pub fn loss_feedback(&self) -> Option<LossFeedback> {
        if !self.wishes_overload() {
            return None;
        }
        let params = self.params();
        let percent = u8::try_from(number(params.value(b"oc")?, 100)?).ok()?;
        let mut schemes = self.schemes();
        let is_loss = schemes.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case(LOSS));
        if !is_loss || schemes.next().is_some() {
            return None;
        }
        let validity_ms = match params.value(b"oc-validity") {
            Some(text) => number(text, u32::MAX)?,
            None => VALIDITY_DEFAULT_MS,
        };
        let sequence = match params.value(b"oc-seq") {
            Some(text) => Some(sequence(text)?),
            None => None,
        };
        Some(LossFeedback { percent, validity_ms, sequence })
    }

    /// Writes the value without the parameters of overload control: they are for the next neighbour only (RFC 7339
    /// §5.6).
    pub fn write_without_overload(&self, out: &mut Vec<u8>) {
        self.write_without(out, is_overload);
    }

    fn schemes(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let list = self.params().find(b"oc-algo").and_then(|param| param.value).map_or(&b""[..], unquote);
        list.split(|&c| c == b',').map(trim)
    }
}

/// Whether this is one of the four parameters of RFC 7339.
pub(super) fn is_overload(param: &Param<'_>) -> bool {
    [&b"oc"[..], b"oc-algo", b"oc-validity", b"oc-seq"].iter().any(|own| param.name.eq_ignore_ascii_case(own))
}

/// `1*12DIGIT "." 1*5DIGIT` (§9); the decimals may be missing.
fn sequence(text: &[u8]) -> Option<u64> {
    let dot = text.iter().position(|&c| c == b'.').unwrap_or(text.len());
    let (seconds, decimals) = (&text[..dot], text.get(dot + 1..).unwrap_or_default());
    let are_digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    if !(1..=12).contains(&dot) || decimals.len() > 5 || !are_digits(seconds) || !are_digits(decimals) {
        return None;
    }
    let all = seconds.iter().chain(decimals.iter().chain(b"00000").take(5));
    Some(all.fold(0, |n, c| n * 10 + u64::from(c - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(params: &str) -> String {
        format!("SIP/2.0/UDP p1.example.net;branch=z9hG4bK2d4790.1{params}")
    }

    fn feedback(params: &str) -> Option<LossFeedback> {
        Via::parse(via(params).as_bytes()).expect(params).loss_feedback()
    }

    /// RFC 7339 §4.1, §4.2, §5.1: who offers it, and who does not.
    #[test]
    fn offers() {
        for (params, offers) in [
            (";oc;oc-algo=\"loss\"", true),
            (";OC;OC-ALGO=\"rate, Loss\"", true),
            (";oc-algo=\"loss\";oc", true),
            (";oc-algo=loss;oc", true),
            (";oc", false),
            (";oc;oc-algo=\"rate\"", false),
            (";oc=0;oc-algo=\"loss\"", false),
            (";oc-algo=\"loss\"", false),
            (";ocx;oc-algo=\"loss\"", false),
            ("", false),
        ] {
            assert_eq!(
                Via::parse(via(params).as_bytes()).expect(params).offers_loss_control(),
                offers,
                "{params}"
            );
        }
        let own = via(std::str::from_utf8(LossFeedback::OFFER).expect("ASCII"));
        assert!(Via::parse(own.as_bytes()).expect("a Via").offers_loss_control());
    }

    /// The responses of RFC 7339 §6, one without `oc-validity` (§4.3: 500 ms), one without `oc-seq`.
    #[test]
    fn wishes_are_read() {
        let wish = |percent, validity_ms, sequence| Some(LossFeedback { percent, validity_ms, sequence });
        for (params, want) in [
            (";received=192.0.2.111;oc=0;oc-algo=\"loss\";oc-validity=0", wish(0, 0, None)),
            (
                ";oc=20;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.782",
                wish(20, 500, Some(128_232_161_578_200)),
            ),
            (";oc=100;oc-algo=\"loss\";oc-seq=1.5", wish(100, 500, Some(150_000))),
            (";oc=1;oc-algo=\"loss\";oc-seq=7", wish(1, 500, Some(700_000))),
        ] {
            assert_eq!(feedback(params), want, "{params}");
        }
    }

    /// RFC 7339 §4.1 to §4.4, §9: a server that knows nothing of it leaves `oc` as it was; what cannot be is no wish.
    #[test]
    fn what_is_no_wish() {
        for params in [
            "",
            ";oc;oc-algo=\"loss\"",
            ";oc=101;oc-algo=\"loss\"",
            ";oc=-1;oc-algo=\"loss\"",
            ";oc=20",
            ";oc=20;oc-algo=\"rate\"",
            ";oc=20;oc-algo=\"loss,rate\"",
            ";oc-validity=500;oc-algo=\"loss\"",
            ";oc=20;oc-algo=\"loss\";oc-validity=soon",
            ";oc=20;oc-algo=\"loss\";oc-validity=99999999999999999999",
            ";oc=20;oc-algo=\"loss\";oc-seq=1.234567",
            ";oc=20;oc-algo=\"loss\";oc-seq=.5",
        ] {
            assert_eq!(feedback(params), None, "{params}");
        }
    }

    /// RFC 7339 §4.4, §9: what we write is read back, and the number grows with time.
    #[test]
    fn what_is_written_is_read() {
        let mut last = 0;
        for now_ms in [1_282_321_615_782, 1_282_321_615_783, 1_282_321_616_000, 1_282_321_616_005] {
            let wish = LossFeedback::at(now_ms, 35, 500);
            let mut text = via("").into_bytes();
            wish.write(&mut text);
            let read = Via::parse(&text).expect("a Via").loss_feedback();
            assert_eq!(read, Some(wish), "{}", String::from_utf8_lossy(&text));
            assert!(wish.sequence > Some(last) && text.len() - via("").len() <= LossFeedback::BYTES_MAX);
            last = wish.sequence.unwrap_or_default();
        }
        assert_eq!(LossFeedback::at(1, 0, 500).validity_ms, 0, "§5.7: nothing to reduce ends it");
    }

    /// RFC 7339 §5.6: they go no further than one hop.
    #[test]
    fn they_are_taken_away() {
        let text = via(";oc;oc-algo=\"loss\" ; rport;oc-validity=1;OC-SEQ=1.1");
        let mut out = Vec::new();
        Via::parse(text.as_bytes()).expect("a Via").write_without_overload(&mut out);
        assert_eq!(String::from_utf8(out).expect("ASCII"), via("; rport"));
    }
}
