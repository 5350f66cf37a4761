//! Lines of comma-separated values: RFC 4180, but a line is a line.
//!
//! A quoted field may hold commas and doubled quotes, no line ends: no name or password has one, and an error can
//! name the line that an editor shows.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use crate::{ImportError, LineFault};

/// Longest line in bytes, without its end. Names and password at their longest, all quoted, have under 1200.
pub const LINE_LEN_MAX: usize = 4096;

/// What spreadsheets put before UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A file read line by line.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    /// Of the current line, from 1.
    pub(crate) number: u64,
    /// Read so far.
    pub(crate) bytes: u64,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(1 << 16, reader), line: Vec::new(), number: 0, bytes: 0 }
    }

    /// The next line without its end, or the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<&str>, ImportError> {
        self.line.clear();
        self.number += 1;
        // Two for the end of the line, one to see that it is too long.
        let read = (&mut self.reader).take(LINE_LEN_MAX as u64 + 3).read_until(b'\n', &mut self.line)?;
        self.bytes += read as u64;
        if read == 0 {
            return Ok(None);
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let fault = |fault| ImportError::Line { line: self.number, fault };
        if line.len() > LINE_LEN_MAX {
            return Err(fault(LineFault::TooLong));
        }
        let text = std::str::from_utf8(line).map_err(|_| fault(LineFault::Text))?;
        let mark = if self.number == 1 { BYTE_ORDER_MARK } else { "" };
        Ok(Some(text.strip_prefix(mark).unwrap_or(text)))
    }
}

/// The fields of a line.
pub(crate) fn fields(line: &str) -> Result<Vec<Cow<'_, str>>, LineFault> {
    let mut fields = Vec::with_capacity(4);
    let mut rest = Some(line);
    while let Some(text) = rest {
        let (field, after) = match text.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => match text.split_once(',') {
                Some((field, after)) => (Cow::Borrowed(field), Some(after)),
                None => (Cow::Borrowed(text), None),
            },
        };
        fields.push(field);
        rest = after;
    }
    Ok(fields)
}

/// A field whose opening quote has been read, and what follows its comma.
fn quoted_field(text: &str) -> Result<(Cow<'_, str>, Option<&str>), LineFault> {
    let mut end = 0;
    loop {
        end += text.get(end..).and_then(|rest| rest.find('"')).ok_or(LineFault::Quote)?;
        let after = text.get(end + 1..).unwrap_or_default();
        if !after.starts_with('"') {
            let field = text.get(..end).unwrap_or_default();
            let field = if field.contains('"') {
                Cow::Owned(field.replace("\"\"", "\""))
            } else {
                Cow::Borrowed(field)
            };
            return match after.strip_prefix(',') {
                Some(next) => Ok((field, Some(next))),
                None if after.is_empty() => Ok((field, None)),
                None => Err(LineFault::Quote),
            };
        }
        end += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_plain_and_quoted() {
        for (line, wanted) in [
            ("a,b,c", vec!["a", "b", "c"]),
            ("a,,", vec!["a", "", ""]),
            ("", vec![""]),
            (r#""a,b","say ""hi""","""#, vec!["a,b", "say \"hi\"", ""]),
            (r#""a"""#, vec!["!"]),
            (r#""a,b","say ""hi""","""""#, vec!["a,b", "say \"hi\"", "\""]),
            (r#"a"b,"","x""#, vec!["a\"b", "", "x"]),
            (r#""a"b,c"#, vec!["!"]),
            (r#"a,"b"#, vec!["!"]),
            ("é,\"ü\"", vec!["é", "ü"]),
        ] {
            let found = fields(line).map(|fields| fields.into_iter().map(Cow::into_owned).collect());
            assert_eq!(found.unwrap_or_else(|_| vec!["!".to_owned()]), wanted, "{line}");
        }
    }

    #[test]
    fn lines_with_any_end() {
        let mut lines = Lines::new(b"\xef\xbb\xbfa\r\nb\n\nlast".as_slice());
        for wanted in [Some("a"), Some("b"), Some(""), Some("last"), None] {
            assert_eq!(lines.next().expect("text"), wanted);
        }
        assert_eq!(lines.bytes, 13);
    }

    #[test]
    fn a_line_without_end_is_not_read_into_memory() {
        let mut lines = Lines::new(std::io::repeat(b'x'));
        assert!(matches!(lines.next(), Err(ImportError::Line { line: 1, fault: LineFault::TooLong })));
        assert!(lines.bytes < 5000);
        let longest = vec![b'x'; LINE_LEN_MAX];
        let file = [&longest[..], b"\r\n", &longest[..], b"y\n"].concat();
        let mut lines = Lines::new(file.as_slice());
        assert!(lines.next().is_ok());
        assert!(lines.next().is_err());
    }
}
