//! ICMP errors about what a server has sent: RFC 3261 §18.4. Loopback answers "port unreachable" as a host would.

mod server;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Duration;

use offhook_net::{Flow, IcmpError, Limits, Outbox};
use offhook_sip::Transport::Udp;
use server::{SENT_BY, Server, Told, eventually, hear, phone};

/// Addresses of this machine where nobody listens, and which the system gives to nobody who does not ask for them.
fn closed<const N: usize>(ip: &str) -> [SocketAddr; N] {
    // Each test has its own, each process too.
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 10_000) as u16 + TAKEN.fetch_add(100, Relaxed);
    let mut sockets = (first..32_000).filter_map(|port| UdpSocket::bind((ip, port)).ok());
    let sockets: [UdpSocket; N] = std::array::from_fn(|_| sockets.next().unwrap());
    sockets.map(|socket| socket.local_addr().unwrap())
}

fn errors(server: &Server, count: usize) -> Vec<(usize, SocketAddr, IcmpError, Vec<u8>)> {
    let next = |shard, told: &Told| match told {
        Told::Icmp(to, error, quoted) => Some((shard, to.remote, *error, quoted.clone())),
        Told::Failed(ticket) => panic!("{ticket} has failed, and it should not"),
        _ => None,
    };
    (0..count).map(|_| server.wait_told(next)).collect()
}

/// In one batch with datagrams for others. These arrive, all of them and in order, although the kernel tells the error in the
/// place of what is sent next. RFC 3261 §18.4.
#[test]
fn a_port_where_nobody_listens_is_told_and_nobody_else_suffers() {
    for (ip, listen) in [("127.0.0.1", "127.0.0.1:0"), ("::1", "[::1]:0")] {
        let [gone, vanished] = closed(ip);
        // Of one size they would leave as one, and loopback would answer once.
        let for_nobody = |n: usize| [b"for nobody ".to_vec(), vec![b'0'; n]].concat();
        let receive = move |from: &Flow, _: &[u8], out: &mut Outbox| {
            for n in 0..20 {
                out.push(format!("for the phone {n}").as_bytes(), *from, 1);
                if n % 5 == 0 {
                    out.push(&for_nobody(n), Flow { remote: gone, ..*from }, 100);
                }
            }
            out.push(b"for nobody else", Flow { remote: vanished, ..*from }, 200);
        };
        let server = Server::start(&[(Udp, listen)], Limits::default(), Box::new(receive));
        let phone = phone(ip);
        for round in 0..10 {
            phone.send_to(b"go", server.address(0)).unwrap();
            for n in 0..20 {
                assert_eq!(hear(&phone), format!("for the phone {n}").into_bytes(), "round {round}");
            }
            let mut told = errors(&server, 5);
            told.sort();
            let to_gone = (0..20).step_by(5).map(|n| (0, gone, IcmpError::Port, for_nobody(n)));
            let mut expected: Vec<_> = to_gone.collect();
            expected.push((0, vanished, IcmpError::Port, b"for nobody else".to_vec()));
            expected.sort();
            assert_eq!(told, expected);
        }
        let counters = &server.counters[0];
        assert_eq!((counters.sends_failed.get(), counters.datagrams_lost.get()), (0, 0));
        assert_eq!(counters.icmp_errors.get(), 50);
    }
}

/// The kernel gives an error to the shard that hears that peer; that is not always the one that has sent.
#[test]
fn an_error_is_handed_to_the_shard_that_has_sent() {
    const SHARDS: usize = 3;
    let targets: [SocketAddr; 40] = closed("127.0.0.1");
    let server = Server::start_shards(SHARDS, &[(Udp, "127.0.0.1:0")], Limits::default(), |shard| {
        Box::new(move |from, _, out| {
            let text = [SENT_BY, shard.to_string().as_bytes()].concat();
            targets.iter().for_each(|target| out.push(&text, Flow { remote: *target, ..*from }, 0));
        })
    });
    phone("127.0.0.1").send_to(b"go", server.address(0)).unwrap();
    let told = errors(&server, targets.len());
    let sender = usize::from(told[0].3[SENT_BY.len()] - b'0');
    assert!(told.iter().all(|(shard, ..)| *shard == sender), "{told:?}");
    let mut whom: Vec<SocketAddr> = told.iter().map(|(_, to, ..)| *to).collect();
    let mut expected = targets.to_vec();
    whom.sort_unstable();
    expected.sort_unstable();
    assert_eq!(whom, expected);
    let handed_over = || server.counters.iter().map(|counters| counters.handed_over.get()).sum::<u64>();
    eventually("handed over", || handed_over() > 0);
}

/// Whether the server answers, if not the first time: errors that nobody has read yet take room in its socket, and what finds none is
/// lost, which is what phones repeat themselves for (RFC 3261 §17.1.2.2).
fn is_there(phone: &UdpSocket, server: SocketAddr) -> bool {
    let patience = phone.read_timeout().unwrap();
    phone.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut answer = [0; 64];
    let heard = (0..7).any(|_| {
        phone.send_to(b"still there?", server).unwrap();
        phone.recv(&mut answer).is_ok_and(|length| &answer[..length] == b"still there?")
    });
    phone.set_read_timeout(patience).unwrap();
    heard
}

/// Too many errors are not heard for the rest of the second. Datagrams come and go all the while.
#[test]
fn a_flood_of_errors_stops_nothing() {
    let [gone] = closed("127.0.0.1");
    let receive = move |from: &Flow, message: &[u8], out: &mut Outbox| {
        if message == b"flood" {
            // Of one size they would leave as one, and loopback would answer once.
            (0..64).for_each(|n| out.push(&vec![b'x'; 100 + n], Flow { remote: gone, ..*from }, 1));
        } else {
            out.push(message, *from, 1);
        }
    };
    let server = Server::start(&[(Udp, "127.0.0.1:0")], Limits::default(), Box::new(receive));
    let (phone, counters) = (phone("127.0.0.1"), &server.counters[0]);
    eventually("a pause", || {
        for _ in 0..20 {
            phone.send_to(b"flood", server.address(0)).unwrap();
        }
        assert!(is_there(&phone, server.address(0)));
        counters.icmp_pauses.get() > 0
    });
    let before = counters.icmp_errors.get();
    eventually("errors are heard again", || {
        phone.send_to(b"flood", server.address(0)).unwrap();
        counters.icmp_errors.get() > before
    });
    assert_eq!((counters.sends_failed.get(), counters.datagrams_lost.get()), (0, 0));
}
