//! The configuration: one TOML file, every key optional, nothing guessed.
//!
//! ```text
//!   text ──toml──► document with spans ──walk against the tables of keys──► Config ──checks across keys──► Config
//!                                  │                                           │
//!                                  └────────── every problem, with its line ───┴──► ConfigError
//! ```
//!
//! The structs are the manual: a key's name, type, default and the reason of the default stand in one place
//! (`section!` in `table.rs`), and the walk, the suggestions, [`reference()`] and [`sample()`] are made from that.
//! The walk is written by hand, because only so an unknown key gets its line, all problems come at once and
//! each cause is said in the administrator's words.
//!
//! Not here: what changes daily (users, domains of tenants, trunks): that is data in the store. Nor is the
//! environment or the command line read here.

mod abuse;
mod check;
mod config;
mod destination;
mod domain;
mod error;
mod host;
mod hours;
mod identity;
mod listen;
mod manual;
mod messages;
mod names;
mod network;
mod place;
mod report;
mod route;
mod secret;
mod secret_file;
mod security;
mod service_route;
mod session_timer;
mod settings;
mod suggest;
mod syntax;
mod table;
mod tls;
mod trunk;
mod value;
mod websocket;
mod words;

pub use abuse::Abuse;
pub use config::{CONFIG_BYTES_MAX, Config};
pub use destination::{Destination, NamedHop};
pub use domain::Domain;
pub use error::{Cause, ConfigError, Fault, Hint, Position, Problem, Problems};
pub use host::{Host, HostPort};
pub use hours::Hours;
pub use identity::Identity;
pub use listen::Listen;
pub use manual::{reference, sample};
pub use messages::Messages;
pub use names::{CdrFiles, DigestAlgorithm, LogFormat, LogLevel, Recursion, RouteMode, Spread};
pub use network::Network;
pub use route::{Match, NextHop, Route};
pub use secret::Secret;
pub use security::Security;
pub use service_route::RouteUri;
pub use session_timer::SessionTimer;
pub use settings::{Access, Cdr, Digest, Dns, Engine, Limits, Log, Overload, Proxy, Registrar, Timers};
pub use tls::{Tls, TlsDomain};
pub use trunk::{Trunk, TrunkTarget};
pub use websocket::{Origin, Path, WebSocket};
pub use words::{AgentName, Label, MethodName, Quoted, SipUri, UserPart, ZoneName};
