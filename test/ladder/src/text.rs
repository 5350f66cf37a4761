//! Just enough of SIP's grammar to read tags, branches and hosts out of header values.

/// The URI in a name-addr, or the whole of an addr-spec up to its header parameters: RFC 3261 §20.10.
pub(crate) fn uri_of(value: &str) -> &str {
    match (value.find('<'), value.rfind('>')) {
        (Some(from), Some(to)) if from < to => &value[from + 1..to],
        _ => value.split(';').next().unwrap_or_default().trim(),
    }
}

/// A parameter of a header value: `tag` of From and To, `branch` of Via. Parameters of a URI in `<>` are not seen.
pub(crate) fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let after = value.rfind('>').map_or(value, |at| &value[at..]);
    after.split(';').skip(1).find_map(|param| {
        let (key, value) = param.split_once('=').unwrap_or((param, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Host and port of a `sip:` or `sips:` URI.
pub(crate) fn host_port(uri: &str) -> Option<(&str, Option<u16>)> {
    let rest = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:"))?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    split_host_port(rest.split([';', '?']).next()?)
}

/// The sent-by of a Via value: RFC 3261 §18.1.1.
pub(crate) fn sent_by(via: &str) -> Option<(&str, Option<u16>)> {
    let after_transport = via.split_once(char::is_whitespace)?.1;
    split_host_port(after_transport.split(';').next()?.trim())
}

fn split_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return Some((host, rest.strip_prefix(':').and_then(|port| port.parse().ok())));
    }
    match text.split_once(':') {
        Some((host, port)) => Some((host, port.parse().ok())),
        None => Some((text, None)),
    }
}

/// Splits a list at the commas that are in neither quotes nor `<>`.
pub(crate) fn split_list(value: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut depth) = (Vec::new(), 0, false, 0);
    for (at, letter) in value.char_indices() {
        match letter {
            '"' if !value[..at].ends_with('\\') => quoted = !quoted,
            '<' if !quoted => depth += 1,
            '>' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(value[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_values() {
        let to = r#""B, <c>" <sip:bob@[2001:db8::1]:5070;tag=no?h=x>;tag=yes;a"#;
        assert_eq!(uri_of("<sip:a@b>;tag=1"), "sip:a@b");
        assert_eq!(uri_of("sip:a@b;tag=1"), "sip:a@b");
        assert_eq!((param(to, "TAG"), param(to, "a"), param(to, "b")), (Some("yes"), Some(""), None));
        assert_eq!(host_port("sip:bob@[2001:db8::1]:5070;lr"), Some(("2001:db8::1", Some(5070))));
        assert_eq!(host_port("sip:example.com?x=y"), Some(("example.com", None)));
        assert_eq!(host_port("tel:+49"), None);
        assert_eq!(sent_by("SIP/2.0/UDP 192.0.2.1:5060;branch=x"), Some(("192.0.2.1", Some(5060))));
        assert_eq!(split_list(r#"<sip:a,b>, "c,d" <sip:e>,f"#), ["<sip:a,b>", r#""c,d" <sip:e>"#, "f"]);
    }
}
