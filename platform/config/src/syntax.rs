//! What is no TOML, in better words than "expected literal string" where the slip is the usual one: a value
//! without its quotes, or no value at all.

use crate::error::Cause;

/// Why the text is not TOML at this byte offset; `message` is the parser's own sentence.
pub(crate) fn explain(text: &str, offset: usize, message: &str) -> Cause {
    let (before, after) = text.split_at_checked(offset.min(text.len())).unwrap_or((text, ""));
    let line_start = before.rsplit('\n').next().unwrap_or_default();
    let line_rest = after.split(['\n', '#']).next().unwrap_or_default();
    let word_start =
        line_start.rfind(|c: char| c.is_whitespace() || "=[{,".contains(c)).map_or(0, |at| at + 1);
    let (lead, word) = line_start.split_at_checked(word_start).unwrap_or((line_start, ""));
    let word_rest = line_rest.split([' ', '\t', '\r', ',', ']', '}']).next().unwrap_or_default();
    let word = format!("{word}{word_rest}");
    if !lead.contains('=') || !lead.trim_end().ends_with(['=', '[', ',']) {
        Cause::Syntax(message.to_owned())
    } else if word.is_empty() && line_rest.trim().is_empty() {
        Cause::NoValue
    } else if word.starts_with(|c: char| c.is_alphanumeric()) && word.parse::<f64>().is_err() {
        Cause::NoQuotes { word }
    } else {
        Cause::Syntax(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, offset: usize, expected: &str) {
        let text = format!("[log]\n{line}\n[engine]\n");
        assert_eq!(explain(&text, 6 + offset, "as the parser said").to_string(), expected);
    }

    #[test]
    fn forgotten_quotes_are_called_that() {
        check("level = info # x", 8, "info is neither a number nor true or false; a string stands in quotes");
        check(
            "address = 127.0.0.1:5060",
            19,
            "127.0.0.1:5060 is neither a number nor true or false; a string stands in quotes",
        );
        check(
            "domains = [example.org]",
            11,
            "example.org is neither a number nor true or false; a string stands in quotes",
        );
    }

    #[test]
    fn a_missing_value_is_called_that() {
        check("shards =", 8, "a value is missing");
        check("shards = # later", 9, "a value is missing");
    }

    #[test]
    fn the_parser_has_its_word_on_the_rest() {
        check("level = \"info", 13, "as the parser said");
        check("level info", 6, "as the parser said");
        check("shards = 01", 9, "as the parser said");
        check("", 9_000, "as the parser said");
    }
}
