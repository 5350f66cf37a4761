//! The manual's page and the sample file are what the code says.

use std::path::Path;

use offhook_config::{Config, Registrar, reference, sample};

/// With `UPDATE=1` in the environment the page is written instead of compared.
#[test]
fn the_page_is_what_the_code_says() {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../docs/configuration.md");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == reference(), "docs/configuration.md is stale: run UPDATE=1 cargo test -p offhook-config");
}

#[test]
fn the_sample_is_the_default() {
    let config = Config::parse(&sample(), "sample.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config, Config::default());
}

/// Taking the `#` away before a key must give a key that works, with the value that was the default.
#[test]
fn the_sample_without_its_comment_signs_is_good_too() {
    let is_key = |line: &&str| !line.starts_with("# ") && *line != "#";
    let text: String =
        sample().lines().filter(is_key).map(|line| format!("{}\n", line.trim_start_matches('#'))).collect();
    let config = Config::parse(&text, "sample.toml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let default = Config::default();
    let Config { listen, route, trunk, domains, domain, timezone, tls, websocket, dns, .. } = config.clone();
    let lists = [
        listen.len(),
        route.len(),
        trunk.len(),
        domains.len(),
        domain.len(),
        tls.domain.len(),
        websocket.origins.len(),
    ];
    assert_eq!((lists, timezone.is_some()), ([1; 7], true));
    let service_route = config.registrar.service_route.clone();
    assert_eq!(service_route.len(), 1);
    let registrar = Registrar { service_route, ..Registrar::default() };
    assert_eq!(
        config,
        Config { listen, route, trunk, domains, domain, timezone, tls, websocket, dns, registrar, ..default }
    );
}

/// What the pages of the manual show works as it stands.
#[test]
fn the_examples_of_the_manual_are_sound() {
    let docs = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../docs");
    let pages = std::fs::read_dir(docs).unwrap().map(|entry| entry.unwrap().path());
    for page in pages.filter(|page| page.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(&page).unwrap();
        let name = page.file_name().unwrap().to_string_lossy();
        for block in text.split("```toml\n").skip(1).filter_map(|b| b.split("```").next()) {
            Config::parse(block, &name).unwrap_or_else(|error| panic!("{error}\n{block}"));
        }
    }
}
