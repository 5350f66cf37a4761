//! What a person sees when the server starts: where it listens, and how to enter the first accounts in a phone.

use std::path::Path;

use offhook_node::Settings;
use offhook_proxy::Local;
use qrcode::QrCode;
use qrcode::render::unicode;

use crate::first_start::Newcomer;

/// Prints the map of the server, and the new accounts.
pub fn welcome(settings: &Settings, newcomers: &[Newcomer], data_dir: &Path) {
    println!("Offhook {} is listening:", env!("CARGO_PKG_VERSION"));
    for local in settings.identity.locals() {
        println!("  {:<4} {}", local.transport.name(), local.sent_by);
    }
    println!("Data directory: {}", data_dir.display());
    for newcomer in newcomers {
        introduce(newcomer, settings);
    }
    if !newcomers.is_empty() {
        println!("\nThese passwords are shown once. More: offhook account add USER@{}", newcomers[0].domain);
    }
}

fn introduce(newcomer: &Newcomer, settings: &Settings) {
    let server = server_address(settings.identity.locals());
    println!("\n  Phone of {}", newcomer.user);
    println!("    server    {server}");
    println!("    user      {}", newcomer.user);
    println!("    password  {}", newcomer.password);
    println!("    address   sip:{}@{server}", newcomer.user);
    // A form that softphones understand: the address with its password, as in sip:user:password@host.
    let text = format!("sip:{}:{}@{server}", newcomer.user, newcomer.password);
    if let Ok(code) = QrCode::new(text) {
        let picture = code.render::<unicode::Dense1x2>().quiet_zone(true).build();
        picture.lines().for_each(|line| println!("    {line}"));
    }
}

/// The address that a phone on the network can use: the first that is not loopback.
fn server_address(locals: &[Local]) -> &str {
    let reachable = locals.iter().find(|l| !l.address.ip().is_loopback() && l.address.is_ipv4());
    reachable.or(locals.first()).map_or("", |l| l.sent_by.as_str())
}
