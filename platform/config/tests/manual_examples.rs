//! The examples of the manual are sound configurations.

use std::path::Path;

use offhook_config::Config;

/// The TOML examples of a page.
fn examples(page: &str) -> Vec<String> {
    let path = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo"))
        .join("../../docs")
        .join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let blocks = text.split("```toml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_example_of_names() {
    let examples = examples("dns.md");
    assert_eq!(examples.len(), 1);
    let config = Config::parse(&examples[0], "docs/dns.md").expect("a sound configuration");
    assert!(config.dns.dnssec && config.dns.private_addresses);
}
