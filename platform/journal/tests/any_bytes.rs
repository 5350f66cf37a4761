//! Whatever comes from the network: one line, no control characters, valid JSON, of bounded length.

use std::net::{Ipv4Addr, SocketAddr};

use offhook_journal::{Event, FIELD_BYTES_MAX, Format, Journal, Level, MemoryLines};
use proptest::prelude::*;

fn lines(format: Format, event: &Event<'_>) -> Vec<String> {
    let memory = MemoryLines::new();
    Journal::new(Level::Debug, format, memory.sink()).note(1_000, event);
    memory.lines()
}

proptest! {
    #[test]
    fn stays_one_harmless_line(
        aor in prop::collection::vec(any::<u8>(), 0..600),
        text in prop_oneof!["\\PC{0,300}", "[\\x00-\\xff\u{200b}-\u{202e}\"\\\\ ]{0,300}"],
    ) {
        let source = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
        let event = Event::RegisterAccepted { aor: &aor, contact: text.as_bytes(), expires_s: 60, source };
        for format in [Format::Text, Format::Json] {
            let lines = lines(format, &event);
            prop_assert_eq!(lines.len(), 1);
            let steers = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
            prop_assert!(!lines[0].chars().any(steers));
            prop_assert!(lines[0].len() < 10 * FIELD_BYTES_MAX);
        }
        let object: Result<serde_json::Value, _> = serde_json::from_str(&lines(Format::Json, &event)[0]);
        prop_assert!(object.is_ok_and(|object| object["aor"].is_string() && object["contact"].is_string()));
    }
}
