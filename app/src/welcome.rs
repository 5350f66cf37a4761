//! What a person sees when the server starts: where it listens and, at the first start, how to enter the two accounts
//! in a phone. The pictures come first, so that the words stand last and need no scrolling.

mod picture;
mod places;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use offhook_node::Settings;

use crate::cli::Common;
use crate::first_start::Newcomer;
use places::{Place, places};

/// Prints the welcome and waits until it is out. Pictures are for terminals only: in a file they are noise.
///
/// A reader that is gone is no reason not to serve.
pub fn print(settings: &Settings, newcomers: &[Newcomer], common: &Common, data_dir: &str) {
    let outward = places::outward_ip();
    let places = places(settings.identity.locals(), outward);
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let with_pictures = io::stdout().is_terminal() && !dumb;
    // The name that the server makes up means nothing to a phone.
    let domain = settings.identity.first_domain().filter(|domain| *domain != offhook_node::DOMAIN_DEFAULT);
    let text = text(&places, (newcomers, domain), &program(common), data_dir, with_pictures);
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The program with the options it was given, for the commands that the welcome recommends.
fn program(common: &Common) -> String {
    let mut program = String::from("offhook");
    for (option, value) in [("--config", &common.config), ("--data", &common.data)] {
        if let Some(path) = value {
            let _ = write!(program, " {option} {}", path.display());
        }
    }
    program
}

fn text(
    places: &[Place],
    (newcomers, domain): (&[Newcomer], Option<&str>),
    program: &str,
    data_dir: &str,
    with_pictures: bool,
) -> String {
    let mut text = String::new();
    let server = places.first();
    if let (Some(server), true) = (server, with_pictures) {
        for newcomer in newcomers {
            text.push_str(&picture::of(newcomer, server).unwrap_or_default());
        }
    }
    let _ = writeln!(text, "Offhook {} listens at\n", env!("CARGO_PKG_VERSION"));
    places::write(places, &mut text);
    let _ = writeln!(text, "\nIts data is in {data_dir}");
    if let (Some(server), [first, ..]) = (server, newcomers) {
        text.push_str("\nThis is its first start. Enter these accounts in two phones and call each other:\n");
        newcomers.iter().for_each(|newcomer| introduce(newcomer, (server, domain), &mut text));
        let _ = write!(
            text,
            "\nThese passwords are shown only now. Another one, and more accounts:\n\
             \n  {program} account password {}\n  {program} account add carol\n\n",
            first.user
        );
    }
    text
}

/// The fields as phones name them.
fn introduce(newcomer: &Newcomer, (server, domain): (&Place, Option<&str>), text: &mut String) {
    let Newcomer { user, password, .. } = newcomer;
    let address = &server.sent_by;
    let home = domain.unwrap_or(address);
    if let Some(domain) = domain {
        let _ = write!(text, "\n  domain    {domain}");
    }
    let _ = write!(
        text,
        "\n  server    {address}{}\n  user      {user}\n  password  {password}\n  address   sip:{user}@{home}\n",
        if server.has_udp() { "" } else { "  (transport TCP)" }
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_proxy::Local;
    use offhook_sip::Transport;

    fn newcomers() -> Vec<Newcomer> {
        ["alice", "bob"].map(|user| Newcomer { user, password: "vkxqw-mh3jf-u8tp2-csaxy".to_owned() }).into()
    }

    fn server() -> Vec<Place> {
        // As long as an address can be.
        let address = "[2001:db8:1111:2222:3333:4444:5555:6666]:15060".parse().unwrap();
        places(&[Local::new(Transport::Udp, address, None)], None)
    }

    #[test]
    fn the_first_start_says_all_that_a_phone_asks_for() {
        let text = text(&server(), (&newcomers(), None), "offhook", "data", false);
        let server = "[2001:db8:1111:2222:3333:4444:5555:6666]:15060";
        for said in [server, "user      alice", "user      bob", "vkxqw", &format!("sip:bob@{server}")] {
            assert!(text.contains(said), "{said} in {text}");
        }
    }

    #[test]
    fn accounts_are_of_the_domain_that_is_configured() {
        let text = text(&server(), (&newcomers(), Some("example.org")), "offhook", "data", false);
        for said in ["domain    example.org", "server    [2001:", "address   sip:bob@example.org"] {
            assert!(text.contains(said), "{said} in {text}");
        }
    }

    #[test]
    fn it_fits_80_columns() {
        for with_pictures in [false, true] {
            let text = text(&server(), (&newcomers(), None), "offhook --data data", "data", with_pictures);
            let plain = picture::without_colours(&text);
            let widest = plain.lines().max_by_key(|line| line.chars().count()).unwrap();
            assert!(widest.chars().count() <= 80, "{widest}");
        }
    }

    #[test]
    fn later_starts_name_no_account() {
        let text = text(&server(), (&[], None), "offhook", "data", true);
        assert!(!text.contains("password") && !text.contains('█'), "{text}");
    }
}
