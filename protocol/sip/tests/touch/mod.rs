//! Asks a message everything it can be asked, and checks what must hold for any bytes at all. The property tests and the
//! fuzz targets share it.

use std::net::SocketAddr;

use offhook_sip::{
    Contact, Date, Disposition, FeatureSet, FeatureValue, Host, LossFeedback, Malformed, Message, Name,
    NameAddr, Params, Reply, Scratch, Splice, StartLine, Uri, Via,
};

/// A message of any bytes, or none: nothing panics, and what is found fits together.
pub(crate) fn message(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    start_line(&message);
    lines(&message);
    for name in Name::all().chain([Name::Other]) {
        header(&message, name);
    }
    checks(&message);
    leaves_as_it_came(&message);
    assert!(bytes.ends_with(message.bytes()));
    assert!(message.whole().ends_with(message.body()));
    assert!(message.headers_end() <= message.bytes().len());
    if message.check_request().is_ok() {
        answer(&message);
    }
}

fn start_line(message: &Message<'_>) {
    match message.start_line() {
        StartLine::Request { method, method_text, uri } => {
            assert_eq!(message.method(), Some(method));
            assert!(method.name().is_empty() || method.name().as_bytes() == method_text);
            assert_eq!(message.request_uri_text(), uri);
            assert!(message.request_uri().is_err() || uri_of(uri).is_some());
        }
        StartLine::Response { status, .. } => {
            assert_eq!((message.status(), message.method_text()), (Some(status), &b""[..]));
            assert!((100..700).contains(&status) || message.fault().is_some());
        }
    }
}

fn lines(message: &Message<'_>) {
    let mut at = 0;
    for line in message.lines() {
        assert!(line.whole().start >= at && line.whole().start < line.value().start);
        assert!(line.value().start <= line.value().end && line.value().end < line.whole().end);
        at = line.whole().end;
        assert!(Name::is_legal(message.name_text(line)));
        assert_eq!(Name::from_token(message.name_text(line)), line.name);
        let value = message.line_value(line);
        assert_eq!(offhook_sip::trim(value).len(), value.len());
        assert!(value.is_empty() || message.range_of(value) == line.value());
    }
    assert!(at <= message.headers_end());
}

fn header(message: &Message<'_>, name: Name) {
    assert_eq!(message.has(name), message.line(name).is_some());
    assert_eq!(message.lines_of(name).next(), message.line(name));
    assert!(message.lines_of(name).count() <= message.values(name).count());
    let _ = message.only_value(name);
    let _ = message.seconds(name);
    for value in message.values(name) {
        via(value);
        name_addr(value);
        contact(value);
        uri_of(value);
        if let Ok(date) = Date::parse(value) {
            let mut out = Vec::new();
            date.write(&mut out);
            assert_eq!(Date::parse(&out), Ok(date));
        }
    }
    message.option_tags(name).for_each(|tag| assert!(tag.is_err() || tag.is_ok_and(Name::is_legal)));
}

fn checks(message: &Message<'_>) {
    let _ = Disposition::of(message);
    let _ = (message.from(), message.to(), message.top_via(), message.call_id(), message.max_forwards());
    assert!(message.cseq().is_err() || message.cseq().is_ok_and(|cseq| cseq.number < 1 << 31));
    if let Some(fault) = message.fault() {
        assert_eq!((message.check_request(), message.check_response()), (Err(fault), Err(fault)));
        assert!(matches!(fault.status(), 400 | 505) && !fault.to_string().is_empty());
    }
    if let Err(fault) = message.check_request() {
        assert_ne!(fault, Malformed::Missing(""));
    }
}

fn leaves_as_it_came(message: &Message<'_>) {
    let mut scratch = Scratch::default();
    let mut out = Vec::new();
    Splice::new(message, &mut scratch).write_to(&mut out);
    assert_eq!(out, message.whole());
}

/// RFC 3261 §8.2.6: every request that passes the checks can be answered with a response that passes its own.
fn answer(request: &Message<'_>) {
    let mut out = Vec::new();
    Reply::new(request, 404).to_tag(b"T").write(&mut out);
    let reply = Message::parse(&out).expect("our own message");
    assert_eq!((reply.status(), reply.check_response()), (Some(404), Ok(())));
    assert!(reply.values(Name::Via).eq(request.values(Name::Via)));
    assert_eq!((reply.call_id(), reply.cseq()), (request.call_id(), request.cseq()));
    let tag = |message: &Message<'_>| message.to().expect("an address").tag().map(<[u8]>::to_vec);
    assert_eq!(tag(&reply), tag(request).or(Some(b"T".to_vec())));
    assert_eq!(reply.body(), b"");
}

/// One Via value of any bytes.
pub(crate) fn via(value: &[u8]) {
    let Ok(via) = Via::parse(value) else { return };
    let source: SocketAddr = "[2001:db8::7]:4000".parse().expect("an address");
    let _ = (via.port(), via.transport(), via.has_magic_cookie(), via.reply_address(source));
    assert_eq!(via.branch(), via.params().value(b"branch").unwrap_or_default());
    let written = |name: &[u8]| via.params().has(name).then(|| via.params().value(name).unwrap_or_default());
    assert_eq!((via.rport(), via.received()), (written(b"rport"), written(b"received")));
    let mut out = Vec::new();
    via.write_mended(source, &mut out);
    let mended = Via::parse(&out).expect("what we wrote ourselves");
    assert_eq!((mended.branch(), mended.sent_by.host_text), (via.branch(), via.sent_by.host_text));
    assert_eq!(mended.params().value(b"received"), Some(&b"2001:db8::7"[..]));
    let port = via.params().has(b"rport").then_some(&b"4000"[..]);
    assert_eq!(mended.params().value(b"rport"), port);
    overload(&via);
}

/// RFC 7339 §4: who offers is not asking, what we ask is understood, and none of it goes further.
fn overload(via: &Via<'_>) {
    assert!(!(via.offers_loss_control() && via.loss_feedback().is_some()));
    assert!(via.loss_feedback().is_none_or(|wish| wish.percent <= 100));
    let mut out = Vec::new();
    via.write_without_overload(&mut out);
    let stripped = Via::parse(&out).expect("what we wrote ourselves");
    assert!(!stripped.mentions_overload() && stripped.branch() == via.branch());
    let wish = LossFeedback::at(1_000, 20, 500);
    wish.write(&mut out);
    assert_eq!(Via::parse(&out).expect("what we wrote ourselves").loss_feedback(), Some(wish));
}

/// One From, To, Route, … value of any bytes.
pub(crate) fn name_addr(value: &[u8]) {
    let Some(address) = NameAddr::parse(value) else { return };
    assert!(address.params().are_legal() && address.params_text().len() <= value.len());
    assert_eq!(address.tag(), address.params().value(b"tag").filter(|tag| !tag.is_empty()));
    uri_of(address.uri);
}

/// One Contact value of any bytes.
pub(crate) fn contact(value: &[u8]) {
    let Ok(Contact::Address { name_addr, q_milli, reg_id, instance, .. }) = Contact::parse(value) else {
        return;
    };
    assert!(NameAddr::parse(value).is_some());
    assert!(q_milli.is_none_or(|q| q <= 1000) && reg_id <= i32::MAX as u32);
    assert!(instance.is_empty() || name_addr.params().has(b"+sip.instance"));
}

/// Two lists of parameters of any bytes, as what is wanted and what is there: RFC 3841 §7.2.4.
pub(crate) fn features(wanted: &[u8], capable: &[u8]) {
    let [wanted, capable] = [wanted, capable].map(|text| FeatureSet::new(Params::new(text)));
    let found = wanted.likeness(capable);
    assert!(found.met <= found.named && found.named <= found.wanted);
    assert_eq!(found.wanted == 0, wanted.is_empty());
    assert!(found.is_match() || !found.is_explicit());
    let itself = wanted.likeness(wanted);
    assert_eq!(itself.named, itself.wanted);
    if let Some(first) = wanted.features().next() {
        let is_readable = first.values().any(|one| one.value != FeatureValue::Malformed);
        assert!(first.values().count() > 0 && (itself.met > 0 || !is_readable));
    }
}

/// Any bytes as a URI.
pub(crate) fn uri_of(text: &[u8]) -> Option<Uri<'_>> {
    let uri = Uri::parse(text).ok()?;
    assert!(uri.matches(&uri));
    assert_eq!(uri.is_sip(), uri.address.is_some());
    let _ = (uri.transport(), uri.is_loose(), uri.headers(), uri.params().count());
    if let Some(address) = uri.address {
        assert!(Host::parse(address.host_text).is_some_and(|host| host.same(address.host)));
        aor(&uri, address.host);
    }
    Some(uri)
}

/// RFC 3261 §10.3: the canonical form is a URI, and its own canonical form.
fn aor(uri: &Uri<'_>, host: Host<'_>) {
    let mut once = b"sip:".to_vec();
    if uri.write_aor(host, &mut once).is_none() {
        return assert_eq!(uri.user, None);
    }
    let again = Uri::parse(&once).expect("what we wrote ourselves");
    let mut twice = b"sip:".to_vec();
    again.write_aor(again.address.expect("a host").host, &mut twice);
    assert_eq!(once, twice);
}
