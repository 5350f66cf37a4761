//! `offhook status` beside a running server, and without one.

mod server;

use std::net::UdpSocket;

use serde_json::Value;
use server::{PATIENCE, Place, Server, text, within};

#[test]
fn what_the_shards_have_done_is_seen() {
    let place = Place::new();
    let server = Server::start(&place);
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..5 {
        phone.send_to(b"this is no SIP", server.listener("udp")).unwrap();
    }
    let counted = || -> Vec<Value> {
        let said = place.print(&["status", "--json"]);
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    within(PATIENCE, "five datagrams are counted", || {
        counted().iter().filter_map(|shard| shard["datagrams_in"].as_u64()).sum::<u64>() == 5
    });
    let shards = counted();
    assert!(shards.iter().enumerate().all(|(number, shard)| shard["shard"] == number), "{shards:?}");
    assert_eq!((&shards[0]["handed_over"], &shards[0]["closed"]), (&0.into(), &serde_json::json!({})));

    let shown = place.print(&["status"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with(&format!("Offhook {}, up for ", env!("CARGO_PKG_VERSION"))), "{shown}");
    assert_eq!(lines.len(), 3 + shards.len(), "{shown}");
    let words =
        |line: &str| line.split("  ").map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect();
    let titles: Vec<String> = words(lines[2]);
    let page = include_str!("../../docs/commands.md");
    let in_page = page.lines().map(words).any(|words: Vec<String>| words == titles);
    assert!(in_page, "the manual shows other columns than {titles:?}");
    drop(server);
    let output = place.run(&["status"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
}
