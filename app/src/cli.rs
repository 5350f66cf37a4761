//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::ping::Target;

/// A SIP communication platform in one program.
///
/// Without a command it serves: phones register and call each other at once. The first start makes its data directory
/// and two accounts, and says how to enter them in a phone.
#[derive(Parser, Debug)]
#[command(name = "offhook", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Options {
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of every command.
#[derive(Args, Debug, Clone)]
pub struct Common {
    /// The configuration file. Without it the built-in defaults serve.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Options of every command")]
    pub config: Option<PathBuf>,
    /// The data directory, instead of data_dir of the configuration (by default "data").
    #[arg(long, global = true, value_name = "DIR", help_heading = "Options of every command")]
    pub data: Option<PathBuf>,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the server (the default).
    Serve,
    /// Manage accounts; a running server sees each change within a second.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Look at bans of the running server, and lift them.
    #[command(subcommand)]
    Ban(BanCommand),
    /// Show who is registered where.
    Bindings(BindingsArguments),
    /// Look at call detail records.
    #[command(subcommand)]
    Cdr(CdrCommand),
    /// Look at messages that wait for those who cannot be reached.
    #[command(subcommand)]
    Messages(MessagesCommand),
    /// Check the configuration and say what it means.
    Check,
    /// Ask a SIP server whether it lives, with OPTIONS.
    Ping(PingArguments),
    /// Show where a name leads: which questions are asked, what the name servers say, and in which order servers
    /// would be tried.
    Resolve(ResolveArguments),
    /// Show what would happen to a request, and which rule says so. Nothing is sent.
    Route(RouteArguments),
    /// Show what the shards of the running server have done.
    Status(StatusArguments),
    /// Show how the trunks of the running server stand: targets, health, registrations, calls.
    Trunks(TrunksArguments),
}

/// What `status` may be asked.
#[derive(Args, Debug)]
pub struct StatusArguments {
    /// One JSON object a line, for each shard, with all that is counted.
    #[arg(long)]
    pub json: bool,
}

/// What `trunks` may be asked.
#[derive(Args, Debug)]
pub struct TrunksArguments {
    /// One JSON object a line, with all that is known.
    #[arg(long)]
    pub json: bool,
}

/// What `route` may be asked.
#[derive(Args, Debug)]
pub struct RouteArguments {
    /// Who calls: alice, alice@example.org, sip:alice@example.org.
    pub from: String,
    /// Whom: bob, +4930123, sip:bob@example.net, tel:+4930123.
    pub to: String,
    /// The method of the request.
    #[arg(long, value_name = "METHOD", default_value = "INVITE", value_parser = crate::route::method)]
    pub method: String,
    /// The address it comes from; by default one that is nobody's.
    #[arg(long, value_name = "IP")]
    pub source: Option<std::net::IpAddr>,
    /// The transport it comes by.
    #[arg(long, value_name = "TRANSPORT", default_value = "udp")]
    pub transport: String,
    /// When it comes, if not now: 2026-11-02T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = crate::route::time)]
    pub at: Option<jiff::Timestamp>,
    /// As somebody who shows no credentials.
    #[arg(long)]
    pub unproved: bool,
}

/// What can be done with accounts.
#[derive(Subcommand, Debug)]
pub enum AccountCommand {
    /// Add an account. Without --password-stdin a password is made and printed.
    Add {
        /// The address-of-record: alice@example.org; alice alone means the server's first domain.
        #[arg(value_name = "USER[@DOMAIN]")]
        aor: Aor,
        /// Read the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List accounts.
    List {
        /// Only accounts of this domain.
        #[arg(long)]
        domain: Option<String>,
        /// Only accounts with this in the user name.
        #[arg(long, value_name = "TEXT")]
        user: Option<String>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Remove an account, and what its phones have registered.
    Remove {
        /// The address-of-record: alice@example.org; alice alone means the server's first domain.
        #[arg(value_name = "USER[@DOMAIN]")]
        aor: Aor,
    },
    /// Give an account another password. Without --password-stdin one is made and printed.
    Password {
        /// The address-of-record: alice@example.org; alice alone means the server's first domain.
        #[arg(value_name = "USER[@DOMAIN]")]
        aor: Aor,
        /// Read the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give an account another name in its domain: a number by which it is called.
    Alias {
        /// The address-of-record: alice@example.org; alice alone means the server's first domain.
        #[arg(value_name = "USER[@DOMAIN]")]
        aor: Aor,
        /// The other name: 17, +4930123456.
        #[arg(value_name = "NAME")]
        alias: String,
    },
    /// Take another name away.
    Unalias {
        /// The other name: +4930123456@example.org; without a domain it is one of the server's first.
        #[arg(value_name = "NAME[@DOMAIN]")]
        alias: Aor,
    },
    /// List other names of accounts.
    Aliases {
        /// Only those of this domain.
        #[arg(long)]
        domain: Option<String>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Add all accounts of a CSV file, or none: user,domain,password[,ha1].
    Import {
        /// The file; the first line may be a header.
        #[arg(value_name = "FILE.csv")]
        file: PathBuf,
    },
}

/// An address-of-record as it was typed; whether user and domain are possible names is for the accounts to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Aor {
    /// User part.
    pub user: String,
    /// Domain, where one was typed.
    pub domain: Option<String>,
}

/// What can be done with bans.
#[derive(Subcommand, Debug)]
pub enum BanCommand {
    /// List who is banned, whoever is free first at the top.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Ban a source by hand. Its connections are closed.
    Add {
        /// The address, or the /64 of an IPv6 address.
        #[arg(value_name = "SOURCE")]
        source: String,
        /// For how long, in seconds.
        #[arg(long = "for", value_name = "SECONDS", default_value_t = 86_400)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=31_536_000))]
        lasts_s: u32,
    },
    /// End a ban before its time, and forget what the source has done.
    Lift {
        /// The address, or the /64 of an IPv6 address, as `ban list` shows it.
        #[arg(value_name = "SOURCE", required_unless_present = "all")]
        source: Option<String>,
        /// End all bans.
        #[arg(long, conflicts_with = "source")]
        all: bool,
    },
}

/// What `bindings` may be asked.
#[derive(Args, Debug)]
pub struct BindingsArguments {
    /// Only addresses-of-record with this in them.
    #[arg(value_name = "TEXT")]
    pub filter: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// What can be done with call detail records.
#[derive(Subcommand, Debug)]
pub enum CdrCommand {
    /// List calls that are over: the latest that fit, the oldest of them first.
    List(CdrListArguments),
}

/// What `cdr list` may be asked.
#[derive(Args, Debug)]
pub struct CdrListArguments {
    /// Only calls that began then or later: 2026-11-21, or 2026-11-21T08:15:03Z (a date is UTC).
    #[arg(long, value_name = "TIME", value_parser = utc_ms)]
    pub since: Option<u64>,
    /// Only calls that began before.
    #[arg(long, value_name = "TIME", value_parser = utc_ms)]
    pub until: Option<u64>,
    /// Only calls with this in the caller's URI or account.
    #[arg(long, value_name = "TEXT")]
    pub from: Option<String>,
    /// Only calls with this in To or in the Request-URI.
    #[arg(long, value_name = "TEXT")]
    pub to: Option<String>,
    /// Only calls with this final status.
    #[arg(long)]
    pub status: Option<u16>,
    /// Only calls that went out by this trunk.
    #[arg(long, value_name = "NAME")]
    pub trunk: Option<String>,
    /// How many at most.
    #[arg(long, value_name = "CALLS", default_value_t = 50)]
    pub limit: u32,
    /// One JSON object a line, with all that is known.
    #[arg(long)]
    pub json: bool,
}

/// What can be done with messages that wait.
#[derive(Subcommand, Debug)]
pub enum MessagesCommand {
    /// List messages that wait, the oldest first.
    List(MessagesListArguments),
    /// Delete messages that wait.
    Delete(MessagesDeleteArguments),
}

/// What `messages list` may be asked.
#[derive(Args, Debug)]
pub struct MessagesListArguments {
    /// Only those for this address-of-record: alice@example.org; alice alone means the server's first domain.
    #[arg(value_name = "USER[@DOMAIN]")]
    pub aor: Option<Aor>,
    /// Only the message with this number.
    #[arg(long, value_name = "ID")]
    pub id: Option<u64>,
    /// How many at most.
    #[arg(long, value_name = "MESSAGES", default_value_t = 50)]
    pub limit: u32,
    /// One JSON object a line, with all that is known and what they say.
    #[arg(long)]
    pub json: bool,
}

/// Which messages are to be deleted.
#[derive(Args, Debug)]
#[group(required = true)]
pub struct MessagesDeleteArguments {
    /// Those for this address-of-record: alice@example.org; alice alone means the server's first domain.
    #[arg(value_name = "USER[@DOMAIN]")]
    pub aor: Option<Aor>,
    /// The message with this number.
    #[arg(long, value_name = "ID")]
    pub id: Option<u64>,
}

/// A point in time as it was typed, in ms since 1970.
fn utc_ms(text: &str) -> Result<u64, String> {
    let midnight = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let at = text.parse::<Timestamp>().ok().or_else(midnight);
    let at = at.ok_or("a date (2026-11-21) or a time (2026-11-21T08:15:03Z) is wanted")?;
    u64::try_from(at.as_millisecond()).map_err(|_| "before 1970 nobody called".to_owned())
}

/// What `ping` may be asked.
#[derive(Args, Debug)]
pub struct PingArguments {
    /// Whom to ask: sip:192.0.2.1, sip:sip.example.org:5070;transport=tcp.
    #[arg(value_name = "URI")]
    pub target: Target,
    /// How many times, a second apart.
    #[arg(short, long, value_name = "TIMES", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// How long to wait for each answer, in seconds.
    #[arg(short, long, value_name = "SECONDS", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=32))]
    pub timeout: u32,
}

/// What `resolve` may be asked.
#[derive(Args, Debug)]
pub struct ResolveArguments {
    /// What to look for: example.org, sip:example.org:5070, sips:example.org, sip:example.org;transport=tcp.
    #[arg(value_name = "URI")]
    pub uri: String,
}

/// Why something typed is no address-of-record.
#[derive(Debug, thiserror::Error)]
#[error("this is no USER@DOMAIN, such as alice@example.org")]
pub struct NoAor;

impl FromStr for Aor {
    type Err = NoAor;

    fn from_str(text: &str) -> Result<Self, NoAor> {
        let bare = text.strip_prefix("sip:").unwrap_or(text);
        let (user, domain) = match bare.rsplit_once('@') {
            Some((user, domain)) => (user, Some(domain)),
            None => (bare, None),
        };
        if user.is_empty() || domain == Some("") {
            return Err(NoAor);
        }
        Ok(Self { user: user.to_owned(), domain: domain.map(str::to_owned) })
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done            3  the configuration is wrong
  1  failed          4  the network would not have it (address in use, no answer to ping)
  2  wrong usage     5  the data directory would not have it (in use, full, damaged)";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }

    /// Every command and every option that is not clap's own has its words in the manual.
    #[test]
    fn the_manual_knows_every_command_and_option() {
        const MANUAL: &str = include_str!("../../docs/commands.md");
        fn look(command: &clap::Command, path: &str) {
            for argument in command.get_arguments().filter_map(clap::Arg::get_long) {
                let own = !["help", "version"].contains(&argument);
                assert!(!own || MANUAL.contains(&format!("--{argument}")), "{path} --{argument}");
            }
            for below in command.get_subcommands() {
                let path = format!("{path} {}", below.get_name());
                let is_group = below.get_subcommands().next().is_some();
                assert!(is_group || MANUAL.contains(&format!("\n## {path}\n")), "no section {path}");
                look(below, &path);
            }
        }
        look(&Options::command(), "offhook");
    }

    #[test]
    fn addresses_of_record_are_taken_as_people_type_them() {
        let aor = |text: &str| text.parse::<Aor>().ok().map(|aor| (aor.user, aor.domain));
        let with = |user: &str, domain: &str| Some((user.to_owned(), Some(domain.to_owned())));
        assert_eq!(aor("alice@example.org"), with("alice", "example.org"));
        assert_eq!(aor("sip:alice@example.org"), with("alice", "example.org"));
        assert_eq!(aor("alice"), Some(("alice".to_owned(), None)));
        assert_eq!([aor(""), aor("@example.org"), aor("alice@"), aor("sip:")], [None, None, None, None]);
    }
}
