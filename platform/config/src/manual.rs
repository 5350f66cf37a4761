//! The reference page and the sample file, both made from the tables of keys.

use std::fmt::Write;

use crate::config::Config;
use crate::table::{Key, Kind, Section};

const INTRODUCTION: &str = "\
<!-- Made from platform/config/src by its test `the_page_is_what_the_code_says`; UPDATE=1 writes it anew. -->
# Configuration

One TOML file. Every key is optional; what is not written has the default below. A key that is not known, a value of
a wrong type and settings that contradict each other are refused at start, all at once, each with its line:

```text
offhook.toml:12:3: unknown key \"transprot\" in [[listen]]; did you mean \"transport\"?
```

`offhook check` says the same without starting. Units stand at the end of a name: `_s` seconds, `_ms` milliseconds.
";

/// The reference of all keys, as Markdown.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## The top level\n");
    describe_top_level(&mut page);
    for (key, section, is_list) in tables() {
        let heading = if is_list { format!("[[{}]]", key.name) } else { format!("[{}]", key.name) };
        let _ = write!(page, "\n## `{heading}`\n");
        describe_section(&mut page, section);
    }
    let _ = write!(page, "\n## A file to start from\n\n```toml\n{}```\n", sample());
    page
}

/// A file with every key in it, each commented out and at its default.
pub fn sample() -> String {
    let mut file =
        "# Offhook's configuration. Every key is optional; each stands here with its default.\n".to_owned();
    for key in Config::SECTION.keys.iter().filter(|key| table_of(key).is_none()) {
        sample_key(&mut file, key);
    }
    for (key, section, is_list) in tables() {
        let (open, close) = if is_list { ("#[[", "]]") } else { ("[", "]") };
        let _ = write!(file, "\n{}{open}{}{close}\n", commented(section.about), key.name);
        section.keys.iter().for_each(|key| sample_key(&mut file, key));
    }
    file
}

/// The tables of the top level and whether each is a list of tables.
fn tables() -> impl Iterator<Item = (&'static Key, &'static Section, bool)> {
    Config::SECTION
        .keys
        .iter()
        .filter_map(|key| table_of(key).map(|(section, is_list)| (key, section, is_list)))
}

fn table_of(key: &Key) -> Option<(&'static Section, bool)> {
    match key.kind {
        Kind::Table(section) => Some((section, false)),
        Kind::List(Kind::Table(section)) => Some((section, true)),
        _ => None,
    }
}

/// Tables of the top level have headings of their own; lists of tables are introduced here all the same, for their
/// defaults.
fn describe_top_level(page: &mut String) {
    let _ = write!(page, "\n{}", paragraphs(Config::SECTION.about));
    let keys = Config::SECTION.keys.iter().filter(|key| !matches!(key.kind, Kind::Table(_)));
    keys.for_each(|key| describe_key(page, key));
}

fn describe_section(page: &mut String, section: &Section) {
    let _ = write!(page, "\n{}", paragraphs(section.about));
    for key in section.keys {
        describe_key(page, key);
        if let Kind::Table(inner) | Kind::List(&Kind::Table(inner)) = key.kind {
            inner.keys.iter().for_each(|inner| describe_inner_key(page, inner));
        }
    }
}

fn describe_key(page: &mut String, key: &Key) {
    let _ = write!(page, "\n### `{}`\n\n{}.", key.name, capitalised(&kind_in_words(key)));
    match (key.default)().as_deref() {
        None => page.push_str(" Must be given.\n"),
        Some("") => page.push_str(" Default: not set.\n"),
        Some("[]") => page.push_str(" Default: none.\n"),
        Some(value) if value.starts_with("[{") => {
            let lines = value.replace("[{", "[\n    {").replace("}, {", "},\n    {").replace("}]", "},\n]");
            let _ = write!(page, " Default:\n\n```toml\n{} = {lines}\n```\n", key.name);
        }
        Some(value) => {
            let _ = writeln!(page, " Default: `{value}`.");
        }
    }
    let _ = write!(page, "\n{}", paragraphs(key.docs));
    if !key.why.is_empty() {
        let _ = write!(page, "\n*Why this default:* {}.\n", key.why);
    }
}

fn describe_inner_key(page: &mut String, key: &Key) {
    let docs = paragraphs(key.docs).trim_end().replace('\n', "\n  ");
    let _ = write!(page, "\n- `{}`, {}. {docs}\n", key.name, kind_in_words(key));
}

fn kind_in_words(key: &Key) -> String {
    fn words(kind: &Kind) -> String {
        match kind {
            Kind::Boolean => "`true` or `false`".to_owned(),
            Kind::Integer => "a whole number".to_owned(),
            Kind::Text(form) => (*form).to_owned(),
            Kind::OneOf(names) => {
                names.iter().map(|name| format!("`\"{name}\"`")).collect::<Vec<_>>().join(" or ")
            }
            Kind::List(Kind::Table(_)) => "any number of tables".to_owned(),
            Kind::List(entry) => format!("a list, each entry {}", words(entry)),
            Kind::Table(_) => "a table".to_owned(),
        }
    }
    match &key.bounds {
        Some(bounds) => format!("{} from {} to {}", words(&key.kind), bounds.start(), bounds.end()),
        None => words(&key.kind),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn sample_key(file: &mut String, key: &Key) {
    let default = (key.default)().unwrap_or_default();
    // One of several keys of which only one may be written: the sample shows the others twice commented.
    if let Some(value) = key.example.strip_prefix("or ") {
        let _ = write!(file, "\n{}# {} = {value}\n", commented(key.docs), key.name);
        return;
    }
    let value = if key.example.is_empty() { default.as_str() } else { key.example };
    let _ = write!(file, "\n{}#{} = {value}\n", commented(key.docs), key.name);
}

/// Doc lines as Markdown, ending in a line end.
fn paragraphs(docs: &[&str]) -> String {
    docs.iter().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

/// Doc lines as TOML comments.
fn commented(docs: &[&str]) -> String {
    docs.iter().map(|line| format!("{}\n", format!("#{line}").trim_end())).collect()
}
