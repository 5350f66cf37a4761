//! When the process has no descriptor left. Alone in its file: the limit is the whole process's.

mod server;

use std::fs::File;

use offhook_net::{Flow, Limits, Outbox};
use offhook_sip::Transport::{Tcp, Udp};
use server::{Server, Told, eventually, message, phone, read_exactly, say};
use socket2::{Domain, Socket, Type};

#[test]
fn accepting_rests_and_goes_on() {
    let connect_or_echo = |from: &Flow, bytes: &[u8], out: &mut Outbox| match from.transport {
        Udp => out.push(bytes, Flow { transport: Tcp, listener: 0, ..*from }, 9),
        _ => out.push(bytes, *from, 0),
    };
    let listen = [(Tcp, "127.0.0.1:0"), (Udp, "127.0.0.1:0")];
    let server = Server::start(&listen, Limits::default(), Box::new(connect_or_echo));
    let clients: Vec<_> = (0..5).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
    let phone = phone("127.0.0.1");

    limit_descriptors(128);
    let null = File::open("/dev/null").unwrap();
    let fill: Vec<File> = std::iter::from_fn(|| null.try_clone().ok()).collect();
    clients.iter().for_each(|client| client.connect(&server.address(0).into()).unwrap());
    let counters = &server.counters[0];
    eventually("accepting rests a third time", || counters.accept_pauses.get() >= 3);
    assert_eq!(counters.accepted.get(), 0);
    assert!(counters.turns.get() < 20, "{} turns: it spins", counters.turns.get());
    // Opening a connection fails just as politely.
    phone.send_to(b"call", server.address(1)).unwrap();
    server.wait_told(|_, told| matches!(told, Told::Failed(9)).then_some(()));

    drop(fill);
    for client in clients {
        let client = client.into();
        say(&client, &message("patience"));
        read_exactly(&client, &message("patience"));
    }
}

fn limit_descriptors(count: u64) {
    let limit = libc::rlimit { rlim_cur: count, rlim_max: count };
    // SAFETY: reads one struct that lives through the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}
