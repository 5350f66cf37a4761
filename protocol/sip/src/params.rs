//! Parameters: `;name=value` lists of URIs and headers (RFC 3261 §7.3.1, §19.1.1, §25.1).

use crate::chars::{bare_value_len, is_lws, param_mark, same_in_any_case, token_len, trim, trim_start};

/// Walks over `;name=value;name…`. Values may be quoted strings; whitespace around the separators is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Params<'a> {
    rest: &'a [u8],
}

/// One parameter, borrowed from the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    /// The name as written.
    pub name: &'a [u8],
    /// The value as written, quotes included; `None` for a flag.
    pub value: Option<&'a [u8]>,
    /// From the first byte of the name to the last of the value.
    pub whole: &'a [u8],
}

impl<'a> Param<'a> {
    /// Whether this is its name, in any case of letters.
    #[inline(always)]
    pub fn is(&self, name: &[u8]) -> bool {
        same_in_any_case(self.name, name)
    }

    /// The value, unquoted but with its escapes; `None` for a flag.
    pub fn text(&self) -> Option<&'a [u8]> {
        self.value.map(unquote)
    }
}

impl<'a> Params<'a> {
    /// Over text that begins at the first semicolon, or before it with whitespace, or is empty.
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// The parameters as text, from the semicolon of the next one on.
    pub fn text(self) -> &'a [u8] {
        self.rest
    }

    /// The parameter of this name, in any case of letters.
    pub fn find(self, name: &[u8]) -> Option<Param<'a>> {
        let mut all = self;
        Iterator::find(&mut all, |p| p.is(name))
    }

    /// The value of the parameter of this name, unquoted but with its escapes.
    pub fn value(self, name: &[u8]) -> Option<&'a [u8]> {
        self.find(name)?.text()
    }

    /// The parameters of these names, of each the first, in one walk.
    pub fn pick<const N: usize>(self, names: [&[u8]; N]) -> [Option<Param<'a>>; N] {
        let mut picked = [None; N];
        for param in self {
            if let Some(i) = names.iter().position(|name| param.is(name)) {
                picked[i].get_or_insert(param);
            }
        }
        picked
    }

    /// Whether the parameter is there.
    pub fn has(self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    /// Whether the whole text is header parameters by the grammar: every semicolon followed by a token, the value
    /// behind an equals sign a closed quoted string or free of separators that would end it for other readers. An
    /// empty value is taken, since it harms nobody and some devices send it.
    pub fn are_legal(self) -> bool {
        self.each_if_legal(|_| {})
    }

    /// Shows every parameter, and says whether all are legal: one walk for those who need both.
    #[inline]
    pub(crate) fn each_if_legal(self, mut see: impl FnMut(Param<'a>)) -> bool {
        let mut rest = trim_start(self.rest);
        while let Some(param) = rest.strip_prefix(b";") {
            let Some((param, behind)) = first_param(trim_start(param)) else { return false };
            see(param);
            rest = trim_start(behind);
        }
        rest.is_empty()
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = Param<'a>;

    fn next(&mut self) -> Option<Param<'a>> {
        loop {
            let start = self.rest.iter().position(|&c| c != b';' && !is_lws(c))?;
            let text = &self.rest[start..];
            // Names are short.
            let name_len = text.iter().take_while(|c| !matches!(c, b'=' | b';' | b'"')).count();
            let end = name_len + end_of_param(&text[name_len..]);
            self.rest = &text[end..];
            let whole = trim(&text[..end]);
            let (name, value) = match text.get(name_len) {
                Some(b'=' | b'"') => halves(whole, b'='),
                _ => (whole, None),
            };
            if !name.is_empty() {
                return Some(Param { name, value, whole });
            }
        }
    }
}

/// The parameter at the front and what stands behind it; `None` if it is not legal.
#[inline(never)] // as with every caller's own values in registers the loop over the name takes twice as long
fn first_param(text: &[u8]) -> Option<(Param<'_>, &[u8])> {
    let name_len = token_len(text);
    if name_len == 0 {
        return None;
    }
    let (name, rest) = text.split_at(name_len);
    let Some(value) = trim_start(rest).strip_prefix(b"=") else {
        return Some((Param { name, value: None, whole: name }, rest));
    };
    let value = trim_start(value);
    let value_len = match value.first() {
        Some(b'"') => quoted_end(value, 0)?,
        _ => bare_value_len(value),
    };
    let (value, rest) = value.split_at(value_len);
    Some((Param { name, value: Some(value), whole: &text[..text.len() - rest.len()] }, rest))
}

/// What stands before the first of these characters, and behind it if there is one.
fn halves(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&c| c == mark) {
        Some(at) => (trim(&text[..at]), Some(trim(&text[at + 1..]))),
        None => (text, None),
    }
}

/// The text of a quoted string without its quotes; other text as it is.
pub(crate) fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

/// The next semicolon that is not inside a quoted string.
fn end_of_param(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(mark) = text.get(at..).and_then(param_mark) {
        at += mark;
        if text[at] == b';' {
            return at;
        }
        at = quoted_end(text, at).unwrap_or(text.len());
    }
    text.len()
}

/// Behind the closing quote of the quoted string that begins at `at`; `None` if it is never closed.
pub(crate) fn quoted_end(text: &[u8], at: usize) -> Option<usize> {
    let mut i = at + 1;
    loop {
        match text.get(i)? {
            b'\\' => i += 2,
            b'"' => return Some(i + 1),
            _ => i += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_and_values(text: &str) -> Vec<(&str, Option<&str>)> {
        let str = |b| std::str::from_utf8(b).expect("ASCII");
        Params::new(text.as_bytes()).map(|p| (str(p.name), p.value.map(str))).collect()
    }

    /// RFC 3261 §7.3.1 and §25.1 (`generic-param`).
    #[test]
    fn forms_of_parameters() {
        let text = " ;a ; b=1;c = \"x;\\\"y\" ;\r\n d=[2001:db8::1]";
        assert_eq!(
            names_and_values(text),
            [("a", None), ("b", Some("1")), ("c", Some("\"x;\\\"y\"")), ("d", Some("[2001:db8::1]"))]
        );
        assert!(Params::new(text.as_bytes()).are_legal());
        assert_eq!(Params::new(text.as_bytes()).value(b"C"), Some(&b"x;\\\"y"[..]));
    }

    #[test]
    fn what_is_not_legal() {
        for text in
            ["x", ";", ";;a", ";a;", ";a b", ";=1", ";a=\"x", ";a=\"x\\\"", ";a=\"x\"y", ";a=1,b", ";a=<b>"]
        {
            assert!(!Params::new(text.as_bytes()).are_legal(), "{text}");
        }
        for text in ["", "  ", ";a=", ";a=;b"] {
            assert!(Params::new(text.as_bytes()).are_legal(), "{text}");
        }
    }
}
