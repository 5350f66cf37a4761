//! `offhook check`, and how every command finds its configuration.

use std::io::{self, Write};

use offhook_config::{Config, ConfigError};
use offhook_net::Clock;

use crate::certificates;
use crate::cli::Common;
use crate::names;
use crate::notes::notes;

/// The configuration that the options name, with the data directory they name.
pub fn load(common: &Common) -> anyhow::Result<Config> {
    let mut config = match &common.config {
        Some(path) => Config::load(path).map_err(told)?,
        None => Config::default(),
    };
    if let Some(data) = &common.data {
        config.data_dir.clone_from(data);
    }
    Ok(config)
}

/// What is wrong in the text begins with its place; the other errors name the file alone.
fn told(error: ConfigError) -> anyhow::Error {
    match error {
        ConfigError::Refused(_) => error.into(),
        _ => anyhow::Error::from(error).context("cannot read the configuration"),
    }
}

/// The domain of users that were named without one.
pub fn first_domain(config: &Config) -> &str {
    config.all_domains().next().map_or(offhook_node::DOMAIN_DEFAULT, |domain| domain.as_str())
}

/// Says whether the configuration is sound, and what it makes of the server.
pub fn run(common: &Common) -> anyhow::Result<()> {
    let config = load(common)?;
    names::check(&config)?;
    let certificates = certificates::check(&config, Clock::start().now_ms())?;
    let mut out = io::stdout().lock();
    match &common.config {
        Some(path) => writeln!(out, "{} is sound.", path.display())?,
        None => writeln!(out, "No file was given: these are the built-in defaults.")?,
    }
    writeln!(out, "  data directory  {}", config.data_dir.display())?;
    let mut domains: Vec<&str> = config.all_domains().map(|d| d.as_str()).collect();
    if domains.is_empty() {
        domains.push(offhook_node::DOMAIN_DEFAULT);
    }
    writeln!(out, "  domains         {}", domains.join(", "))?;
    for listen in &config.listen {
        let advertised = listen.advertise.as_ref().map(|host| format!(", known as {host}"));
        writeln!(out, "  listens on      {listen}{}", advertised.unwrap_or_default())?;
    }
    for (file, when) in &certificates {
        writeln!(out, "  certificate     {} {when}", file.display())?;
    }
    for route in &config.route {
        writeln!(out, "  route           {route}")?;
    }
    for note in notes(&config) {
        writeln!(out, "  note            {note}")?;
    }
    Ok(())
}
