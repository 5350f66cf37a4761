//! The text of a ladder becomes lines. Nothing here knows SIP beyond the words of a first line.

use offhook_net::IcmpError;
use offhook_sip::Transport;

use crate::failure::Problem;
use crate::notation::{Kind, Line, Options, Quote, Step, What, When};

/// Methods that may stand after a status; any word in capitals may stand before a target.
const METHODS: [&str; 14] = [
    "ACK",
    "BYE",
    "CANCEL",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
];

/// Reads a whole ladder; on failure also the number of the bad line.
pub(crate) fn read(text: &str) -> Result<Vec<Line>, (usize, Problem)> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, source) in text.lines().enumerate() {
        let (number, trimmed) = (index + 1, source.trim());
        if trimmed.is_empty() || trimmed.starts_with("//") {
            continue;
        }
        if is_quote(trimmed) {
            let last = lines.last_mut().ok_or_else(|| bad(number, "there is no message above it"))?;
            add_quote(last, trimmed).map_err(|why| bad(number, why))?;
            last.source.push(source.trim_end().to_owned());
            continue;
        }
        let (when, kind) = read_line(trimmed).map_err(|why| bad(number, &why))?;
        lines.push(Line { number, source: vec![source.trim_end().to_owned()], when, kind });
    }
    Ok(lines)
}

fn bad(number: usize, why: &str) -> (usize, Problem) {
    (number, Problem::Notation(why.to_owned()))
}

fn is_quote(line: &str) -> bool {
    let name_len = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(line.len());
    line.starts_with(['!', '|']) || (name_len > 0 && line[name_len..].starts_with(':'))
}

fn add_quote(line: &mut Line, text: &str) -> Result<(), &'static str> {
    let Kind::Step(step) = &mut line.kind else { return Err("only messages have headers") };
    if let Some(body_line) = text.strip_prefix('|') {
        let body = step.body.get_or_insert_default();
        body.extend_from_slice(body_line.strip_prefix(' ').unwrap_or(body_line).as_bytes());
        body.extend_from_slice(b"\r\n");
        return Ok(());
    }
    let quote = match (text.strip_prefix('!'), text.split_once(':')) {
        (Some(name), _) => Quote { name: name.trim().to_owned(), value: None },
        (None, Some((name, value))) => Quote { name: name.to_owned(), value: Some(value.trim().to_owned()) },
        (None, None) => return Err("neither `Header: value` nor `!Header`"),
    };
    step.quotes.push(quote);
    Ok(())
}

fn read_line(line: &str) -> Result<(When, Kind), String> {
    if let Some(premise) = line.strip_prefix("given ") {
        return Ok((When::Same, read_given(premise)?));
    }
    let (when, rest) = match line.split_once(char::is_whitespace).unwrap_or((line, "")) {
        (margin, rest) if margin.starts_with(['+', '@']) => (read_when(margin)?, rest.trim()),
        _ => (When::Same, line),
    };
    if rest.is_empty() {
        return Ok((when, Kind::Silence));
    }
    let (left, rest) = next_word(rest);
    let (arrow, rest) = next_word(rest);
    let (right, rest) = next_word(rest);
    let (forward, lost) = match arrow {
        "->" => (true, false),
        "x->" | "->x" => (true, true),
        "<-" => (false, false),
        "<-x" | "x<-" => (false, true),
        _ => return Err(format!("`{arrow}` is no arrow (->, <-, x->, <-x)")),
    };
    let ((left, left_transport), (right, right_transport)) = (read_name(left)?, read_name(right)?);
    let (from, to) = if forward { (left, right) } else { (right, left) };
    let transport = left_transport.or(right_transport);
    let step = read_step(rest)?;
    Ok((when, Kind::Step(Step { from, to, leftwards: !forward, transport, lost, ..step })))
}

fn read_given(premise: &str) -> Result<Kind, String> {
    let words: Vec<&str> = premise.split_whitespace().collect();
    let [phone, "is", "registered", rest @ ..] = &words[..] else {
        return Err("known premise: given PHONE is registered [as USER] [over TRANSPORT]".to_owned());
    };
    let (phone, (mut user, mut transport)) = (read_name(phone)?.0, (None, None));
    for pair in rest.chunks(2) {
        match pair {
            ["as", name] => user = Some((*name).to_owned()),
            ["over", name] => transport = Some(read_transport(name)?),
            other => return Err(format!("`{}` is neither `as USER` nor `over TRANSPORT`", other.join(" "))),
        }
    }
    Ok(Kind::Registered { phone, user, transport })
}

/// `+500ms`, `@32s`, `+480ms..550ms`.
fn read_when(margin: &str) -> Result<When, String> {
    let (from, to) = margin[1..].split_once("..").unwrap_or((&margin[1..], &margin[1..]));
    let (from_ms, to_ms) = (read_ms(from)?, read_ms(to)?);
    Ok(if margin.starts_with('+') { When::After(from_ms, to_ms) } else { When::At(from_ms, to_ms) })
}

fn read_ms(text: &str) -> Result<u64, String> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "ms" => 1.0,
        "s" => 1000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return Err(format!("`{text}` is no time (500ms, 1.5s, 3min, 1h)")),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is no time (500ms, 1.5s, 3min, 1h)"))?;
    Ok((number * factor).round() as u64)
}

fn read_name(word: &str) -> Result<(String, Option<Transport>), String> {
    let (name, transport) = word.split_once('/').map_or((word, None), |(name, t)| (name, Some(t)));
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(good) {
        return Err(format!("`{word}` is no name (small letters, digits, - and _)"));
    }
    Ok((name.to_owned(), transport.map(read_transport).transpose()?))
}

fn read_transport(name: &str) -> Result<Transport, String> {
    Transport::from_name(name.as_bytes()).ok_or_else(|| format!("`{name}` is no transport"))
}

fn read_step(text: &str) -> Result<Step, String> {
    if let Some(raw) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return Ok(Step::new(What::Raw(unescape(raw)?)));
    }
    let (text, options) = match text.split_once(" (") {
        Some((before, options)) => (before, options.strip_suffix(')').ok_or("a bracket is not closed")?),
        None => (text, ""),
    };
    let (options, mut words) = (read_options(options)?, text.split_whitespace().collect::<Vec<&str>>());
    let mut call = 1;
    if let Some(at) = words.iter().position(|word| word.starts_with('#')) {
        let label = words.remove(at);
        call = label[1..].parse().map_err(|_| format!("`{label}` is no number of a call"))?;
    }
    Ok(Step { call, options, ..Step::new(read_what(&words)?) })
}

fn read_what(words: &[&str]) -> Result<What, String> {
    let capitals = |word: &str| word.chars().all(|c| c.is_ascii_uppercase());
    match words {
        ["close"] => Ok(What::Close),
        ["icmp", error @ ..] => {
            let name = error.join(" ");
            let known = IcmpError::ALL.into_iter().find(|known| known.name() == name);
            known.map(What::Icmp).ok_or_else(|| format!("`{name}` is no ICMP error"))
        }
        [status, rest @ ..] if status.parse::<u16>().is_ok_and(|s| (100..700).contains(&s)) => {
            let method = rest.first().filter(|word| METHODS.contains(word)).map(|word| (*word).to_owned());
            let reason = rest[usize::from(method.is_some())..].join(" ");
            let reason = (!reason.is_empty()).then_some(reason);
            Ok(What::Response { status: status.parse().unwrap_or(0), method, reason })
        }
        [method] if capitals(method) => Ok(What::Request { method: (*method).to_owned(), target: None }),
        [method, target] if capitals(method) => {
            Ok(What::Request { method: (*method).to_owned(), target: Some((*target).to_owned()) })
        }
        _ => Err(format!(
            "`{}` is neither METHOD [target], status, close, icmp nor \"bytes\"",
            words.join(" ")
        )),
    }
}

fn read_options(text: &str) -> Result<Options, String> {
    let mut options = Options::default();
    for option in text.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        match option.split_once(' ') {
            None if option == "auth" => options.auth = true,
            None if option == "again" => options.again = true,
            None if option == "outbound" => options.outbound = true,
            Some(("with", phone)) => options.with = Some(phone.trim().to_owned()),
            _ => return Err(format!("`{option}` is no option (auth, again, outbound, with PHONE)")),
        }
    }
    Ok(options)
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let (mut bytes, mut letters) = (Vec::new(), text.chars());
    while let Some(letter) = letters.next() {
        let escaped = if letter == '\\' { letters.next() } else { None };
        match (letter, escaped) {
            ('\\', Some('r')) => bytes.push(b'\r'),
            ('\\', Some('n')) => bytes.push(b'\n'),
            ('\\', Some('0')) => bytes.push(0),
            ('\\', Some(c @ ('\\' | '"'))) => bytes.push(c as u8),
            ('\\', _) => return Err("after \\ only r, n, 0, \\ and \" have a meaning".to_owned()),
            (letter, _) => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(bytes)
}

fn next_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> Step {
        match read(text).unwrap().remove(0).kind {
            Kind::Step(step) => step,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_with_everything() {
        let text = "+500ms  alice x-> proxy/tcp  INVITE bob #2 (auth, with desk)\n  Max-Forwards: 0\n  !Route\n  | v=0";
        let lines = read(text).unwrap();
        assert_eq!((lines.len(), lines[0].when), (1, When::After(500, 500)));
        let step = step(text);
        assert_eq!((step.from.as_str(), step.to.as_str(), step.call), ("alice", "proxy", 2));
        assert_eq!((step.transport, step.lost), (Some(Transport::Tcp), true));
        assert!(step.options.auth && step.options.with.as_deref() == Some("desk"));
        assert_eq!(step.quotes[0], Quote { name: "Max-Forwards".into(), value: Some("0".into()) });
        assert_eq!(step.quotes[1], Quote { name: "Route".into(), value: None });
        assert_eq!(step.body.as_deref(), Some(b"v=0\r\n".as_slice()));
    }

    #[test]
    fn arrows_say_who_sends() {
        assert_eq!(step("alice <- proxy 200").from, "proxy");
        assert_eq!(step("proxy -> bob 200").to, "bob");
        assert!(step("alice <-x proxy 200").lost);
    }

    #[test]
    fn what_may_stand_behind_a_status() {
        let response = |text: &str| match step(text).what {
            What::Response { status, method, reason } => (status, method, reason),
            other => panic!("{other:?}"),
        };
        assert_eq!(response("a -> b 200 OK"), (200, None, Some("OK".into())));
        assert_eq!(response("a -> b 200 CANCEL"), (200, Some("CANCEL".into()), None));
        let full = (487, Some("INVITE".into()), Some("Request Terminated".into()));
        assert_eq!(response("a -> b 487 INVITE Request Terminated"), full);
    }

    #[test]
    fn times() {
        let when = |text: &str| read(text).unwrap()[0].when;
        assert_eq!(when("@32s a -> b BYE"), When::At(32_000, 32_000));
        assert_eq!(when("+1.5s"), When::After(1500, 1500));
        assert_eq!(when("+480ms..550ms a -> b BYE"), When::After(480, 550));
        assert_eq!(when("@2min"), When::At(120_000, 120_000));
    }

    #[test]
    fn premises_comments_and_raw_bytes() {
        let lines =
            read("// a story\n\n given desk is registered as bob over tcp\n a -> b \"\\r\\n\"").unwrap();
        let registered = Kind::Registered {
            phone: "desk".into(),
            user: Some("bob".into()),
            transport: Some(Transport::Tcp),
        };
        assert_eq!((lines[0].number, &lines[0].kind), (3, &registered));
        let Kind::Step(raw) = &lines[1].kind else { panic!() };
        assert_eq!(raw.what, What::Raw(b"\r\n".to_vec()));
        assert_eq!(step("proxy <- a icmp port unreachable").what, What::Icmp(IcmpError::Port));
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, line) in [
            ("alice -> proxy", 1),
            ("alice - proxy BYE", 1),
            ("alice -> proxy INVITE bob (loudly)", 1),
            ("\nAlice -> proxy BYE", 2),
            ("+5 a -> b BYE", 1),
            ("a -> b BYE\n a -> b/morse BYE", 2),
            ("  To: x", 1),
            ("+5s\n  To: x", 2),
            ("given it rains", 1),
            ("a -> b INVITE bob now", 1),
            ("a -> b BYE #x", 1),
            ("a -> b icmp", 1),
            ("a -> b icmp source quench", 1),
        ] {
            assert_eq!(read(text).unwrap_err().0, line, "{text}");
        }
    }
}
