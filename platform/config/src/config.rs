//! The file as a whole.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::abuse::Abuse;
use crate::check;
use crate::domain::Domain;
use crate::error::{Cause, ConfigError};
use crate::host::Host;
use crate::identity::Identity;
use crate::listen::Listen;
use crate::messages::Messages;
use crate::place::Place;
use crate::report::Report;
use crate::route::Route;
use crate::secret_file;
use crate::security::Security;
use crate::session_timer::SessionTimer;
use crate::settings::{Access, Cdr, Digest, Dns, Engine, Limits, Log, Overload, Proxy, Registrar, Timers};
use crate::syntax::explain;
use crate::table::{root, section};
use crate::tls::Tls;
use crate::trunk::Trunk;
use crate::value::{Value, Written};
use crate::websocket::WebSocket;
use crate::words::ZoneName;

/// Largest file read, in bytes: a thousand times a long configuration, and small enough to read a wrong file whole.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

section! {
    /// These stand at the beginning of the file, above the first table.
    pub struct Config {
        /// The directory of everything that must survive a restart; made at start where it is missing. A relative
        /// path starts from the working directory.
        data_dir: PathBuf = PathBuf::from("data"),
            because "trying the server out needs no rights and leaves one directory to delete";
        /// The domains whose users this server has. Where none is listed, the addresses it listens at are its
        /// domains.
        domains: Vec<Host> = Vec::new(),
            because "phones that were given only an address work, before any domain is set up",
            example "[\"example.org\"]";
        /// Domains with settings of their own.
        domain: Vec<Domain> = Vec::new(), because "what is good for one is good for all, as a rule";
        /// Where the server listens.
        listen: Vec<Listen> = Listen::everywhere(),
            because "phones try UDP and TCP on port 5060 when they are told nothing else (RFC 3261 §19.1.2)";
        /// The time zone of hours in routes, by its name in the IANA database.
        timezone: Option<ZoneName> = None, because "the machine knows where it stands", example "\"Europe/Berlin\"";
        /// Rules, tried in the order of the file.
        route: Vec<Route> = Vec::new(), because "calls leave the server only where you say so";
        /// Neighbours that routes lead to.
        trunk: Vec<Trunk> = Vec::new(), because "a server knows no neighbours by itself";
        /// Registrations.
        registrar: Registrar = Registrar::default();
        /// Digest authentication.
        digest: Digest = Digest::default();
        /// Who may use the server.
        access: Access = Access::default();
        /// Forwarding.
        proxy: Proxy = Proxy::default();
        /// Who calls.
        identity: Identity = Identity::default();
        /// Session timers.
        session_timer: SessionTimer = SessionTimer::default();
        /// Names of next hops.
        dns: Dns = Dns::default();
        /// Clocks of transactions.
        timers: Timers = Timers::default();
        /// Keys.
        security: Security = Security::default();
        /// Bounds.
        limits: Limits = Limits::default();
        /// Overload.
        overload: Overload = Overload::default();
        /// Abuse.
        abuse: Abuse = Abuse::default();
        /// Use of the machine.
        engine: Engine = Engine::default();
        /// Call detail records.
        cdr: Cdr = Cdr::default();
        /// Messages that wait.
        messages: Messages = Messages::default();
        /// TLS.
        tls: Tls = Tls::default();
        /// WebSocket.
        websocket: WebSocket = WebSocket::default();
        /// The log.
        log: Log = Log::default();
    }
}

impl Config {
    /// Reads the configuration of this file.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] and [`ConfigError::TooLarge`] for the file, otherwise those of [`Config::parse`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable { path: path.to_owned(), error };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLarge { path: path.to_owned() });
        }
        let name = path.display().to_string();
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::read_in(text, &name, Some(path.parent().unwrap_or(Path::new("")))),
            Err(error) => Err(not_text(&bytes[..error.valid_up_to()], &name)),
        }
    }

    /// Reads the configuration from `text`; `name` stands for the file in messages. Other files that it names are not
    /// looked at.
    ///
    /// # Errors
    /// [`ConfigError::Refused`] with every problem of the text. Where it is not even TOML these are the places
    /// where it is not, for what the keys mean cannot be told then.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::read_in(text, name, None)
    }

    /// The same; `folder`: where files are that it names.
    fn read_in(text: &str, name: &str, folder: Option<&Path>) -> Result<Self, ConfigError> {
        let mut report = Report::new(text);
        read(text, folder, &mut report).ok_or_else(|| ConfigError::Refused(report.into_problems(name)))
    }
}

/// The configuration, or `None` when anything was reported.
fn read(text: &str, folder: Option<&Path>, report: &mut Report<'_>) -> Option<Config> {
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    for error in syntax_errors {
        let offset = error.span().map_or(0, |span| span.start);
        report.refuse(offset, explain(text, offset, error.message()));
    }
    if !report.is_clean() {
        return None;
    }
    let value = root(document);
    let mut config = Config::read(&Written { place: Place::top(), value: &value, bounds: None }, report)?;
    check::across_keys(&config, report);
    if let (Some(folder), true) = (folder, report.is_clean()) {
        secret_file::read_all(&mut config, folder, report);
    }
    report.is_clean().then_some(config)
}

fn not_text(text: &[u8], name: &str) -> ConfigError {
    let text = String::from_utf8_lossy(text);
    let mut report = Report::new(&text);
    report.refuse(text.len(), Cause::NotText);
    ConfigError::Refused(report.into_problems(name))
}
