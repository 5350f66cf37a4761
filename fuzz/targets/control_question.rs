//! What a command may send to a running server: no panic, an answer that is whole, and a question that was understood
//! means the same when it is written anew.

#![cfg_attr(not(test), no_main)]

use offhook_control::{Desk, Question};
use offhook_fuzz::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut desk = Desk::default();
    desk.on("ban.list", |_| Ok(Vec::new()));
    desk.on("ban.add", |question| question.text("source").and(question.number("for_s")).map(|_| Vec::new()));
    desk.on("ban.lift", |question| question.text("source").map(|_| Vec::new()));
    let mut out = Vec::new();
    desk.answer(input, &mut out);
    let text = std::str::from_utf8(&out).expect("JSON is text");
    assert_eq!(text.matches('\n').count(), 1, "one line, whatever was asked");
    assert!(text.ends_with("}\n") && text.contains("\"offhook\":1"));
    if let Ok(question) = Question::parse(input) {
        assert_eq!(Question::parse(question.line().as_bytes()), Ok(question));
    }
});
