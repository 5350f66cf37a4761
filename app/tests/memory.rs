//! What a server takes that has nothing to do.

mod server;

use server::{Place, Server};

/// Resident at most, the program itself and libraries included, KiB: of the program as it is shipped.
const IDLE_KIB_MAX: usize = 15 * 1024;

/// What it allocates of that at most, KiB. The rest is pages of the program's own file, of which a build for tests has
/// twice as many.
const IDLE_OWN_KIB_MAX: usize = 5 * 1024;

#[test]
fn an_idle_server_is_small() {
    let server = Server::start(&Place::with("[engine]\nshards = 1\n"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let kib_of = |name: &str| -> usize {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let own = kib_of("RssAnon:");
    assert!((500..=IDLE_OWN_KIB_MAX).contains(&own), "{own} KiB of its own:\n{status}");
    if !cfg!(debug_assertions) {
        let whole = kib_of("VmRSS:");
        assert!((1_000..=IDLE_KIB_MAX).contains(&whole), "{whole} KiB resident:\n{status}");
    }
}
