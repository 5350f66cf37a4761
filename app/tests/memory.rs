//! What a server takes that has nothing to do.

mod server;

use server::{Place, Server};

/// Resident at most, the program itself and libraries included, KiB.
const IDLE_KIB_MAX: usize = 15 * 1024;

#[test]
fn an_idle_server_is_small() {
    let server = Server::start(&Place::with("[engine]\nshards = 1\n"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: usize = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!((1_000..=IDLE_KIB_MAX).contains(&kib), "{kib} KiB resident:\n{status}");
}
