//! What a shard would do with a request, asked without a network: next hops of the configuration by TLS.

use offhook_accounts::Directory;
use offhook_config::Config;
use offhook_location::{Limits, Location};
use offhook_net::Listener;
use offhook_node::{Settings, Supposed, rehearse};
use offhook_sip::Transport;

const HOUSE: &str = r#"
    domains = ["house.example"]
    [[listen]]
    transport = "udp"
    address = "127.0.0.1:5060"
    [access]
    authenticate_register = false
    authenticate_calls = false
    [[trunk]]
    name = "provider"
    targets = [{ to = "sips:192.0.2.9", proves = "sip.provider.example" }]
    [[route]]
    match = { prefix = "00" }
    trunk = "provider"
    [[route]]
    name = "other house"
    match = { domain = "other.example" }
    to = "sips:192.0.2.10"
    proves = "other.example"
    [[route]]
    name = "third house"
    match = { domain = "third.example" }
    to = "sips:192.0.2.11"
"#;

/// Where a request for `to` goes, and what is to be proved there.
fn sent(to: &str) -> Vec<(String, Option<String>)> {
    let config = Config::parse(HOUSE, "house.toml").unwrap_or_else(|error| panic!("{error}"));
    let listener = |transport: Transport| Listener {
        transport,
        local: ([198, 51, 100, 1], transport.default_port()).into(),
        prefix_bits: 24,
        advertise: None,
    };
    let settings = Settings::new(&config, &[listener(Transport::Udp), listener(Transport::Tls)], 1);
    let supposed = Supposed {
        method: "INVITE",
        from: "sip:alice@house.example",
        to,
        transport: Transport::Udp,
        source: ([192, 0, 2, 1], 5060).into(),
        now_ms: 1_793_620_800_000,
        keeps: false,
    };
    let location = Location::in_memory(Limits::default());
    let rehearsed =
        rehearse(&settings, location, Directory::of_passwords([]), [0; 32], &supposed).expect("an answer");
    rehearsed.sent.into_iter().map(|sent| (sent.remote.to_string(), sent.proves)).collect()
}

/// What a next hop must prove is what the configuration says, never the name of a rule or trunk; where nothing is said,
/// it is the address. RFC 5922 §7.3.
#[test]
fn a_next_hop_proves_what_the_configuration_says() {
    let proved = |to, remote: &str, domain: Option<&str>| {
        assert_eq!(sent(to), [(remote.to_owned(), domain.map(str::to_owned))], "{to}");
    };
    proved("sip:0049301@house.example", "192.0.2.9:5061", Some("sip.provider.example"));
    proved("sip:bob@other.example", "192.0.2.10:5061", Some("other.example"));
    proved("sip:bob@third.example", "192.0.2.11:5061", None);
}
