//! STUN on the SIP port, through real sockets.

mod server;

use std::net::UdpSocket;

use server::{PATIENCE, Place, Server};

/// A phone asks whether its way is still open, and hears from where it was heard. RFC 5626 §3.5.2, RFC 5626 §8.
#[test]
fn a_phone_keeps_its_way_open() {
    let place = Place::new();
    let server = Server::start(&place);
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = b"\x00\x01\x00\x00\x21\x12\xa4\x42an_id_of_12b";
    phone.send_to(request, server.udp).unwrap();
    let mut answer = [0; 100];
    let length = phone.recv(&mut answer).unwrap();
    assert_eq!(&answer[..2], [1, 1], "a Binding success");
    assert_eq!(answer[4..20], request[4..]);
    let port = u16::from_be_bytes([answer[26], answer[27]]) ^ 0x2112;
    assert_eq!((length, port), (32, phone.local_addr().unwrap().port()));
}
