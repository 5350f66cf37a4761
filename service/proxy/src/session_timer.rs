//! Session timers as a proxy that keeps no calls: RFC 4028 §8. Whether a call goes on is between the two phones; the proxy
//! makes sure that they ask each other, and how often.
//!
//! ```text
//!   caller ──INVITE──► SE missing: insert      too long: lower     too short: 422, or Min-SE and raise ──► callee
//!   caller ◄──SE: n;refresher=uac, Require: timer── the callee knows no timer, the caller does ◄──2xx──── callee
//! ```
//! What §8.1 wants remembered for the transaction is one number, [`Demand::remembered_s`].

use offhook_sip::{Hint, Message, Method, Name, Refusal, Splice};

/// The shortest session interval there is, seconds: RFC 4028 §4, and the value of a Min-SE that is missing (§5).
const INTERVAL_MIN_S: u32 = 90;

/// The option tag.
const TIMER: &[u8] = b"timer";

/// What the administrator wants, seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wish {
    /// The interval that is asked for, and the longest that is let through.
    pub expires_s: u32,
    /// The shortest that is let through; at least 90.
    pub min_s: u32,
}

/// What becomes of Session-Expires and Min-SE in one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Demand {
    /// The interval in the request that goes on, seconds.
    interval_s: u32,
    /// Whether that is not what it said.
    changed: bool,
    /// The Min-SE to write, seconds.
    min_s: Option<u32>,
    /// Whether who sent it supports session timers.
    supported: bool,
}

impl Demand {
    /// What is to be done with this request; `None`: it has nothing to do with sessions, or says what nobody understands,
    /// which is for the callee to refuse.
    ///
    /// # Errors
    /// 422 with Min-SE (§6): the interval is too short, and who sent it can do better.
    pub fn of(wish: Wish, method: Method, message: &Message<'_>) -> Result<Option<Self>, Refusal<'static>> {
        if !matches!(method, Method::Invite | Method::Update) {
            return Ok(None);
        }
        let (Ok(proposed), Ok(min)) = (message.seconds(Name::SessionExpires), message.seconds(Name::MinSe))
        else {
            return Ok(None);
        };
        let supported = message.option_tags(Name::Supported).has(TIMER);
        let too_short = proposed.is_some_and(|interval| interval < wish.min_s);
        if too_short && supported {
            return Err(Refusal::new(422).with(Hint::MinSe(wish.min_s)));
        }
        // §8.1: Min-SE of who supports session timers is never touched (§11 says why).
        let raised = wish.min_s.max(min.unwrap_or(0));
        let min_s = (too_short && min != Some(raised)).then_some(raised);
        let floor = min_s.or(min).unwrap_or(0).max(INTERVAL_MIN_S);
        let interval_s = proposed.unwrap_or(wish.expires_s).min(wish.expires_s).max(floor);
        Ok(Some(Self { interval_s, changed: proposed != Some(interval_s), min_s, supported }))
    }

    /// What the response may need, seconds (§8.2): the interval, if the caller can do the refreshing.
    pub fn remembered_s(&self) -> Option<u32> {
        self.supported.then_some(self.interval_s)
    }

    /// Writes it into the copy. A `refresher` parameter stays as it is.
    pub(crate) fn edit(&self, splice: &mut Splice<'_, '_>, message: &Message<'_>) {
        if let Some(min_s) = self.min_s {
            set_number(splice, message, Name::MinSe, min_s);
        }
        if self.changed {
            set_number(splice, message, Name::SessionExpires, self.interval_s);
        }
    }
}

/// Puts a number in the place of the one at the front of a header's value, or adds the header.
fn set_number(splice: &mut Splice<'_, '_>, message: &Message<'_>, name: Name, seconds: u32) {
    let Some(line) = message.line(name) else {
        return splice.push_back(name, |out| write_number(seconds, out));
    };
    let digits = message.line_value(line).iter().take_while(|c| c.is_ascii_digit()).count();
    let start = line.value().start;
    splice.replace(start..start + digits, |out| write_number(seconds, out));
}

/// Whether the callee's 2xx leaves the session timer to the first proxy that knows of it, which is the next to see the
/// response (§8.2).
pub fn is_missing(response: &Message<'_>) -> bool {
    matches!(response.status(), Some(200..=299)) && !response.has(Name::SessionExpires)
}

/// The value that is missing then: the caller refreshes.
pub fn write_answer(interval_s: u32, out: &mut Vec<u8>) {
    write_number(interval_s, out);
    out.extend_from_slice(b";refresher=uac");
}

/// Writes it into the response, with `Require: timer`.
pub fn answer(splice: &mut Splice<'_, '_>, response: &Message<'_>, interval_s: u32) {
    splice.push_back(Name::SessionExpires, |out| write_answer(interval_s, out));
    if !response.option_tags(Name::Require).has(TIMER) {
        splice.push_back(Name::Require, |out| out.extend_from_slice(TIMER));
    }
}

fn write_number(n: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

#[cfg(test)]
mod tests {
    use offhook_sip::Scratch;

    use super::*;

    const WISH: Wish = Wish { expires_s: 1800, min_s: 120 };

    fn message(headers: &str) -> Vec<u8> {
        format!("INVITE sip:bob@b SIP/2.0\r\n{headers}\r\n").into_bytes()
    }

    /// The headers of the copy that say something about sessions, or the refusal's status.
    fn passes(headers: &str) -> Result<String, u16> {
        let bytes = message(headers);
        let message = Message::parse(&bytes).expect("a message");
        let demand = Demand::of(WISH, Method::Invite, &message).map_err(|refusal| refusal.status())?;
        let mut scratch = Scratch::default();
        let mut splice = Splice::new(&message, &mut scratch);
        demand.inspect(|demand| demand.edit(&mut splice, &message));
        let mut out = Vec::new();
        splice.write_to(&mut out);
        let text = String::from_utf8(out).expect("ASCII");
        Ok(text
            .lines()
            .filter(|l| l.contains("Se") || l.contains("SE") || l.starts_with('x'))
            .collect::<Vec<_>>()
            .join("|"))
    }

    /// RFC 4028 §8.1: what a proxy inserts, lowers and raises, and what it leaves alone.
    #[test]
    fn requests() {
        for (came, goes) in [
            ("", "Session-Expires: 1800"),
            ("Supported: timer\r\n", "Session-Expires: 1800"),
            ("Min-SE: 3600\r\n", "Min-SE: 3600|Session-Expires: 3600"),
            ("Session-Expires: 600\r\n", "Session-Expires: 600"),
            ("x: 7200;refresher=uas\r\n", "x: 1800;refresher=uas"),
            ("k: timer\r\nx: 7200\r\nMin-SE: 2000\r\n", "x: 2000|Min-SE: 2000"),
            // Without support a refusal would be the end of the call.
            ("Session-Expires: 30\r\n", "Session-Expires: 120|Min-SE: 120"),
            ("Session-Expires: 100\r\nMin-SE: 100\r\n", "Session-Expires: 120|Min-SE: 120"),
            ("Session-Expires: 100\r\nMin-SE: 300\r\n", "Session-Expires: 300|Min-SE: 300"),
            // Whoever proposed less than his own Min-SE is corrected.
            (
                "Supported: timer\r\nSession-Expires: 130\r\nMin-SE: 200\r\n",
                "Session-Expires: 200|Min-SE: 200",
            ),
            ("Session-Expires: soon\r\n", "Session-Expires: soon"),
            ("Session-Expires: 4294967296\r\n", "Session-Expires: 1800"),
        ] {
            assert_eq!(passes(came).as_deref(), Ok(goes), "{came}");
        }
    }

    /// RFC 4028 §8.1, RFC 4028 §6: who can do better is told so.
    #[test]
    fn too_short() {
        assert_eq!(passes("Supported: 100rel, timer\r\nSession-Expires: 119\r\n"), Err(422));
        assert_eq!(
            passes("Supported: timer\r\nSession-Expires: 120\r\n").as_deref(),
            Ok("Session-Expires: 120")
        );
    }

    /// RFC 4028 §8.1: what is remembered is the interval of who can refresh.
    #[test]
    fn what_is_remembered() {
        let remembered = |method, headers| {
            let bytes = message(headers);
            let demand = Demand::of(WISH, method, &Message::parse(&bytes).expect("a message"));
            demand.expect("no refusal").and_then(|demand| demand.remembered_s())
        };
        assert_eq!(remembered(Method::Invite, "Supported: timer\r\n"), Some(1800));
        assert_eq!(remembered(Method::Update, "Supported: timer\r\nSession-Expires: 600\r\n"), Some(600));
        assert_eq!(remembered(Method::Invite, "Session-Expires: 600\r\n"), None);
        assert_eq!(remembered(Method::Message, "Supported: timer\r\n"), None);
    }

    /// RFC 4028 §8.2: the first proxy that knows of the timer answers for a callee that does not.
    #[test]
    fn responses() {
        let answered = |text: &str| {
            let text = text.replace('\n', "\r\n") + "\r\n";
            let message = Message::parse(text.as_bytes()).expect("a response");
            if !is_missing(&message) {
                return None;
            }
            let mut scratch = Scratch::default();
            let mut splice = Splice::new(&message, &mut scratch);
            answer(&mut splice, &message, 600);
            let mut out = Vec::new();
            splice.write_to(&mut out);
            Some(String::from_utf8(out).expect("ASCII").replace("\r\n", "\n"))
        };
        assert_eq!(
            answered("SIP/2.0 200 OK\nRequire: 100rel\n").as_deref(),
            Some("SIP/2.0 200 OK\nRequire: 100rel\nSession-Expires: 600;refresher=uac\nRequire: timer\n\n")
        );
        assert_eq!(
            answered("SIP/2.0 202 OK\nRequire: timer\n").as_deref(),
            Some("SIP/2.0 202 OK\nRequire: timer\nSession-Expires: 600;refresher=uac\n\n")
        );
        assert_eq!(answered("SIP/2.0 200 OK\nx: 90;refresher=uas\n"), None);
        assert_eq!(answered("SIP/2.0 486 Busy\n"), None);
    }
}
