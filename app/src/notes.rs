//! What a sound configuration says in vain: nothing is wrong with its text, and yet it cannot do what it seems to.

use std::collections::BTreeSet;

use offhook_config::{Config, Destination, Route, SipUri, Tls, Trunk, WebSocket};
use offhook_sip::{Transport, Uri};

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
        .chain(config.route.iter().flat_map(|route| of_route(route, config)))
        .chain(of_dns(config))
        .chain(of_listeners(config))
        .chain(of_data_dir(config))
        .collect()
}

/// A rule that leads back to us, and one that takes more of a number than it can count on.
fn of_route(route: &Route, config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(to) = &route.to
        && leads_to_us(to, config)
    {
        notes.push(format!("route {route}: {to} is this server, which does not call itself"));
    }
    if let Some(uri) = &route.redirect
        && is_circle(route, uri)
    {
        notes.push(format!("route {route}: who goes there comes back to this route"));
    }
    let known = route.when.number.as_ref().or(route.when.prefix.as_ref());
    if let Some(known) = known.map(|part| part.as_str()).filter(|known| known.len() < route.strip) {
        let whole =
            if route.when.number.is_some() { "nothing is left of" } else { "more goes than the prefix" };
        notes.push(format!("route {route}: strip = {} takes too much: {whole} {known}", route.strip));
    }
    notes
}

/// Whether a next hop is a listener of ours. Where a name leads is not known here.
fn leads_to_us(to: &Destination, config: &Config) -> bool {
    let Destination::Address(hop) = to else { return false };
    let (ip, port) = (hop.address.ip(), hop.address.port());
    config.listen.iter().any(|listen| {
        let at = listen.address;
        let is_there = at.ip() == ip || at.ip().is_unspecified() && ip.is_loopback();
        is_there && listen.transport == hop.transport && at.port() == port
    })
}

/// Whether a redirection by the domain alone leads to the same domain, and keeps the user part.
fn is_circle(route: &Route, uri: &SipUri) -> bool {
    let text = uri.to_string();
    let Ok(read) = Uri::parse(text.as_bytes()) else { return false };
    let (Some(domain), Some(at)) = (&route.when.domain, read.address) else { return false };
    let is_plain =
        route.when.prefix.is_none() && route.when.number.is_none() && route.when.from_domain.is_none();
    let is_whole = is_plain && route.when.sources.is_empty() && route.when.from_trunk.is_none();
    is_whole && route.when.hours.is_none() && at.host_text.eq_ignore_ascii_case(domain.as_str().as_bytes())
}

/// Keys of sections that only some listeners heed.
fn of_listeners(config: &Config) -> Vec<String> {
    let has = |is_so: fn(Transport) -> bool| config.listen.iter().any(|listen| is_so(listen.transport));
    let (tls, websocket) = (&config.tls, &config.websocket);
    let pages = *websocket != WebSocket::default();
    let certificates = *tls != Tls::default();
    let notes = [
        (pages && !has(Transport::is_websocket), "[websocket]", "ws\" or \"wss"),
        (certificates && !has(Transport::is_secure), "[tls]", "tls\" or \"wss"),
    ];
    let told = notes.into_iter().filter(|(is_so, ..)| *is_so);
    told.map(|(_, section, by)| {
        format!("{section}: does nothing, for no [[listen]] has transport = \"{by}\"")
    })
    .collect()
}

fn of_data_dir(config: &Config) -> Option<String> {
    let dir = &config.data_dir;
    dir.is_file().then(|| format!("data_dir: {} is a file, and a directory is needed", dir.display()))
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
    let told = told.map(|(_, key, why)| format!("the trunk {}: {key} does nothing, for {why}", trunk.name));
    let own = trunk.targets.iter().filter(|target| leads_to_us(&target.to, config));
    let own = own.map(|target| {
        format!("the trunk {}: {} is this server, which does not call itself", trunk.name, target.to)
    });
    told.chain(own).collect()
}

fn of_dns(config: &Config) -> Option<String> {
    let idle = config.dns.trust_anchors.is_some() && !config.dns.dnssec;
    idle.then(|| "[dns]: trust_anchors does nothing, for nothing is validated without dnssec".to_owned())
}
