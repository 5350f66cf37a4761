//! `offhook check`, and how every command finds its configuration.

use offhook_config::Config;

use crate::cli::Common;

/// The configuration that the options name, with the data directory they name.
pub fn load(common: &Common) -> anyhow::Result<Config> {
    let mut config = match &common.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    if let Some(data) = &common.data {
        config.data_dir.clone_from(data);
    }
    Ok(config)
}

/// Says whether the configuration is sound, and what it makes of the server.
pub fn run(common: &Common) -> anyhow::Result<()> {
    let config = load(common)?;
    match &common.config {
        Some(path) => println!("{} is sound.", path.display()),
        None => println!("No file was given: these are the built-in defaults."),
    }
    println!("  data directory  {}", config.data_dir.display());
    let domains: Vec<&str> = config.domains.iter().map(|d| d.as_str()).collect();
    let domains =
        if domains.is_empty() { offhook_node::DOMAIN_DEFAULT.to_owned() } else { domains.join(", ") };
    println!("  domains         {domains}");
    for listen in &config.listen {
        println!("  listens on      {listen}");
    }
    for route in &config.route {
        let domain = route.when.domain.as_ref().map_or("", |d| d.as_str());
        println!("  route           {domain} goes to {}", route.to);
    }
    Ok(())
}
