//! What a sound configuration says in vain: nothing is wrong with its text, and yet it cannot do what it seems to.

use std::collections::BTreeSet;

use offhook_config::{Config, Destination, Trunk};
use offhook_sip::Transport;

/// One sentence for each.
pub fn notes(config: &Config) -> Vec<String> {
    let ours: BTreeSet<&str> = config.listen.iter().map(|listen| listen.transport.name()).collect();
    let targets = |trunk: &'_ Trunk| {
        let to = |name: &str, to: &Destination| (format!("the trunk {name}"), to.clone());
        trunk.targets.iter().map(|target| to(trunk.name.as_str(), &target.to)).collect::<Vec<_>>()
    };
    let routes = config.route.iter().filter_map(|route| Some((format!("route {route}"), route.to.clone()?)));
    let next_hops = routes.chain(config.trunk.iter().flat_map(targets));
    let unreachable = next_hops.filter_map(|(who, to)| {
        let transport = transport_to(&to)?.name();
        (!ours.contains(transport)).then(|| {
            format!("{who}: nothing gets to {to}, for no [[listen]] has transport = \"{transport}\" (502)")
        })
    });
    unreachable
        .chain(config.trunk.iter().flat_map(|trunk| of_trunk(trunk, config)))
        .chain(of_dns(config))
        .collect()
}

/// By what a next hop is reached; `None`: its name may say so.
fn transport_to(to: &Destination) -> Option<Transport> {
    match to {
        Destination::Address(hop) => Some(hop.transport),
        Destination::Name(hop) if hop.secure => Some(Transport::Tls),
        Destination::Name(hop) => hop.transport.or(hop.port.map(|_| Transport::Udp)),
    }
}

fn of_trunk(trunk: &Trunk, config: &Config) -> Vec<String> {
    let nobody_proves = !trunk.peer_domains.is_empty() && config.tls.client_ca.is_none();
    let notes = [
        (nobody_proves, "peer_domains", "no certificate is asked for without client_ca in [tls]"),
        (
            trunk.register_as.is_some() && !trunk.register,
            "register_as",
            "nothing is registered without register",
        ),
    ];
    let told = notes.into_iter().filter(|(is_so, ..)| *is_so);
    told.map(|(_, key, why)| format!("the trunk {}: {key} does nothing, for {why}", trunk.name)).collect()
}

fn of_dns(config: &Config) -> Option<String> {
    let idle = config.dns.trust_anchors.is_some() && !config.dns.dnssec;
    idle.then(|| "[dns]: trust_anchors does nothing, for nothing is validated without dnssec".to_owned())
}
