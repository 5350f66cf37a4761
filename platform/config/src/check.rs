//! What no key shows alone: orders, repetitions, and the server that would be open to everyone.

use std::collections::HashSet;

use crate::config::Config;
use crate::destination::Destination;
use crate::error::Cause;
use crate::host::Host;
use crate::listen::Listen;
use crate::names::RouteMode;
use crate::place::Place;
use crate::report::Report;
use crate::route::Route;
use crate::suggest::nearest;
use crate::tls::Tls;
use crate::trunk::Trunk;
use crate::words::Label;

/// Reports every contradiction between keys that are good by themselves.
pub(crate) fn across_keys(config: &Config, report: &mut Report<'_>) {
    orders(config, report);
    listeners(&config.listen, report);
    routes(config, report);
    trunks(config, report);
    domains(config, report);
    repeated("domains", config.domains.iter().map(Host::as_str), report);
    repeated("digest.algorithms", config.digest.algorithms.iter().map(|algorithm| algorithm.name()), report);
    not_empty("listen", config.listen.len(), report);
    not_empty("digest.algorithms", config.digest.algorithms.len(), report);
    tls(&config.tls, report);
    open_server(config, report);
}

/// Names that two domains have, and limits whose order is wrong.
fn domains(config: &Config, report: &mut Report<'_>) {
    let mut names: Vec<&Host> = Vec::new();
    for (index, domain) in config.domain.iter().enumerate() {
        let place = Place::at("domain").entry(index);
        let aliases = domain.aliases.iter().enumerate();
        let aliases = aliases.map(|(index, alias)| (alias, place.key("aliases").entry(index)));
        for (name, place) in std::iter::once((&domain.name, place.key("name"))).chain(aliases) {
            let is_alias = *name != domain.name;
            if names.contains(&name) || is_alias && config.all_domains().any(|own| own == name) {
                let cause = Cause::Twice { key: place.to_string(), value: name.to_string() };
                report.refuse_at(&[place], cause);
            }
            names.push(name);
        }
        let (min, default, max) = domain.expires_s(config);
        let [min_key, default_key, max_key] =
            ["expires_min_s", "expires_default_s", "expires_max_s"].map(|key| place.key(key));
        let bindings = domain.bindings_per_aor_max.unwrap_or(0) as u64;
        let (bindings_key, targets_key) =
            (place.key("bindings_per_aor_max"), Place::at("proxy.fork_targets_max"));
        let [min, default, max] = [min, default, max].map(u64::from);
        for (lower, lower_value, upper, upper_value) in [
            (&min_key, min, &default_key, default),
            (&default_key, default, &max_key, max),
            (&bindings_key, bindings, &targets_key, config.proxy.fork_targets_max as u64),
        ] {
            if lower_value > upper_value {
                let (lower, upper) = (lower.to_string(), upper.to_string());
                let cause = Cause::WrongOrder { lower, lower_value, upper, upper_value };
                report.refuse_at(std::slice::from_ref(&place), cause);
            }
        }
    }
}

/// A certificate without its key, or the other way round, and domains that stand there twice.
fn tls(tls: &Tls, report: &mut Report<'_>) {
    let pairs = [
        ("tls.certificate", tls.certificate.is_some(), "tls.key", tls.key.is_some()),
        (
            "tls.client_certificate",
            tls.client_certificate.is_some(),
            "tls.client_key",
            tls.client_key.is_some(),
        ),
        ("tls.client_required", tls.client_required, "tls.client_ca", tls.client_ca.is_some()),
    ];
    for (one, has_one, other, has_other) in pairs {
        let both_ways = one != "tls.client_required";
        let alone = match (has_one, has_other) {
            (true, false) => Some((one, other)),
            (false, true) if both_ways => Some((other, one)),
            _ => None,
        };
        if let Some((key, other)) = alone {
            let place = Place::at(key);
            let cause = Cause::Alone { key: place.to_string(), other: Place::at(other).to_string() };
            report.refuse_at(&[place], cause);
        }
    }
    repeated("tls.domain", tls.domain.iter().map(|domain| domain.name.as_str()), report);
}

/// Pairs of keys of which the first must not be above the second.
fn orders(config: &Config, report: &mut Report<'_>) {
    let Config { registrar, proxy, timers, limits, session_timer, abuse, dns, .. } = config;
    let (expires_min, expires_max) = (u64::from(registrar.expires_min_s), u64::from(registrar.expires_max_s));
    let expires_default = u64::from(registrar.expires_default_s);
    let (connections, per_source) = (limits.connections_max as u64, limits.connections_per_source_max as u64);
    let (bindings, targets) = (registrar.bindings_per_aor_max as u64, proxy.fork_targets_max as u64);
    let (session_min, session_expires) = (u64::from(session_timer.min_s), u64::from(session_timer.expires_s));
    for (lower, lower_value, upper, upper_value) in [
        ("registrar.expires_min_s", expires_min, "registrar.expires_default_s", expires_default),
        ("registrar.expires_default_s", expires_default, "registrar.expires_max_s", expires_max),
        ("registrar.bindings_per_aor_max", bindings, "proxy.fork_targets_max", targets),
        ("session_timer.min_s", session_min, "session_timer.expires_s", session_expires),
        ("abuse.ban_s", u64::from(abuse.ban_s), "abuse.ban_max_s", u64::from(abuse.ban_max_s)),
        ("dns.ttl_min_s", u64::from(dns.ttl_min_s), "dns.ttl_max_s", u64::from(dns.ttl_max_s)),
        ("dns.timeout_ms", dns.timeout_ms, "dns.patience_ms", dns.patience_ms),
        ("timers.t1_ms", timers.t1_ms, "timers.t2_ms", timers.t2_ms),
        ("limits.connections_per_source_max", per_source, "limits.connections_max", connections),
    ] {
        if lower_value > upper_value {
            let places = [Place::at(lower), Place::at(upper)];
            let [lower, upper] = places.each_ref().map(Place::to_string);
            report.refuse_at(&places, Cause::WrongOrder { lower, lower_value, upper, upper_value });
        }
    }
}

/// Two listeners on one socket: the second could not be opened.
fn listeners(listen: &[Listen], report: &mut Report<'_>) {
    for (index, listener) in listen.iter().enumerate() {
        let earlier = listen.iter().take(index).position(|other| other.clashes_with(listener));
        let is_other =
            |earlier: usize| listen.get(earlier).is_some_and(|l| l.transport != listener.transport);
        let what = || match earlier.is_some_and(is_other) {
            true => format!("the TCP port of listener {listener}"),
            false => format!("listener {listener}"),
        };
        report_repetition("listen", "address", index, earlier, what, report);
    }
}

/// Routes without a condition, without an action or with two, with keys that do nothing, with names that nothing has,
/// and those that an earlier route leaves nothing to.
fn routes(config: &Config, report: &mut Report<'_>) {
    for (index, route) in config.route.iter().enumerate() {
        let place = Place::at("route").entry(index);
        action(config, route, &place, report);
        known_trunk(config, "trunk", route.trunk.as_ref(), &place, report);
        known_trunk(config, "from_trunk", route.when.from_trunk.as_ref(), &place.key("match"), report);
        // What was refused may have been the condition.
        let conditions = place.key("match");
        let is_unread = report.has_unread(&conditions);
        if route.when.is_empty() && !is_unread {
            report.refuse_at(&[conditions, place], Cause::NoCondition);
        }
        if route.when.is_empty() || is_unread {
            continue;
        }
        let earlier = config.route.iter().take(index).position(|other| other.when == route.when);
        report_repetition("route", "match", index, earlier, || "a route with this match".to_owned(), report);
    }
    names("route", config.route.iter().map(|route| route.name.as_ref()), report);
}

/// What becomes of a request must be one thing, and keys beside it must mean something.
fn action(config: &Config, route: &Route, place: &Place, report: &mut Report<'_>) {
    let said: Vec<&str> = route.actions().into_iter().filter(|(_, said)| *said).map(|(key, _)| key).collect();
    // What was refused may have been the action.
    if said.is_empty() && !report.is_clean() {
        return;
    }
    if said.len() != 1 {
        let said = if said.is_empty() { "none".to_owned() } else { said.join(" and ") };
        let cause = Cause::NotOneAction { table: place.title(), said };
        return report.refuse_at(std::slice::from_ref(place), cause);
    }
    let changes =
        [("user", route.user.is_some()), ("strip", route.strip > 0), ("prepend", route.prepend.is_some())];
    let changes_user = changes.iter().any(|(_, is_there)| *is_there);
    let forwards = route.to.is_some() || route.trunk.is_some();
    let asks_login =
        config.trunk.iter().any(|trunk| trunk.user.is_some() && Some(&trunk.name) == route.trunk.as_ref());
    // Before others it keeps what it takes from them.
    let is_last = config.route.last().is_some_and(|last| std::ptr::eq(last, route));
    let pointless = [
        (
            "mode",
            asks_login && route.mode == RouteMode::Stateless,
            "the trunk's user",
            "a challenge is answered by who remembers the request",
        ),
        ("strip", route.strip > 0 && route.user.is_some(), "user", "it replaces all there is to strip"),
        (
            "users",
            route.users && !changes_user && route.ring_s.is_none() && is_last,
            "no user, strip or prepend",
            "users are looked up anyway",
        ),
        (
            "ring_s",
            route.ring_s.is_some() && !route.users,
            "no users",
            "only the phones of a user ring in turns",
        ),
        (
            "proves",
            route.proves.is_some() && !route.to.as_ref().is_some_and(Destination::may_be_tls),
            "no `to` by TLS",
            PROVES,
        ),
        (
            "mode",
            !forwards && route.mode == RouteMode::Stateless,
            "this action",
            "only to and trunk forward without state",
        ),
    ];
    let unused = changes.into_iter().flat_map(|(key, is_there)| {
        [
            (key, is_there && route.refuse.is_some(), "refuse", "what is refused goes nowhere"),
            (key, is_there && route.redirect.is_some(), "redirect", "the URI says where to go"),
        ]
    });
    for (key, _, other, because) in pointless.into_iter().chain(unused).filter(|(_, is_so, ..)| *is_so) {
        let cause = Cause::Pointless { key: place.key(key).to_string(), other, because };
        report.refuse_at(&[place.key(key), place.clone()], cause);
    }
}

fn known_trunk(config: &Config, key: &str, name: Option<&Label>, outer: &Place, report: &mut Report<'_>) {
    let Some(name) = name else { return };
    if config.trunk.iter().any(|trunk| trunk.name == *name) {
        return;
    }
    let place = outer.key(key);
    let near = nearest(name.as_str(), config.trunk.iter().map(|trunk| trunk.name.as_str()));
    let (value, nearest) = (name.to_string(), near.map(str::to_owned));
    let cause = Cause::NoSuchName { key: place.to_string(), value, table: "[[trunk]]", nearest };
    report.refuse_at(&[place, outer.clone()], cause);
}

/// Why a name to prove needs TLS.
const PROVES: &str = "only a certificate proves a name";

fn trunks(config: &Config, report: &mut Report<'_>) {
    names("trunk", config.trunk.iter().map(|trunk| Some(&trunk.name)), report);
    for (index, _) in config.trunk.iter().enumerate().filter(|(_, trunk)| trunk.targets.is_empty()) {
        let place = Place::at("trunk").entry(index).key("targets");
        report.refuse_at(std::slice::from_ref(&place), Cause::Empty { key: place.to_string() });
    }
    for (index, trunk) in config.trunk.iter().enumerate() {
        for (number, _) in
            trunk.targets.iter().enumerate().filter(|(_, t)| t.proves.is_some() && !t.to.may_be_tls())
        {
            let place = Place::at("trunk").entry(index).key("targets").entry(number).key("proves");
            let cause = Cause::Pointless { key: place.to_string(), other: "no `to` by TLS", because: PROVES };
            report.refuse_at(std::slice::from_ref(&place), cause);
        }
        login(trunk, &Place::at("trunk").entry(index), report);
    }
}

/// A name without its password, the other way round, a realm without both, and two passwords.
fn login(trunk: &Trunk, place: &Place, report: &mut Report<'_>) {
    let (user, here, file) = (trunk.user.is_some(), trunk.password.is_some(), trunk.password_file.is_some());
    // What was refused may have been the other half.
    if !report.is_clean() {
        return;
    }
    for (key, is_there, other, other_is_there) in [
        ("user", user, "password", here || file),
        ("password", here, "user", user),
        ("password_file", file, "user", user),
        ("realm", trunk.realm.is_some(), "user", user),
        ("register", trunk.register, "user", user),
    ] {
        if is_there && !other_is_there {
            let (at, other) = (place.key(key), place.key(other).to_string());
            report.refuse_at(std::slice::from_ref(&at), Cause::Alone { key: at.to_string(), other });
        }
    }
    if here && file {
        let at = place.key("password_file");
        let (key, because) = (at.to_string(), "a trunk has one password");
        report.refuse_at(&[at], Cause::Pointless { key, other: "password", because });
    }
}

/// Names must be different, or they name nothing.
fn names<'a>(list: &str, names: impl Iterator<Item = Option<&'a Label>> + Clone, report: &mut Report<'_>) {
    for (index, name) in names.clone().enumerate().filter(|(_, name)| name.is_some()) {
        let earlier = names.clone().take(index).position(|other| other == name);
        report_repetition(list, "name", index, earlier, || format!("this name of a {list}"), report);
    }
}

/// Reports that entry `index` of a list of tables repeats the one at `earlier`.
fn report_repetition(
    list: &str,
    key: &str,
    index: usize,
    earlier: Option<usize>,
    what: impl Fn() -> String,
    report: &mut Report<'_>,
) {
    let place = |index| Place::at(list).entry(index).key(key);
    if let Some(line) = earlier.and_then(|earlier| report.line(&place(earlier))) {
        report.refuse_at(&[place(index)], Cause::Repeated { what: what(), line });
    }
}

/// Entries of a list that stand in it already.
fn repeated<'a>(list: &str, entries: impl Iterator<Item = &'a str>, report: &mut Report<'_>) {
    let place = Place::at(list);
    let mut seen = HashSet::new();
    for (index, entry) in entries.enumerate() {
        if !seen.insert(entry) {
            let cause = Cause::Twice { key: place.to_string(), value: entry.to_owned() };
            report.refuse_at(&[place.entry(index)], cause);
        }
    }
}

fn not_empty(list: &str, entries: usize, report: &mut Report<'_>) {
    if entries == 0 {
        let place = Place::at(list);
        let cause = Cause::Empty { key: place.to_string() };
        report.refuse_at(&[place], cause);
    }
}

/// Authentication that is off where others than this machine can reach us.
fn open_server(config: &Config, report: &mut Report<'_>) {
    let Some(reachable) = config.listen.iter().find(|listen| !listen.address.ip().is_loopback()) else {
        return;
    };
    let register = ("access.authenticate_register", config.access.authenticate_register);
    let calls = ("access.authenticate_calls", config.access.authenticate_calls);
    for (path, _) in [register, calls].into_iter().filter(|(_, on)| !on) {
        let place = Place::at(path);
        let cause = Cause::OpenServer { key: place.to_string(), listener: reachable.to_string() };
        report.refuse_at(&[place, Place::at("listen")], cause);
    }
}
