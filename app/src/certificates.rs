//! What TLS is spoken with: from the configuration to the sockets, and again when files change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use offhook_certificates::{CertificateError, PemFiles, Wanted, Watch, ends, load, make_own};
use offhook_config::Config;
use offhook_journal::{Event, Journal};
use offhook_net::{Listener, TlsConfigs};

use crate::check;

/// The certificates in force, and the files they came from.
pub struct Certificates {
    wanted: Wanted,
    watch: Watch,
    configs: Arc<TlsConfigs>,
    /// When it is said again which of them end soon, ms.
    tell_at_ms: u64,
}

/// Files that the configuration names and that cannot be used, each with the key that names it.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Unusable(Vec<String>);

impl Unusable {
    fn of(found: &[CertificateError], config: &Config) -> Self {
        let told = |error: &CertificateError| match error.file().and_then(|file| key_of(file, config)) {
            Some(key) => format!("{key}: {error}"),
            None => error.to_string(),
        };
        Self(found.iter().map(told).collect())
    }
}

/// Which key of the configuration names this file.
fn key_of(file: &Path, config: &Config) -> Option<String> {
    let tls = &config.tls;
    let of_tls = [
        ("certificate", &tls.certificate),
        ("key", &tls.key),
        ("client_ca", &tls.client_ca),
        ("client_certificate", &tls.client_certificate),
        ("client_key", &tls.client_key),
        ("server_ca", &tls.server_ca),
    ];
    let of_tls = of_tls.into_iter().filter_map(|(key, its)| Some((key, its.as_deref()?, "[tls]".to_owned())));
    let of_domains = tls.domain.iter().flat_map(|domain| {
        let place = format!("[[tls.domain]] of {}", domain.name);
        [("certificate", &*domain.certificate, place.clone()), ("key", &*domain.key, place)]
    });
    let its: Vec<String> = of_tls
        .chain(of_domains)
        .filter(|(_, its, _)| *its == file)
        .map(|(key, _, place)| format!("{key:?} in {place}"))
        .collect();
    (!its.is_empty()).then(|| its.join(" and "))
}

/// A certificate that ends within this time is told: whoever renews by a program does so a month before.
const SOON_MS: u64 = 14 * DAY_MS;
const DAY_MS: u64 = 24 * 3_600_000;

impl Certificates {
    /// Reads or makes them; `None` where nobody listens by TLS.
    ///
    /// # Errors
    /// A file that cannot be used: a server that starts with half of its certificates would be noticed too late.
    pub fn open(
        config: &Config,
        listeners: &[Listener],
        journal: &mut Journal,
        now_ms: u64,
    ) -> anyhow::Result<Option<Self>> {
        if !listeners.iter().any(|listener| listener.transport.is_secure()) {
            return Ok(None);
        }
        let wanted = wanted(config, default_files(config, listeners, journal, now_ms)?);
        // Before the files are read: a change between the two is noticed.
        let watch = Watch::new(&wanted);
        let loaded = load(&wanted).map_err(|error| Unusable::of(&[error], config))?;
        let configs = Arc::new(TlsConfigs::new(loaded.server, loaded.client));
        let mut certificates = Self { wanted, watch, configs, tell_at_ms: 0 };
        certificates.tell_ends(journal, now_ms);
        Ok(Some(certificates))
    }

    /// What connections are secured with.
    pub fn configs(&self) -> Arc<TlsConfigs> {
        Arc::clone(&self.configs)
    }

    /// Puts changed files in force. Those that cannot be used change nothing and are told.
    pub fn look(&mut self, journal: &mut Journal, now_ms: u64) {
        let changed = self.watch.changed();
        if !changed.is_empty() {
            self.take(&changed, journal, now_ms);
        }
        if now_ms >= self.tell_at_ms {
            self.tell_ends(journal, now_ms);
        }
    }

    fn take(&mut self, changed: &[PathBuf], journal: &mut Journal, now_ms: u64) {
        match load(&self.wanted) {
            Ok(loaded) => {
                self.configs.replace(loaded.server, loaded.client);
                self.tell_at_ms = now_ms;
                let files: Vec<String> = changed.iter().map(|file| file.display().to_string()).collect();
                journal.note(now_ms, &Event::TlsReloaded { files: &files.join(", ") });
            }
            Err(error) => journal.note(now_ms, &Event::TlsRefused { error: &error.to_string() }),
        }
    }

    fn tell_ends(&mut self, journal: &mut Journal, now_ms: u64) {
        self.tell_at_ms = now_ms.saturating_add(DAY_MS);
        for (file, end_ms) in ends(&self.wanted) {
            if end_ms < now_ms.saturating_add(SOON_MS) {
                let file = file.display().to_string();
                journal.note(now_ms, &Event::TlsEnding { file: &file, when: &when(end_ms, now_ms) });
            }
        }
    }
}

/// When a certificate ends, in words.
fn when(end_ms: u64, now_ms: u64) -> String {
    let day =
        Timestamp::from_millisecond(i64::try_from(end_ms).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
    let words = if end_ms <= now_ms { "has expired on" } else { "expires on" };
    format!("{words} {}", day.strftime("%Y-%m-%d"))
}

/// Whether the files that the configuration names can be used, as a start needs them. Nothing is made. Gives each
/// certificate with the words of its end.
///
/// # Errors
/// All files that cannot.
pub fn check(config: &Config, now_ms: u64) -> Result<Vec<(PathBuf, String)>, Unusable> {
    if !config.listen.iter().any(|listen| listen.transport.is_secure()) {
        return Ok(Vec::new());
    }
    let named = pair(&config.tls.certificate, &config.tls.key);
    let has_default = named.is_some();
    let default = named.unwrap_or_else(|| PemFiles { certificate: PathBuf::new(), key: PathBuf::new() });
    let wanted = wanted(config, default);
    let found = offhook_certificates::check(&wanted, has_default);
    if !found.is_empty() {
        return Err(Unusable::of(&found, config));
    }
    Ok(ends(&wanted).into_iter().map(|(file, end_ms)| (file, when(end_ms, now_ms))).collect())
}

/// The certificate for all names that have none of their own.
fn default_files(
    config: &Config,
    listeners: &[Listener],
    journal: &mut Journal,
    now_ms: u64,
) -> anyhow::Result<PemFiles> {
    if let Some(files) = pair(&config.tls.certificate, &config.tls.key) {
        return Ok(files);
    }
    let names = own_names(config, listeners);
    let (files, made) = make_own(&config.data_dir, &names, now_ms)?;
    if made {
        let (file, names) = (files.certificate.display().to_string(), names.join(", "));
        journal.note(now_ms, &Event::TlsMade { file: &file, names: &names });
    }
    Ok(files)
}

fn pair(certificate: &Option<PathBuf>, key: &Option<PathBuf>) -> Option<PemFiles> {
    certificate.clone().zip(key.clone()).map(|(certificate, key)| PemFiles { certificate, key })
}

fn wanted(config: &Config, default: PemFiles) -> Wanted {
    let tls = &config.tls;
    let of_domain = |domain: &offhook_config::TlsDomain| {
        let files = PemFiles { certificate: domain.certificate.clone(), key: domain.key.clone() };
        (domain.name.as_str().to_owned(), files)
    };
    Wanted {
        default,
        domains: tls.domain.iter().map(of_domain).collect(),
        client_ca: tls.client_ca.clone(),
        client_required: tls.client_required,
        client: pair(&tls.client_certificate, &tls.client_key),
        server_ca: tls.server_ca.clone(),
        check_servers: tls.check_servers,
    }
}

/// Our domains first, then what else phones are told to connect to.
fn own_names(config: &Config, listeners: &[Listener]) -> Vec<String> {
    let mut names: Vec<String> = config.all_domains().map(|domain| domain.as_str().to_owned()).collect();
    names.extend(config.domain.iter().flat_map(|d| &d.aliases).map(|alias| alias.as_str().to_owned()));
    if names.is_empty() {
        names.push(check::first_domain(config).to_owned());
    }
    let advertised = config.listen.iter().filter_map(|listen| listen.advertise.as_ref());
    let advertised = advertised.map(|known_as| known_as.host.as_str().trim_matches(['[', ']']).to_owned());
    let local = listeners.iter().filter(|l| l.transport.is_secure()).map(|l| l.local.ip().to_string());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    names.into_iter().chain(advertised).chain(local).filter(|name| seen.insert(name.clone())).collect()
}
