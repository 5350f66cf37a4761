//! What a file means when it is accepted.

use std::path::Path;

use offhook_config::{Config, ConfigError, DigestAlgorithm, LogFormat, LogLevel, RouteMode};
use offhook_sip::Transport;

fn parse(text: &str) -> Config {
    Config::parse(text, "offhook.toml").unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_empty_file_is_the_default() {
    let config = parse("");
    assert_eq!(config, Config::default());
    assert_eq!(config.data_dir, Path::new("data"));
    assert!(config.domains.is_empty());
    let listeners: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listeners, ["udp 0.0.0.0:5060", "tcp 0.0.0.0:5060", "udp [::]:5060", "tcp [::]:5060"]);
    assert!(config.access.authenticate_register && config.access.authenticate_calls);
}

#[test]
fn every_key_is_understood() {
    let config = parse(
        r#"
        data_dir = "/var/lib/offhook"
        domains = ["Example.org", "192.0.2.1"]
        [[listen]]
        transport = "udp"
        address = "127.0.0.1:5060"
        [[listen]]
        transport = "tcp"
        address = "[::1]:5060"
        advertise = "sip.example.org:5070"
        [[route]]
        match = { domain = "Static.example.org" }
        to = "sip:127.0.0.1:5080;transport=udp"
        open = true
        mode = "stateless"
        [registrar]
        expires_min_s = 30
        expires_default_s = 600
        expires_max_s = 0x1000
        bindings_per_aor_max = 3
        [digest]
        nonce_lifetime_s = 60
        algorithms = ["MD5"]
        [access]
        authenticate_register = false
        authenticate_calls = false
        strangers_may_call_users = false
        [proxy]
        timer_c_s = 200
        fork_targets_max = 4
        record_route = false
        [timers]
        t1_ms = 10
        t2_ms = 40
        t4_ms = 50
        [limits]
        transactions_max = 10_000
        message_bytes_max = 20_000
        connections_max = 20
        connections_per_source_max = 10
        connection_idle_s = 5
        message_arrival_s = 2
        [engine]
        shards = 2
        [cdr]
        enabled = false
        files = "csv"
        file_bytes_max = 10000
        keep_days = 30
        call_max_s = 3600
        open_calls_max = 1000
        spool_bytes_max = 100000000
        [log]
        level = "debug"
        format = "json"
        "#,
    );
    assert_eq!(
        config.domains.iter().map(|domain| domain.as_str()).collect::<Vec<_>>(),
        ["example.org", "192.0.2.1"]
    );
    assert_eq!(config.listen[1].transport, Transport::Tcp);
    assert_eq!(
        config.listen[1].advertise.as_ref().map(ToString::to_string).as_deref(),
        Some("sip.example.org:5070")
    );
    assert_eq!(
        config.route[0].when.domain.as_ref().map(|domain| domain.as_str()),
        Some("static.example.org")
    );
    assert_eq!(
        config.route[0].to.as_ref().and_then(|to| to.address()).map(|hop| hop.address),
        "127.0.0.1:5080".parse().ok()
    );
    assert_eq!((config.route[0].open, config.route[0].mode), (true, RouteMode::Stateless));
    assert_eq!(config.registrar.expires_max_s, 4096);
    assert_eq!(config.digest.algorithms, [DigestAlgorithm::Md5]);
    assert!(!config.access.authenticate_calls, "allowed, for both listeners are loopback addresses");
    assert_eq!((config.timers.t1_ms, config.timers.t2_ms, config.timers.t4_ms), (10, 40, 50));
    assert_eq!(config.limits.transactions_max, 10_000);
    assert_eq!(
        (config.engine.shards, config.log.level, config.log.format),
        (2, LogLevel::Debug, LogFormat::Json)
    );
}

#[test]
fn a_route_asks_for_no_more_than_its_two_keys() {
    let config = parse("[[route]]\nmatch.domain = \"a.example\"\nto = \"sip:192.0.2.9\"");
    assert_eq!((config.route[0].open, config.route[0].mode), (false, RouteMode::Stateful));
    assert_eq!(
        config.route[0].to.as_ref().map(ToString::to_string).as_deref(),
        Some("sip:192.0.2.9:5060;transport=udp")
    );
}

#[test]
fn several_listeners_may_let_the_system_choose_their_ports() {
    let entry = "[[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:0\"\n";
    assert_eq!(parse(&entry.repeat(2)).listen.len(), 2);
}

#[test]
fn a_file_is_read_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("offhook.toml");
    assert!(matches!(Config::load(&path), Err(ConfigError::Unreadable { .. })), "it is not there yet");

    std::fs::write(&path, "[engine]\nshards = 3\n").unwrap();
    assert_eq!(Config::load(&path).unwrap().engine.shards, 3);

    std::fs::write(&path, b"# caf\xE9\n").unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert_eq!(error, format!("{}:1:6: not UTF-8 from here on", path.display()));

    std::fs::write(&path, vec![b'\n'; offhook_config::CONFIG_BYTES_MAX as usize + 1]).unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::TooLarge { .. })));
}
