//! Every message of the call flows in RFC 3665: the ordinary ones, which must simply work.

use offhook_sip::stream::{Frame, frame};
use offhook_sip::{Message, Name, NameAddr, Reply, Scratch, Splice, Via};

/// Section and title, and the message with CRLF.
fn messages() -> Vec<(String, Vec<u8>)> {
    let text = include_str!("data/rfc3665.txt").replace("\r\n", "\n");
    let parts = text.split("=== ").skip(1);
    let messages = parts.map(|part| {
        let (title, message) = part.split_once('\n').expect("a title");
        (title.to_owned(), message.replace('\n', "\r\n").into_bytes())
    });
    messages.collect()
}

fn parse(bytes: &[u8]) -> Message<'_> {
    Message::parse(bytes).expect("a message")
}

#[test]
fn there_are_178() {
    assert_eq!(messages().len(), 178);
}

/// RFC 3261 §7.1, §7.2, §7.3, §7.4 and §20: nothing in them is a fault.
#[test]
fn every_message_parses() {
    for (title, bytes) in messages() {
        let message = parse(&bytes);
        assert_eq!(message.fault(), None, "{title}");
        match message.status() {
            None => {
                assert_eq!(message.check_request(), Ok(()), "{title}");
                assert!(message.request_uri().expect(&title).is_sip(), "{title}");
            }
            Some(_) => assert_eq!(message.check_response(), Ok(()), "{title}"),
        }
        assert_eq!(message.whole().len(), bytes.len(), "{title}");
        assert!(
            message.lines().iter().all(|line| line.name != Name::Other),
            "{title}: every header is registered"
        );
    }
}

/// RFC 3261 §20.10, §20.20, §20.30, §20.34, §20.39, §20.42
#[test]
fn every_typed_value_parses() {
    for (title, bytes) in messages() {
        let message = parse(&bytes);
        assert!(message.from().expect(&title).tag().is_some(), "{title}");
        assert!(message.to().expect(&title).parsed_uri().is_ok(), "{title}");
        assert!(
            message.values(Name::Via).all(|via| Via::parse(via).is_ok_and(|v| v.has_magic_cookie())),
            "{title}"
        );
        assert!(message.contacts().all(|contact| contact.is_ok()), "{title}");
        for name in [Name::Route, Name::RecordRoute] {
            let uris =
                message.values(name).map(|v| NameAddr::parse(v).expect(&title).parsed_uri().expect(&title));
            assert!(uris.into_iter().all(|uri| uri.is_loose()), "{title}");
        }
    }
}

/// RFC 3261 §16.6: what is not edited leaves as it came.
#[test]
fn every_message_leaves_as_it_came() {
    let mut scratch = Scratch::default();
    for (title, bytes) in messages() {
        let mut out = Vec::new();
        Splice::new(&parse(&bytes), &mut scratch).write_to(&mut out);
        assert_eq!(out, bytes, "{title}");
    }
}

/// RFC 3261 §18.3: all of them in one stream come out one by one.
#[test]
fn the_whole_book_as_a_stream() {
    let messages = messages();
    let stream = messages.iter().flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>();
    let mut rest = stream.as_slice();
    for (title, bytes) in &messages {
        assert_eq!(frame(rest), Frame::Message(bytes.len()), "{title}");
        rest = &rest[bytes.len()..];
    }
    assert_eq!(rest, b"");
}

/// RFC 3261 §8.2.6.2: an answer carries back what the request said, and is itself a message without fault.
#[test]
fn every_request_can_be_answered() {
    for (title, bytes) in messages() {
        let request = parse(&bytes);
        if request.method().is_none() {
            continue;
        }
        let mut out = Vec::new();
        Reply::new(&request, 486).to_tag(b"here").write(&mut out);
        let reply = parse(&out);
        assert_eq!((reply.status(), reply.check_response()), (Some(486), Ok(())), "{title}");
        assert!(reply.values(Name::Via).eq(request.values(Name::Via)), "{title}");
        for name in [Name::From, Name::CallId, Name::CSeq] {
            assert_eq!(reply.value(name), request.value(name), "{title}");
        }
        let to = request.value(Name::To).expect(&title);
        let tag = if request.to().expect(&title).tag().is_some() { "" } else { ";tag=here" };
        assert_eq!(reply.value(Name::To), Some([to, tag.as_bytes()].concat().as_slice()), "{title}");
    }
}
