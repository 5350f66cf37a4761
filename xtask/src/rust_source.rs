//! As much of Rust's grammar as the rules need: what is code, what is a test, which names it uses, how long its
//! functions are.
//!
//! Works by blanking: comments, string and character literals become spaces, so that offsets and lines stay those
//! of the file and a word in a comment is not mistaken for code.

/// The code of one Rust file, as long as the file itself.
pub(crate) struct RustSource {
    code: String,
}

/// A name or path as the code uses it, imports written out: `use std::{fs, io}` gives `std::fs` and `std::io`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) path: String,
    pub(crate) offset: usize,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) offset: usize,
    /// From the line of `fn` to that of the closing brace, both counted.
    pub(crate) lines: usize,
}

impl RustSource {
    pub(crate) fn new(text: &str) -> Self {
        let mut code = text.as_bytes().to_vec();
        let mut at = 0;
        while at < code.len() {
            let before = at.checked_sub(1).map(|i| text.as_bytes()[i]);
            match opaque_length(&text.as_bytes()[at..], before) {
                Some(length) => {
                    blank(&mut code, at, at + length);
                    at += length;
                }
                None => at += 1,
            }
        }
        Self { code: String::from_utf8_lossy(&code).into_owned() }
    }

    /// The same with every `#[cfg(test)]` item blanked.
    pub(crate) fn without_tests(self) -> Self {
        let mut code = self.code.clone().into_bytes();
        for (at, _) in self.code.match_indices("#[cfg(test)]") {
            blank(&mut code, at, item_end(&self.code, at));
        }
        Self { code: String::from_utf8_lossy(&code).into_owned() }
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// Every name and path in the order of the file.
    pub(crate) fn names(&self) -> Vec<Name> {
        let mut names = Vec::new();
        // One entry for each open brace: the path before `::{`, or nothing for an ordinary brace.
        let mut prefixes: Vec<String> = Vec::new();
        let mut at = 0;
        while let Some(&byte) = self.code.as_bytes().get(at) {
            at += match byte {
                b'{' => {
                    prefixes.push(String::new());
                    1
                }
                b'}' => {
                    prefixes.pop();
                    1
                }
                _ if starts_word(byte) => {
                    let (path, length) = path_at(&self.code[at..]);
                    let prefix = prefixes.last().map_or("", String::as_str);
                    let whole = format!("{prefix}{path}");
                    if let Some(opened) = whole.strip_suffix("{") {
                        prefixes.push(opened.into());
                    } else {
                        names.push(Name { path: whole, offset: at });
                    }
                    length
                }
                _ => 1,
            };
        }
        names
    }

    /// Every function that has a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let names = self.names();
        let keywords = names.windows(2).filter(|pair| pair[0].path == "fn");
        keywords.filter_map(|pair| self.function(pair[0].offset, &pair[1])).collect()
    }

    fn function(&self, offset: usize, name: &Name) -> Option<Function> {
        // `fn(u8)` is a type: what follows the keyword is not a name.
        if !self.code[offset + 2..name.offset].chars().all(char::is_whitespace) {
            return None;
        }
        let text = self.code[offset..item_end(&self.code, offset)].trim_end();
        text.ends_with('}').then(|| Function { name: name.path.clone(), offset, lines: text.lines().count() })
    }
}

/// How many bytes of comment or literal begin here, if any do. `before` is the byte in front.
fn opaque_length(rest: &[u8], before: Option<u8>) -> Option<usize> {
    match rest {
        [b'/', b'/', ..] => Some(find(rest, b"\n", 0)),
        [b'/', b'*', ..] => Some(block_comment_length(rest)),
        [b'"', ..] => Some(string_length(rest)),
        [b'\'', ..] => char_length(rest),
        [b'r', ..] if before.is_none_or(|byte| !is_word(byte) || matches!(byte, b'b' | b'c')) => {
            raw_length(rest)
        }
        _ => None,
    }
}

fn block_comment_length(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character literal, as against a lifetime: `'a'`, `'\n'`, `'é'`, not `'a`.
fn char_length(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some((find(rest, b"'", 3) + 1).min(rest.len()));
    }
    let width = std::str::from_utf8(&rest[1..rest.len().min(5)])
        .map_or_else(|error| error.valid_up_to(), str::len)
        .min(4);
    let first = String::from_utf8_lossy(&rest[1..=width]).chars().next()?;
    let close = 1 + first.len_utf8();
    (rest.get(close) == Some(&b'\'')).then_some(close + 1)
}

/// A raw string from its `r` on, as against a raw identifier: `r"…"`, `r#"…"#`, not `r#type`.
fn raw_length(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    Some((find(rest, &close, 2 + hashes) + close.len()).min(rest.len()))
}

/// Where `what` is first found at or after `from`, or the end.
fn find(text: &[u8], what: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.windows(what.len()).position(|window| window == what).map_or(text.len(), |at| from + at)
}

fn blank(code: &mut [u8], from: usize, to: usize) {
    for byte in code.iter_mut().take(to).skip(from).filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// Where the item that begins at `from` ends: past its closing brace, or past its `;`. Attributes, arguments and
/// array types may hold either in brackets.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The path that begins here and its length: `std::fs`; `std::net::*`; `std::{` where an import list opens.
fn path_at(code: &str) -> (String, usize) {
    let mut length = word_length(code);
    let mut path = code[..length].to_owned();
    while let Some(rest) = code[length..].strip_prefix("::") {
        path.push_str("::");
        length += 2;
        let word = word_length(rest);
        if word > 0 {
            path.push_str(&rest[..word]);
            length += word;
            continue;
        }
        if rest.starts_with(['{', '*']) {
            path.push_str(&rest[..1]);
            return (path, length + 1);
        }
        path.truncate(path.len() - 2);
        break;
    }
    (path, length)
}

fn word_length(text: &str) -> usize {
    text.bytes().take_while(|&byte| is_word(byte)).count()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn starts_word(byte: u8) -> bool {
    is_word(byte) && !byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        RustSource::new(text).names().into_iter().map(|name| name.path).collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "a // b\n/* c /* d */ e */ f \"g \\\" h\" r#\"i\" j\"# 'k' '\\'' b'l' '\u{e9}' m<'n>";
        assert_eq!(names(text), ["a", "f", "b", "m", "n"]);
        assert_eq!(RustSource::new(text).code().len(), text.len());
    }

    #[test]
    fn raw_identifiers_are_code() {
        assert_eq!(names("r#type for_r"), ["r", "type", "for_r"]);
    }

    #[test]
    fn import_lists_are_written_out() {
        let text = "use std::{fs, io::{self, Read}, net::*}; fn f() { x::<u8>(std::env::args()) }";
        let expected = "use std::fs std::io::self std::io::Read std::net::* fn f x u8 std::env::args";
        assert_eq!(names(text).join(" "), expected);
    }

    #[test]
    fn test_items_are_left_out() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c(); } }\n#[cfg(test)] use d;\nfn e(f: [u8; 4]) {}";
        let source = RustSource::new(text).without_tests();
        assert_eq!(source.names().iter().map(|name| name.path.as_str()).collect::<String>(), "fnafnefu8");
    }

    #[test]
    fn functions_have_a_length() {
        let text =
            "trait T { fn none(&self) -> [u8; 2]; }\nfn two(f: fn(u8) -> u8) {\n}\nfn one() { if x { y } }";
        let functions = RustSource::new(text).functions();
        let found: Vec<_> = functions.iter().map(|found| (found.name.as_str(), found.lines)).collect();
        assert_eq!(found, [("two", 2), ("one", 1)]);
    }
}
