//! `offhook messages list`.

use std::io::{self, BufWriter, Write};

use offhook_cdr::utc;
use offhook_sip::{Message, Name};
use offhook_store::Store;
use offhook_undelivered::{Filter, Listed};
use serde_json::json;

use crate::table::{self, Column};
use crate::visible::{json_line, visible};

const COLUMNS: [Column; 5] = [
    Column { title: "ID", width_min: 4 },
    Column { title: "CAME (UTC)", width_min: 24 },
    Column { title: "FROM", width_min: 12 },
    Column { title: "TO", width_min: 12 },
    Column { title: "BYTES", width_min: 5 },
];

/// Lists messages, the oldest first. What they say is shown only as JSON: who looks whether they pile up need not read them.
pub fn run(store: &Store, filter: &Filter, as_json: bool) -> anyhow::Result<()> {
    let messages = offhook_undelivered::list(store, filter)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if as_json {
        for message in &messages {
            writeln!(out, "{}", json_line(&object(message)))?;
        }
    } else if messages.is_empty() {
        writeln!(out, "No such messages wait.")?;
    } else {
        table::write(&mut out, &COLUMNS, &messages.iter().map(row).collect::<Vec<_>>())?;
    }
    out.flush()?;
    Ok(())
}

fn row(message: &Listed) -> [String; 5] {
    [
        message.id.to_string(),
        utc(message.received_ms),
        visible(&message.sender),
        visible(&message.aor),
        message.content.len().to_string(),
    ]
}

fn object(message: &Listed) -> serde_json::Value {
    // What is kept begins with its header lines; a start line makes it a message that can be read.
    let text = [b"MESSAGE sip:kept SIP/2.0\r\n", &message.content[..]].concat();
    let read = Message::parse(&text).ok();
    let value = |name| {
        let value = read.as_ref().and_then(|read| read.value(name)).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    };
    json!({
        "id": message.id,
        "received": utc(message.received_ms),
        "expires": utc(message.expires_at_ms),
        "sender": String::from_utf8_lossy(&message.sender),
        "aor": String::from_utf8_lossy(&message.aor),
        "from": value(Name::From),
        "to": value(Name::To),
        "call_id": value(Name::CallId),
        "content_type": value(Name::ContentType),
        "body": String::from_utf8_lossy(read.as_ref().map(|read| read.body()).unwrap_or_default()),
    })
}
