//! The shard under measurement: everything in memory but the sockets.

use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_accounts::Directory;
use offhook_cdr::Spool;
use offhook_config::Config;
use offhook_journal::Journal;
use offhook_location::{Limits, Location};
use offhook_net::{ConnectionId, Flow, Listener};
use offhook_node::{Drain, Resources, Secrets, Settings, Shard, Whereabouts};
use offhook_seal::Ring;
use offhook_sip::Transport;

/// The domain of the users.
pub(crate) const DOMAIN: &str = "bench.test";

/// The password of all users.
pub(crate) const PASSWORD: &str = "bench-pw";

/// How many users there are: u0, u1, …
pub(crate) const USERS: u32 = 2_000;

/// A shard; `authenticate`: users are challenged; `routes`: tables of the configuration; `spool`: where it notes its calls.
pub(crate) fn shard(authenticate: bool, routes: &str, spool: Spool) -> anyhow::Result<Shard> {
    let text = format!(
        "domains = [\"{DOMAIN}\"]\n[[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:5060\"\n\
         [access]\nauthenticate_register = {authenticate}\nauthenticate_calls = {authenticate}\n{routes}"
    );
    let local = "127.0.0.1:5060".parse()?;
    let listener = Listener { transport: Transport::Udp, local, prefix_bits: 8, advertise: None };
    shard_of(&text, &[listener], spool)
}

/// A shard with this configuration that listens here.
pub(crate) fn shard_of(configuration: &str, listeners: &[Listener], spool: Spool) -> anyhow::Result<Shard> {
    let config = Config::parse(configuration, "bench")?;
    let users: Vec<String> = (0..USERS).map(|n| format!("u{n}")).collect();
    let directory = Directory::of_passwords(users.iter().map(|user| (user.as_str(), DOMAIN, PASSWORD)));
    let resources = Resources {
        location: Location::in_memory(Limits::default()),
        directory: Arc::new(ArcSwap::from_pointee(directory)),
        journal: Journal::silent(),
        spool,
        undelivered: offhook_undelivered::Desk::off(),
        secrets: Secrets { cookies: [1; 16], nonces: [2; 32], hashes: [3; 16], gruus: [5; 32] },
        seals: Arc::new(ArcSwap::from_pointee(Ring::of_one([4; 32]))),
        drain: Arc::new(Drain::new(1)),
        whereabouts: Whereabouts::new(1),
    };
    Ok(Shard::new(0, Arc::new(Settings::new(&config, listeners, 1)), resources)?)
}

/// The flow of a phone at this port.
pub(crate) fn phone(port: u16) -> Flow {
    let remote = ([127, 0, 0, 1], port).into();
    Flow { transport: Transport::Udp, listener: 0, connection: ConnectionId::NONE, remote }
}
