//! The torture messages of RFC 4475, bit by bit as its appendix A has them: what the RFC says of each, and what we see.

mod fixture;

use fixture::{check, check_and};
use offhook_sip::{Contact, Malformed, Message, Method, Name, NameAddr, Scheme, Transport, Via};

/// RFC 4475 §3.1.1.1
#[test]
fn wsinv() {
    check_and("rfc4475/wsinv", |message| {
        assert_eq!(message.max_forwards(), Ok(Some(68)));
        assert_eq!(message.values(Name::Via).filter(|via| Via::parse(via).is_ok()).count(), 3);
    });
}

/// RFC 4475 §3.1.1.2
#[test]
fn intmeth() {
    check_and("rfc4475/intmeth", |message| {
        assert_eq!(message.method(), Some(Method::Other));
        assert_eq!(message.to().expect("an address").display, b"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f");
    });
}

/// RFC 4475 §3.1.1.3
#[test]
fn esc01() {
    check("rfc4475/esc01");
}

/// RFC 4475 §3.1.1.4
#[test]
fn escnull() {
    check_and("rfc4475/escnull", |message| {
        let contacts: Vec<_> = message.values(Name::Contact).filter_map(NameAddr::parse).collect();
        let [one, two] = contacts.as_slice() else { panic!("two contacts") };
        let (one, two) = (one.parsed_uri().expect("a URI"), two.parsed_uri().expect("a URI"));
        assert!(!one.matches(&two));
        let to = message.to().and_then(|to| to.parsed_uri()).expect("a URI");
        let mut aor = Vec::new();
        to.write_aor(to.address.expect("an address").host, &mut aor);
        assert_eq!(aor, b"null-%00-null@example.com");
    });
}

/// RFC 4475 §3.1.1.5
#[test]
fn esc02() {
    check_and("rfc4475/esc02", |message| {
        assert_eq!(message.method(), Some(Method::Other));
        assert_eq!(message.contacts().count(), 2);
    });
}

/// RFC 4475 §3.1.1.6
#[test]
fn lwsdisp() {
    check("rfc4475/lwsdisp");
}

/// RFC 4475 §3.1.1.7
#[test]
fn longreq() {
    check_and("rfc4475/longreq", |message| {
        assert!(message.values(Name::Via).all(|via| Via::parse(via).is_ok()));
    });
}

/// RFC 4475 §3.1.1.8
#[test]
fn dblreq() {
    check_and("rfc4475/dblreq", |message| {
        assert!(message.whole().ends_with(b"Content-Length: 0\r\n\r\n"));
    });
}

/// RFC 4475 §3.1.1.9
#[test]
fn semiuri() {
    check("rfc4475/semiuri");
}

/// RFC 4475 §3.1.1.10
#[test]
fn transports() {
    check_and("rfc4475/transports", |message| {
        let transports: Vec<_> = message
            .values(Name::Via)
            .filter_map(|via| Via::parse(via).ok())
            .map(|via| via.transport())
            .collect();
        use Transport::{Sctp, Tcp, Tls, Udp};
        assert_eq!(transports, [Some(Udp), Some(Sctp), Some(Tls), None, Some(Tcp)]);
    });
}

/// RFC 4475 §3.1.1.11
#[test]
fn mpart01() {
    check_and("rfc4475/mpart01", |message| {
        assert_eq!(message.body().len(), 553);
        assert!(message.body().contains(&0));
    });
}

/// RFC 4475 §3.1.1.12
#[test]
fn unreason() {
    check("rfc4475/unreason");
}

/// RFC 4475 §3.1.1.13
#[test]
fn noreason() {
    check("rfc4475/noreason");
}

/// RFC 4475 §3.1.2.1
#[test]
fn badinv01() {
    check("rfc4475/badinv01");
}

/// RFC 4475 §3.1.2.2
#[test]
fn clerr() {
    check("rfc4475/clerr");
}

/// RFC 4475 §3.1.2.3
#[test]
fn ncl() {
    check("rfc4475/ncl");
}

/// RFC 4475 §3.1.2.4
#[test]
fn scalar02() {
    check("rfc4475/scalar02");
}

/// RFC 4475 §3.1.2.5
#[test]
fn scalarlg() {
    check("rfc4475/scalarlg");
}

/// RFC 4475 §3.1.2.6
#[test]
fn quotbal() {
    check("rfc4475/quotbal");
}

/// RFC 4475 §3.1.2.7
#[test]
fn ltgtruri() {
    check("rfc4475/ltgtruri");
}

/// RFC 4475 §3.1.2.8
#[test]
fn lwsruri() {
    check("rfc4475/lwsruri");
}

/// RFC 4475 §3.1.2.9
#[test]
fn lwsstart() {
    check("rfc4475/lwsstart");
}

/// RFC 4475 §3.1.2.10
#[test]
fn trws() {
    check("rfc4475/trws");
}

/// RFC 4475 §3.1.2.11
#[test]
fn escruri() {
    check("rfc4475/escruri");
}

/// RFC 4475 §3.1.2.12
#[test]
fn baddate() {
    check("rfc4475/baddate");
}

/// RFC 4475 §3.1.2.13
#[test]
fn regbadct() {
    check("rfc4475/regbadct");
}

/// RFC 4475 §3.1.2.14
#[test]
fn badaspec() {
    check("rfc4475/badaspec");
}

/// RFC 4475 §3.1.2.15
#[test]
fn baddn() {
    // The archive has forgotten the empty line, which hides what the section is about.
    check_and("rfc4475/baddn", |message| {
        assert_eq!(message.fault(), Some(Malformed::HeadersUnfinished));
        let whole = [message.bytes(), b"\r\n"].concat();
        let whole = Message::parse(&whole).expect("a message");
        assert_eq!(whole.check_request(), Err(Malformed::Header("From")));
        assert_eq!(whole.to().err(), Some(Malformed::Header("To")));
    });
}

/// RFC 4475 §3.1.2.16
#[test]
fn badvers() {
    check_and("rfc4475/badvers", |message| {
        // The answer needs the Via, whatever version it speaks of.
        assert!(message.top_via().is_ok());
    });
}

/// RFC 4475 §3.1.2.17
#[test]
fn mismatch01() {
    check("rfc4475/mismatch01");
}

/// RFC 4475 §3.1.2.18
#[test]
fn mismatch02() {
    check_and("rfc4475/mismatch02", |message| {
        assert_eq!(message.method(), Some(Method::Other));
    });
}

/// RFC 4475 §3.1.2.19
#[test]
fn bigcode() {
    check("rfc4475/bigcode");
}

/// RFC 4475 §3.2.1
#[test]
fn badbranch() {
    check_and("rfc4475/badbranch", |message| {
        assert!(!message.top_via().expect("a Via").has_magic_cookie());
    });
}

/// RFC 4475 §3.3.1
#[test]
fn insuf() {
    check("rfc4475/insuf");
}

/// RFC 4475 §3.3.2
#[test]
fn unkscm() {
    check_and("rfc4475/unkscm", |message| {
        assert_eq!(message.request_uri().map(|uri| uri.scheme), Ok(Scheme::Other));
    });
}

/// RFC 4475 §3.3.3
#[test]
fn novelsc() {
    check_and("rfc4475/novelsc", |message| {
        assert_eq!(message.request_uri().map(|uri| uri.scheme), Ok(Scheme::Other));
    });
}

/// RFC 4475 §3.3.4
#[test]
fn unksm2() {
    check_and("rfc4475/unksm2", |message| {
        let to = message.to().and_then(|to| to.parsed_uri());
        assert_eq!(to.map(|uri| uri.is_sip()), Ok(false));
    });
}

/// RFC 4475 §3.3.5
#[test]
fn bext01() {
    check_and("rfc4475/bext01", |message| {
        let tags = |name| message.option_tags(name).collect::<Result<Vec<_>, _>>();
        assert_eq!(tags(Name::Require), Ok(vec![&b"nothingSupportsThis"[..], b"nothingSupportsThisEither"]));
        assert_eq!(
            tags(Name::ProxyRequire),
            Ok(vec![&b"noProxiesSupportThis"[..], b"norDoAnyProxiesSupportThis"])
        );
    });
}

/// RFC 4475 §3.3.6
#[test]
fn invut() {
    check_and("rfc4475/invut", |message| {
        assert_eq!(message.value(Name::ContentType), Some(&b"application/unknownformat"[..]));
    });
}

/// RFC 4475 §3.3.7
#[test]
fn regaut01() {
    check("rfc4475/regaut01");
}

/// RFC 4475 §3.3.8
#[test]
fn multi01() {
    check("rfc4475/multi01");
}

/// RFC 4475 §3.3.9
#[test]
fn mcl01() {
    check("rfc4475/mcl01");
}

/// RFC 4475 §3.3.10
#[test]
fn bcast() {
    check_and("rfc4475/bcast", |message| {
        let second = message.values(Name::Via).nth(1).map(Via::parse).expect("two values").expect("a Via");
        let ip = second.sent_by.host.ip().expect("an address");
        assert!(matches!(ip, std::net::IpAddr::V4(ip) if ip.is_broadcast()));
    });
}

/// RFC 4475 §3.3.11
#[test]
fn zeromf() {
    check_and("rfc4475/zeromf", |message| {
        assert_eq!(message.max_forwards(), Ok(Some(0)));
    });
}

/// RFC 4475 §3.3.12
#[test]
fn cparam01() {
    check_and("rfc4475/cparam01", |message| {
        let Some(Ok(Contact::Address { name_addr, .. })) = message.contacts().next() else {
            panic!("a contact")
        };
        assert!(name_addr.params().has(b"unknownparam"));
        assert_eq!(name_addr.uri, b"sip:+19725552222@gw1.example.net");
    });
}

/// RFC 4475 §3.3.13
#[test]
fn cparam02() {
    check_and("rfc4475/cparam02", |message| {
        let Some(Ok(Contact::Address { name_addr, .. })) = message.contacts().next() else {
            panic!("a contact")
        };
        assert!(!name_addr.params().has(b"unknownparam"));
        assert!(name_addr.parsed_uri().expect("a URI").param(b"unknownparam").is_some());
    });
}

/// RFC 4475 §3.3.14
#[test]
fn regescrt() {
    check_and("rfc4475/regescrt", |message| {
        let Some(Ok(Contact::Address { name_addr, .. })) = message.contacts().next() else {
            panic!("a contact")
        };
        let uri = name_addr.parsed_uri().expect("a URI");
        assert_eq!(uri.headers(), b"Route=%3Csip:sip.example.com%3E");
    });
}

/// RFC 4475 §3.3.15
#[test]
fn sdp01() {
    check("rfc4475/sdp01");
}

/// RFC 4475 §3.4.1
#[test]
fn inv2543() {
    check_and("rfc4475/inv2543", |message| {
        assert_eq!(message.top_via().expect("a Via").branch(), b"");
        assert_eq!(message.from().expect("an address").tag(), None);
        assert_eq!(message.max_forwards(), Ok(None));
        assert_eq!(message.body().len(), 105);
    });
}

/// Every message of the folder has its test.
#[test]
fn none_is_forgotten() {
    let source = include_str!("rfc4475.rs");
    let names = fixture::names("rfc4475");
    assert_eq!(names.len(), 49);
    for name in names {
        assert!(source.contains(&format!("\"rfc4475/{name}\"")), "{name}");
    }
}
