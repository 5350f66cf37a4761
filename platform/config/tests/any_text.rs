//! Whatever stands in the file: an answer, never a panic.

use offhook_config::{Config, sample};
use proptest::prelude::*;

/// Lines as people write them, with the slips they make.
fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z_]{1,12}",
        prop::sample::select(vec![
            "listen",
            "route",
            "match",
            "timers",
            "t1_ms",
            "domains",
            "transport",
            "address",
            "to"
        ])
        .prop_map(str::to_owned),
    ];
    let value = prop_oneof![
        "\"[ -~]{0,20}\"",
        "\"(sip:)?[0-9a-f.:;\\[\\]=@]{0,24}\"",
        "-?[0-9_]{1,24}",
        "[0-9.e-]{1,8}",
        "\\PC{0,12}",
        Just("{}".to_owned()),
        Just("[[], {}]".to_owned()),
    ];
    prop_oneof![
        word.clone().prop_map(|word| format!("[{word}]")),
        word.clone().prop_map(|word| format!("[[{word}]]")),
        (word.clone(), value.clone()).prop_map(|(key, value)| format!("{key} = {value}")),
        (word.clone(), word, value).prop_map(|(a, b, value)| format!("{a}.{b} = {value}")),
    ]
}

/// The answer can be shown, and every problem stands inside the text.
fn answer(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = Config::parse(text, "any.toml") {
        prop_assert!(!error.to_string().is_empty());
        let offhook_config::ConfigError::Refused(problems) = error else {
            return Err(TestCaseError::fail("a text is refused for what it says"));
        };
        for problem in problems.list {
            prop_assert!(problem.position.line <= text.matches('\n').count() + 1, "{problem:?}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_characters(text in "\\PC*|[\\x00-\\x7f]{0,200}") {
        answer(&text)?;
    }

    #[test]
    fn any_lines(lines in prop::collection::vec(line(), 0..20)) {
        answer(&lines.join("\n"))?;
    }

    #[test]
    fn a_good_file_with_a_hole(start in 0usize..8_000, length in 0usize..40) {
        let text: Vec<char> = sample().replace("\n#", "\n").chars().collect();
        let end = (start + length).min(text.len());
        let kept = text[..start.min(text.len())].iter().chain(&text[end..]);
        answer(&kept.collect::<String>())?;
    }
}
