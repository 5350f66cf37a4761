//! A disk that is full: registrations are refused, and none that was accepted is lost.

mod phone;
mod server;

use phone::Phone;
use server::{Place, Server};

const USERS: usize = 20;

/// More rounds than fit.
const ROUNDS_MAX: usize = 1_000;

/// Room for the accounts and some rounds of registrations.
const DISK_KILOBYTES: u32 = 256;

/// RFC 3261 §10.3, RFC 3261 §21.5.4.
#[test]
fn a_full_disk_refuses_registrations_and_loses_none() {
    let place = Place::new();
    let accounts: String = (0..USERS).map(|n| format!("u{n},offhook.internal,pw{n},\n")).collect();
    let file = place.write("accounts.csv", accounts);
    place.print(&["account", "import", &file]);

    let mut server = Server::start_on_small_disk(&place, DISK_KILOBYTES);
    let mut phones: Vec<Phone> =
        (0..USERS).map(|n| Phone::new(server.udp, &format!("u{n}"), &format!("pw{n}"))).collect();
    let mut accepted = vec![0; USERS];
    let refused = 'full: {
        for round in 1..ROUNDS_MAX {
            for (n, phone) in phones.iter_mut().enumerate() {
                phone.user_agent = format!("round {round:<60}");
                match phone.register(3600) {
                    200 => accepted[n] = round,
                    503 => break 'full n,
                    other => panic!("u{n} got {other} in round {round}"),
                }
            }
        }
        panic!("the disk never filled");
    };
    assert!(accepted[0] > 3, "some rounds fit: {accepted:?}");

    // It goes on: whoever asks next gets the same clear answer, and nothing has changed for anyone.
    assert_eq!(phones[refused].register(3600), 503);
    server.wait_event("store.failed");
    assert_eq!(server.wait_event("register.refused")["status"], 503);
    server.kill();
    let bindings = place.print(&["bindings", "--json"]);
    for (n, round) in accepted.iter().enumerate() {
        let line = bindings.lines().find(|line| line.contains(&format!("\"u{n}@offhook.internal\"")));
        let line = line.unwrap_or_else(|| panic!("u{n} is lost: {bindings}"));
        assert!(
            line.contains(&format!("round {round:<60}").trim_end().to_owned()),
            "u{n}, round {round}: {line}"
        );
    }

    // With room again, registrations are accepted again.
    let server = Server::start(&place);
    assert_eq!(Phone::new(server.udp, "u0", "pw0").register(3600), 200);
}
