//! A filter in the kernel that drops some of the new requests of some sources before they cost a wake-up, a copy and room
//! in the queue: a program of classic BPF (`linux/filter.h`) on a UDP socket.
//!
//! ```text
//!   INVITE, REGISTER, OPTIONS, MESSAGE, SUBSCRIBE, PUBLISH   no emergency   from a named source   thrown low ──► dropped
//!        anything else                                         │ else            │ else              │ else ──► queued
//! ```

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::sock_filter;

/// Most sources that one filter names: six questions find one of them, and the program stays below what kernels let a socket
/// have for it (`optmem_max`).
pub const SIEVED_MAX: usize = 64;

/// So few sources are asked for one after the other.
const IN_A_ROW_MAX: usize = 2;

/// A UDP socket's filter sees the header of UDP first, bytes.
const PAYLOAD: u32 = 8;

/// Where the header of IP begins, and where the kernel's extras are.
const SKF_NET_OFF: u32 = -0x10_0000_i32 as u32;
const SOURCE_V4: u32 = SKF_NET_OFF + 12;
const SOURCE_V6: u32 = SKF_NET_OFF + 8;
const SKF_AD_RANDOM: u32 = (-0x1000_i32 + 56) as u32;

/// Instructions, from `linux/bpf_common.h`.
const LOAD_WORD: u16 = 0x20;
const LOAD_LENGTH: u16 = 0x80;
const OR: u16 = 0x44;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ABOVE: u16 = 0x25;
const JUMP_NOT_LESS: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Keeps a whole datagram, or nothing of it.
const TAKE: sock_filter = sock_filter { code: RETURN, jt: 0, jf: 0, k: u32::MAX };
const DROP: sock_filter = sock_filter { code: RETURN, jt: 0, jf: 0, k: 0 };

/// The shortest datagram that is looked at, the header of UDP included: shorter ones are no requests.
const LOOKED_AT_BYTES: u32 = 40;

/// Lets only so many thousandths of the new requests of these sources into the socket's queue; no sources: everything.
pub(crate) fn sift(socket: BorrowedFd<'_>, ipv4: bool, sources: &[(IpAddr, u16)]) -> io::Result<()> {
    let program = program(ipv4, sources);
    if program.is_empty() {
        return detach(socket);
    }
    // Until one is replaced, both count towards what the kernel lets a socket have.
    attach(socket, &program).or_else(|_| detach(socket).and_then(|()| attach(socket, &program)))
}

fn attach(socket: BorrowedFd<'_>, program: &[sock_filter]) -> io::Result<()> {
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    let size = size_of_val(&filter) as libc::socklen_t;
    // SAFETY: the kernel reads `filter` and the instructions it leads to, which live through the call, and copies them.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn detach(socket: BorrowedFd<'_>) -> io::Result<()> {
    let nothing = 0i32;
    let size = size_of_val(&nothing) as libc::socklen_t;
    // SAFETY: the value lives through the call; the kernel looks at nothing but that it is there.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DETACH_FILTER,
            (&raw const nothing).cast(),
            size,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The program, or none where no source is of this family.
fn program(ipv4: bool, sources: &[(IpAddr, u16)]) -> Vec<sock_filter> {
    let sifted = by_source(ipv4, sources);
    if sifted.is_empty() {
        return Vec::new();
    }
    let invite = emergencies();
    let others = [*b"REGI", *b"OPTI", *b"MESS", *b"SUBS", *b"PUBL"];
    let mut all = vec![
        op(LOAD_LENGTH, 0),
        branch(JUMP_NOT_LESS, LOOKED_AT_BYTES, 1, 0),
        TAKE,
        op(LOAD_WORD, PAYLOAD),
        branch(JUMP_EQUAL, word(*b"INVI"), others.len() as u8 + 1, 0),
    ];
    for (index, method) in others.iter().enumerate() {
        // Over the rest of the methods, the `TAKE`, and what is asked of an INVITE.
        let over = others.len() - index - 1 + 1 + invite.len();
        all.push(branch(JUMP_EQUAL, word(*method), over as u8, 0));
    }
    all.push(TAKE);
    all.extend(invite);
    all.extend(sifted);
    all
}

/// Takes an INVITE for help: `urn:…`, and `sip:` or `tel:` with one of the known numbers. Falls through otherwise.
fn emergencies() -> Vec<sock_filter> {
    /// Both cases of a letter become one, digits and the like stay what they are.
    const LOWER: u32 = 0x2020_2020;
    let uri = PAYLOAD + b"INVITE ".len() as u32;
    let numbers = [*b"112@", *b"911@", *b"sos@"];
    let behind_scheme = 2 + 2 * numbers.len() + 3;
    let mut all = vec![
        op(LOAD_WORD, uri),
        op(OR, LOWER),
        branch(JUMP_EQUAL, word(*b"urn:") | LOWER, 0, 1),
        TAKE,
        branch(JUMP_EQUAL, word(*b"sip:") | LOWER, 1, 0),
        branch(JUMP_EQUAL, word(*b"tel:") | LOWER, 0, behind_scheme as u8),
        op(LOAD_WORD, uri + 4),
        op(OR, LOWER),
    ];
    for number in numbers {
        all.extend([branch(JUMP_EQUAL, word(number) | LOWER, 0, 1), TAKE]);
    }
    // `tel:112 `. What only begins like it passes too: it is looked at more closely later.
    all.extend([
        op(AND, 0xffff_ff00),
        branch(JUMP_EQUAL, (word(*b"112 ") | LOWER) & 0xffff_ff00, 0, 1),
        TAKE,
    ]);
    all
}

/// Takes what comes from elsewhere; of each source its share.
fn by_source(ipv4: bool, sources: &[(IpAddr, u16)]) -> Vec<sock_filter> {
    let key = |ip: IpAddr| match ip.to_canonical() {
        IpAddr::V4(ip) if ipv4 => Some(Source::V4(ip.to_bits())),
        // A /64 is one subscriber.
        IpAddr::V6(ip) if !ipv4 => Some(Source::V6((ip.to_bits() >> 96) as u32, (ip.to_bits() >> 64) as u32)),
        _ => None,
    };
    let shares = sources.iter().take(SIEVED_MAX).filter_map(|(ip, share)| Some((key(*ip)?, *share)));
    let mut shares: Vec<_> = shares.collect();
    shares.sort_unstable();
    if shares.is_empty() { Vec::new() } else { search(&shares) }
}

/// The part of a source's address that is asked for: all of it, or the first two words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    V4(u32),
    V6(u32, u32),
}

/// Finds the source of a datagram among these, halving them; says the last word about it.
fn search(shares: &[(Source, u16)]) -> Vec<sock_filter> {
    if shares.len() <= IN_A_ROW_MAX {
        let mut all: Vec<_> = shares.iter().flat_map(|(source, share)| of_source(*source, *share)).collect();
        all.push(TAKE);
        return all;
    }
    let (below, others) = shares.split_at(shares.len() / 2);
    let (below, from) = (search(below), search(others));
    let mut all = others.first().map(|(first, _)| is_below(*first, below.len())).unwrap_or_default();
    all.extend(below);
    all.extend(from);
    all
}

/// Goes on where the address is below this one; jumps over so many instructions more where it is not.
fn is_below(first: Source, over: usize) -> Vec<sock_filter> {
    let jump = op(JUMP, over as u32);
    match first {
        Source::V4(word) => {
            vec![op(LOAD_WORD, SOURCE_V4), branch(JUMP_NOT_LESS, word, 0, 1), jump]
        }
        Source::V6(high, low) => vec![
            op(LOAD_WORD, SOURCE_V6),
            branch(JUMP_ABOVE, high, 3, 0),
            branch(JUMP_EQUAL, high, 0, 3),
            op(LOAD_WORD, SOURCE_V6 + 4),
            branch(JUMP_NOT_LESS, low, 0, 1),
            jump,
        ],
    }
}

/// Says the last word about what comes from this source; goes on with anything else.
fn of_source(source: Source, share_permille: u16) -> Vec<sock_filter> {
    let share = u32::from(share_permille.min(1000)) * 0x1_0000 / 1000;
    let sifted =
        [op(LOAD_WORD, SKF_AD_RANDOM), op(AND, 0xffff), branch(JUMP_NOT_LESS, share, 0, 1), DROP, TAKE];
    let over = sifted.len() as u8;
    let mut all = match source {
        Source::V4(word) => vec![op(LOAD_WORD, SOURCE_V4), branch(JUMP_EQUAL, word, 0, over)],
        Source::V6(high, low) => vec![
            op(LOAD_WORD, SOURCE_V6),
            branch(JUMP_EQUAL, high, 0, over + 2),
            op(LOAD_WORD, SOURCE_V6 + 4),
            branch(JUMP_EQUAL, low, 0, over),
        ],
    };
    all.extend(sifted);
    all
}

fn op(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// So many instructions further if it holds, and if not.
fn branch(code: u16, k: u32, holds: u8, else_: u8) -> sock_filter {
    sock_filter { code, jt: holds, jf: else_, k }
}

fn word(text: [u8; 4]) -> u32 {
    u32::from_be_bytes(text)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    /// Which of these texts reach the socket when they come from `from`.
    fn passing<'t>(server: &UdpSocket, from: &str, texts: &[&'t str]) -> Vec<&'t str> {
        let sender = UdpSocket::bind((from, 0)).unwrap();
        let mut buffer = [0; 200];
        let passes = |text: &&&str| {
            sender.send_to(text.as_bytes(), server.local_addr().unwrap()).unwrap();
            // Loopback delivers before `send_to` returns.
            server.recv(&mut buffer).is_ok()
        };
        texts.iter().filter(passes).copied().collect()
    }

    fn server(ip: &str) -> UdpSocket {
        let server = UdpSocket::bind((ip, 0)).unwrap();
        server.set_nonblocking(true).unwrap();
        server
    }

    const NEW: [&str; 6] = [
        "INVITE sip:bob@example.org;transport=udp SIP/2.0\r\n",
        "REGISTER sip:example.org;transport=udp SIP/2.0\r\n",
        "OPTIONS sip:example.org;transport=udp SIP/2.0\r\n",
        "MESSAGE sip:bob@example.org;transport=udp SIP/2.0\r\n",
        "SUBSCRIBE sip:bob@example.org;transport=udp SIP/2.0\r\n",
        "PUBLISH sip:bob@example.org;transport=udp SIP/2.0\r\n",
    ];

    const OTHERS: [&str; 11] = [
        "ACK sip:bob@example.org;transport=udp SIP/2.0\r\n",
        "BYE sip:bob@example.org;transport=udp SIP/2.0\r\n",
        "CANCEL sip:bob@example.org;transport=udp SIP/2.0\r\n",
        "UPDATE sip:bob@example.org;transport=udp SIP/2.0\r\n",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n",
        "INVITE urn:service:sos.police SIP/2.0\r\n",
        "INVITE sip:112@example.org;transport=udp SIP/2.0\r\n",
        "INVITE SIP:SOS@example.org;transport=udp SIP/2.0\r\n",
        "INVITE tel:112 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n",
        "INVITE sip:911@example.org;transport=udp SIP/2.0\r\n",
        "\r\n\r\n",
    ];

    #[test]
    fn only_new_requests_of_that_source_are_dropped() {
        for (own, listed, elsewhere) in [("127.0.0.1", "127.0.0.2", Some("127.0.0.3")), ("::1", "::1", None)]
        {
            let server = server(own);
            let ipv4 = own.contains('.');
            sift(server.as_fd(), ipv4, &[(listed.parse().unwrap(), 0)]).unwrap();
            assert_eq!(passing(&server, listed, &NEW), [""; 0], "{own}");
            assert_eq!(passing(&server, listed, &OTHERS), OTHERS);
            if let Some(elsewhere) = elsewhere {
                assert_eq!(passing(&server, elsewhere, &NEW), NEW);
            }
            sift(server.as_fd(), ipv4, &[]).unwrap();
            assert_eq!(passing(&server, listed, &NEW), NEW);
        }
    }

    #[test]
    fn each_source_has_its_share() {
        let server = server("127.0.0.1");
        let shares = [("127.0.0.1", 500), ("127.0.0.2", 100), ("127.0.0.3", 1000), ("127.0.0.4", 900)];
        let sources: Vec<_> = shares.iter().map(|(ip, share)| (ip.parse().unwrap(), *share)).collect();
        sift(server.as_fd(), true, &sources).unwrap();
        for (ip, share) in shares {
            let passed = passing(&server, ip, &[NEW[0]; 2_000]).len();
            assert!(passed.abs_diff(2 * usize::from(share)) < 150, "{ip}: {passed} of 2000");
        }
    }

    /// As many as may be named, in any order: of each its share, of who lies between them everything.
    #[test]
    fn each_of_many_sources_is_found() {
        let server = server("127.0.0.1");
        let address = |n: u32| IpAddr::from((0x7f00_0100 + 3 * n).to_be_bytes());
        let shares: Vec<_> =
            (0..SIEVED_MAX as u32).map(|n| (address(n * 29 % 64), (n % 2) as u16 * 1000)).collect();
        sift(server.as_fd(), true, &shares).unwrap();
        for (ip, share) in shares {
            let IpAddr::V4(ip) = ip else { continue };
            let beside = std::net::Ipv4Addr::from_bits(ip.to_bits() + 1).to_string();
            assert_eq!(passing(&server, &ip.to_string(), &NEW[..2]).len(), usize::from(share) / 500, "{ip}");
            assert_eq!(passing(&server, &beside, &NEW[..2]).len(), 2, "{beside}");
        }
    }

    /// The first half of the address counts, both words of it. A program of the kernel's is run here by hand.
    #[test]
    fn each_of_many_subscribers_is_found() {
        let address = |n: u128| IpAddr::from(((0x2001_0db8 + n % 3) << 96 | (n * 7) << 64 | n).to_be_bytes());
        let shares: Vec<_> = (0..SIEVED_MAX as u128).map(|n| (address(n), (n % 2) as u16 * 1000)).collect();
        let program = by_source(false, &shares);
        let server = server("::1");
        sift(server.as_fd(), false, &shares).unwrap();
        for (ip, share) in &shares {
            assert_eq!(run(&program, *ip), *share == 1000, "{ip}");
        }
        for n in SIEVED_MAX as u128..200 {
            assert!(run(&program, address(n)));
        }
    }

    /// Whether a program that looks at nothing but an IPv6 address and the dice, which fall on 0, takes a datagram.
    fn run(program: &[sock_filter], from: IpAddr) -> bool {
        let IpAddr::V6(from) = from else { return false };
        let (mut at, mut a) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            match code {
                LOAD_WORD if k == SKF_AD_RANDOM => a = 0,
                LOAD_WORD => a = (from.to_bits() >> (96 - 8 * (k - SOURCE_V6))) as u32,
                AND => a &= k,
                JUMP => at += k as usize,
                JUMP_EQUAL => at += usize::from(if a == k { jt } else { jf }),
                JUMP_ABOVE => at += usize::from(if a > k { jt } else { jf }),
                JUMP_NOT_LESS => at += usize::from(if a >= k { jt } else { jf }),
                RETURN => return k > 0,
                _ => panic!("{code:#x}"),
            }
        }
    }

    #[test]
    fn sources_of_the_other_family_need_no_filter() {
        assert!(program(true, &[("2001:db8::1".parse().unwrap(), 0)]).is_empty());
        assert!(program(false, &[("192.0.2.1".parse().unwrap(), 0)]).is_empty());
    }
}
