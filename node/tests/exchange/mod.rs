//! The exchange that ladders are played against: a real shard with a directory and bindings in memory.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_accounts::Directory;
use offhook_config::Config;
use offhook_journal::Journal;
use offhook_ladder::{Ladder, Site, Stage};
use offhook_location::{Limits, Location};
use offhook_node::{Drain, Resources, Secrets, Settings, Shard};

/// Plays a ladder against an exchange with defaults: everybody is challenged.
pub(crate) fn ladder(text: &str) -> Stage {
    scene("").run(text)
}

/// A ladder where nobody is challenged, so that the flow itself is seen.
pub(crate) fn open_ladder(text: &str) -> Stage {
    scene(OPEN).run(text)
}

/// Nobody is challenged.
pub(crate) const OPEN: &str = "[access]\nauthenticate_register = false\nauthenticate_calls = false\n";

/// A scene with this configuration, to be changed further before it runs.
pub(crate) fn scene(configuration: &str) -> Ladder {
    // Authentication may be off on loopback only; the simulated network is not, so that rule is met by form.
    let listen = "[[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:5060\"\n";
    let text = format!("{configuration}\n{listen}");
    let config = Config::parse(&text, "scene").expect("the scene's configuration is sound");
    Ladder::new(move |site| shard(&config, site))
}

fn shard(config: &Config, site: &Site) -> Shard {
    let mut settings = Settings::new(config, &site.listeners, 1);
    if config.domains.is_empty() {
        settings.identity = offhook_proxy::Identity::new(vec![site.domain.clone()], settings.identity.locals().to_vec());
    }
    let accounts = site.users.iter().map(|u| (u.name.as_str(), site.domain.as_str(), u.password.as_str()));
    let directory = Directory::of_passwords(accounts);
    let resources = Resources {
        location: Location::in_memory(Limits::default()),
        directory: Arc::new(ArcSwap::from_pointee(directory)),
        journal: Journal::silent(),
        secrets: Secrets { cookies: [1; 16], nonces: [2; 32], hashes: [3; 16] },
        drain: Arc::new(Drain::new(1)),
    };
    Shard::new(0, Arc::new(settings), resources).expect("a shard in memory")
}
