//! Every transport over either family of addresses: what is sent comes back by the way it came. RFC 3261 §18, RFC 5118.

mod browser;
mod secure;
mod server;

use std::io::{Read, Write};

use browser::{TEXT, masked, open};
use offhook_net::{Limits, WebSocketOptions};
use offhook_sip::Transport::{Tcp, Tls, Udp, Ws, Wss};
use secure::{Authority, anonymous, client, configs, expect, say};
use server::{Server, Told, echo, hear, message, phone};

const NAME: &str = "sip.example.org";

/// A message in a WebSocket, and the same that comes back.
fn by_websocket(stream: &mut (impl Read + Write), message: &[u8]) {
    open(stream);
    say(stream, &masked(TEXT, message));
    assert_eq!(browser::hear(stream), (TEXT, message.to_vec()));
}

/// RFC 3261 §18.2.1, RFC 7118 §5, RFC 6157 §3.1.
#[test]
fn every_transport_over_ipv4_and_ipv6() {
    for (ip, at) in [("127.0.0.1", "127.0.0.1:0"), ("::1", "[::1]:0")] {
        let authority = Authority::new();
        let tls = configs(&authority.sign(&[NAME]), &authority);
        let listen = [Udp, Tcp, Tls, Ws, Wss].map(|transport| (transport, at));
        let framing = (Some(tls), WebSocketOptions::default());
        let server = Server::start_websocket(&listen, Limits::default(), framing, echo());
        let config = anonymous(&authority);
        let message = message("x".repeat(2_000));

        let datagrams = phone(ip);
        datagrams.send_to(&message, server.address(0)).unwrap();
        assert_eq!(hear(&datagrams), message);
        let mut stream = server.dial(1);
        say(&mut stream, &message);
        expect(&mut stream, &message);
        let mut stream = client(&config, server.dial(2), NAME);
        say(&mut stream, &message);
        expect(&mut stream, &message);
        by_websocket(&mut server.dial(3), &message);
        by_websocket(&mut client(&config, server.dial(4), NAME), &message);

        for (listener, (transport, _)) in listen.iter().enumerate() {
            let flow = server.wait_told(|_, told| match told {
                Told::Received(flow, _) => Some(*flow),
                _ => None,
            });
            assert_eq!((flow.transport, usize::from(flow.listener)), (*transport, listener));
            assert_eq!(flow.remote.ip().to_string(), ip, "{}", transport.name());
        }
    }
}
