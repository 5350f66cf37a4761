//! The manual's page is what the code says.

use std::path::Path;

use offhook_journal::reference;

/// With `UPDATE=1` in the environment the page is written instead of compared.
#[test]
fn the_page_is_what_the_code_says() {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../docs/journal.md");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == reference(), "docs/journal.md is stale: run UPDATE=1 cargo test -p offhook-journal");
}
