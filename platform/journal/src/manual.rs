//! The page that lists all events, made from the enum.

use std::fmt::Write;

use crate::event::EventKind;

const INTRODUCTION: &str = "\
<!-- Made from platform/journal/src/event.rs by the test `the_page_is_what_the_code_says`; UPDATE=1 writes it anew. -->
# Journal

Everything that happens is one of the events below. Each is counted; those at least as grave as `level` in `[log]` of
the configuration also make a line on standard error. `format = \"text\"` is for people:

```text
2026-11-21T08:15:03.123Z info  register.accepted   alice@example.org is at sip:alice@192.0.2.7, for 3600 s (from 192.0.2.7:5060)
```

`format = \"json\"` is for programs, one object a line: `ts`, `level`, `event`, `msg` (the sentence) and the fields of the
event by the names below:

```json
{\"ts\":\"2026-11-21T08:15:03.123Z\",\"level\":\"info\",\"event\":\"register.accepted\",\"msg\":\"alice@example.org is at sip:alice@192.0.2.7, for 3600 s (from 192.0.2.7:5060)\",\"aor\":\"alice@example.org\",\"contact\":\"sip:alice@192.0.2.7\",\"expires_s\":3600,\"source\":\"192.0.2.7:5060\"}
```

Names of events and of fields are stable. No field holds a secret. Control characters, invisible ones and what is not
UTF-8 are shown as `\\xNN`, a backslash as `\\\\`, and a field ends after 256 bytes with `…`; in a sentence, what came
from the network and holds a space stands in quotes. A kind of event has at most 100 lines a second and thread (errors
1,000); further ones are counted, and one line tells how many there were.

| event | level | sentence | when |
|---|---|---|---|
";

/// The list of all events, as Markdown.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for kind in EventKind::ALL {
        let meaning: Vec<&str> = kind.meaning().iter().map(|line| line.trim()).collect();
        let (name, level, sentence) = (kind.name(), kind.level(), kind.sentence());
        let _ = writeln!(page, "| `{name}` | {level} | {sentence} | {} |", meaning.join(" "));
    }
    page
}
