//! Header values as clients and servers write them, well and badly.

use offhook_digest::{
    Algorithm, Challenge, Credentials, Ha1, Login, Malformed, NONCE_LEN, NonceKey, Qop, Request, answer,
    unescape, verify,
};
use proptest::prelude::*;

const PLAIN: &str =
    r#"username="alice", realm="example.com", nonce="n", uri="sip:example.com", response="00""#;

/// Parses `Digest` + the plain parameters + `more`.
#[track_caller]
fn credentials<T>(more: &str, look: impl Fn(Credentials<'_>) -> T) -> T {
    let value = format!("Digest {PLAIN}{more}");
    look(Credentials::parse(value.as_bytes()).unwrap_or_else(|error| panic!("{value}: {error}")))
}

#[track_caller]
fn refused(value: &str) -> Malformed {
    Credentials::parse(value.as_bytes()).expect_err(value)
}

#[test]
fn without_an_algorithm_it_is_md5() {
    assert_eq!(credentials("", |c| (c.algorithm, c.qop, c.nc)), (Algorithm::Md5, None, None));
}

#[test]
fn names_and_scheme_in_any_case_and_space_anywhere() {
    let value = b"dIGEST\tUserName = \"alice\" ,,REALM=\"r\",\r\n Nonce=\"n\", uri=sip:a@example.com;x=y,response=\"\",";
    let parsed = Credentials::parse(value).expect("lenient");
    assert_eq!(
        (parsed.username, parsed.realm, parsed.uri),
        (&b"alice"[..], &b"r"[..], &b"sip:a@example.com;x=y"[..])
    );
    assert_eq!(parsed.response, b"");
}

#[test]
fn qop_with_and_without_quotes() {
    for qop in ["qop=auth", "qop=\"auth\"", "qop=AUTH"] {
        let more = format!(", {qop}, nc=0000000a, cnonce=\"c\"");
        assert_eq!(credentials(&more, |c| (c.qop, c.nc)), (Some(Qop::Auth), Some(10)));
    }
    assert_eq!(credentials(", qop=auth-int, nc=\"FFFFFFFF\", cnonce=c", |c| c.nc), Some(u32::MAX));
}

#[test]
fn a_quoted_name_may_hold_quotes_and_commas() {
    let value = br#"Digest username="a\"l, i\\ce", realm="", nonce="", uri="", response="""#;
    let parsed = Credentials::parse(value).expect("a quoted string");
    assert_eq!(parsed.username, br#"a\"l, i\\ce"#);
    assert_eq!(unescape(parsed.username).as_ref(), br#"a"l, i\ce"#);
}

#[test]
fn unknown_parameters_are_ignored_even_twice() {
    assert_eq!(
        credentials(", auts=\"x\", auts=y, userhash=false, opaque=\"o\"", |c| c.opaque.map(<[u8]>::len)),
        Some(1)
    );
}

#[test]
fn each_fault_has_its_name() {
    let with = |more: &str| refused(&format!("Digest {PLAIN}{more}"));
    assert_eq!(refused("Basic YWxpY2U6c2VjcmV0"), Malformed::Scheme);
    assert_eq!(refused("Digest"), Malformed::Scheme);
    assert_eq!(refused(""), Malformed::Scheme);
    assert_eq!(refused("Digest realm=\"r\""), Malformed::Missing("username"));
    assert_eq!(refused("Digest username"), Malformed::Syntax { at: 15 });
    assert_eq!(refused("Digest username="), Malformed::Syntax { at: 16 });
    assert_eq!(refused("Digest username=\"alice"), Malformed::Syntax { at: 22 });
    assert_eq!(refused("Digest username=\"alice\\"), Malformed::Syntax { at: 22 });
    assert_eq!(refused("Digest username=\"ali\r\n ce\""), Malformed::Syntax { at: 20 });
    assert_eq!(refused("Digest username=\"alice\" realm=r"), Malformed::Syntax { at: 24 });
    assert_eq!(with(", Nonce=n"), Malformed::Twice("nonce"));
    assert_eq!(with(", algorithm=SHA3"), Malformed::Algorithm);
    assert_eq!(with(", qop=auth-conf, nc=00000001, cnonce=c"), Malformed::Qop);
    assert_eq!(with(", nc=1"), Malformed::NonceCount);
    assert_eq!(with(", nc=0000000g"), Malformed::NonceCount);
    assert_eq!(with(", qop=auth, cnonce=c"), Malformed::Missing("nc"));
    assert_eq!(with(", qop=auth, nc=00000001"), Malformed::Missing("cnonce"));
    assert_eq!(with(", algorithm=MD5-sess"), Malformed::Missing("cnonce"));
    assert_eq!(with(", userhash=true"), Malformed::Userhash);
}

#[test]
fn a_starred_username_that_needs_no_decoding() {
    let star = |name: &str| format!("Digest username*={name}, realm=r, nonce=n, uri=u, response=r");
    assert_eq!(Credentials::parse(star("UTF-8''alice").as_bytes()).expect("plain").username, b"alice");
    assert_eq!(refused(&star("UTF-8''J%C3%A4s")), Malformed::UsernameStar);
    assert_eq!(refused(&star("alice")), Malformed::UsernameStar);
}

#[test]
fn a_challenge_as_the_server_writes_it() {
    let key = NonceKey::new([7; 32]);
    let nonce = key.issue(1_700_000_000_000, 1, [192, 0, 2, 1].into(), b"example.com");
    let challenge = Challenge {
        realm: b"example.com",
        nonce: nonce.as_bytes(),
        opaque: None,
        algorithm: Algorithm::Sha256,
        auth: true,
        auth_int: false,
        stale: true,
    };
    let mut out = Vec::new();
    challenge.write(&mut out);
    let nonce = std::str::from_utf8(nonce.as_bytes()).expect("ASCII");
    let wanted =
        format!(r#"Digest realm="example.com", nonce="{nonce}", algorithm=SHA-256, qop="auth", stale=TRUE"#);
    assert_eq!(String::from_utf8(out).expect("text"), wanted);
}

#[test]
fn a_challenge_as_others_write_it() {
    let parsed = Challenge::parse(
        br#"Digest  realm="r",qop="auth-conf, auth-int ,auth",nonce="n",stale=FALSE,charset=UTF-8"#,
    )
    .expect("legal");
    assert!(parsed.auth && parsed.auth_int && !parsed.stale);
    let old = Challenge::parse(b"Digest realm=r, nonce=n, stale=\"true\"").expect("RFC 2069");
    assert!(!old.auth && !old.auth_int && old.stale);
    assert_eq!(Challenge::parse(b"Digest realm=r, nonce=n, qop=token"), Err(Malformed::Qop));
    assert_eq!(Challenge::parse(b"Digest realm=r, nonce=n, algorithm=AKAv1-MD5"), Err(Malformed::Algorithm));
    assert_eq!(Challenge::parse(b"Digest realm=r"), Err(Malformed::Missing("nonce")));
    assert_eq!(Challenge::parse(b"Digest realm=\"\xff\", nonce=n"), Err(Malformed::Text));
}

#[test]
fn ha1_travels_as_hex_and_as_bytes_and_shows_nothing() {
    for algorithm in Algorithm::ALL {
        let ha1 = Ha1::from_password(algorithm, b"alice", b"example.com", b"secret");
        let mut room = [0; offhook_digest::DIGEST_LEN_MAX];
        assert_eq!(ha1.digest(&mut room).len(), algorithm.hash().digest_len());
        assert_eq!(Ha1::from_digest(algorithm, ha1.digest(&mut room)), Some(ha1));
        assert_eq!(Ha1::from_hex(algorithm, &ha1.as_bytes().to_ascii_uppercase()), Some(ha1));
        assert_eq!(Ha1::from_hex(algorithm, &ha1.as_bytes()[2..]), None);
        assert_eq!(format!("{ha1:?}"), format!("Ha1({:?}, …)", algorithm.hash()));
    }
    assert_eq!(Ha1::from_hex(Algorithm::Md5, b"6629fae49393a05397450978507c4efg"), None);
}

#[test]
fn a_hash_does_not_stand_in_for_another_of_the_same_length() {
    let digest = [1; 32];
    let sha256 = Ha1::from_digest(Algorithm::Sha256, &digest).expect("32 bytes");
    let sha512 = Ha1::from_digest(Algorithm::Sha512Trunc256, &digest).expect("32 bytes");
    assert_ne!(sha256, sha512);
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(Algorithm::ALL.to_vec())
}

/// What may stand between quotes: text, and pairs with a backslash.
const RAW: &str = r#"([a-zA-Z0-9 ,;=@é]|\\["\\a])*"#;

proptest! {
    #[test]
    fn parsing_never_panics(value in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Credentials::parse(&value);
        let _ = Challenge::parse(&value);
        let _ = unescape(&value);
    }

    #[test]
    fn parsing_almost_credentials_never_panics(value in r#"Digest ((username|username\*|realm|nonce|nc|qop|uri)[= ]{0,2}["\\]?[a-z0-9\\"%]{0,4}"?[, ]){0,12}"#) {
        let _ = Credentials::parse(value.as_bytes());
        let _ = Challenge::parse(value.as_bytes());
    }

    #[test]
    fn a_challenge_is_read_as_it_was_written(
        realm in RAW, nonce in RAW, opaque in prop::option::of(RAW), algorithm in algorithms(),
        auth: bool, auth_int: bool, stale: bool,
    ) {
        let (realm, nonce, opaque) = (realm.as_bytes(), nonce.as_bytes(), opaque.as_ref().map(String::as_bytes));
        let challenge = Challenge { realm, nonce, opaque, algorithm, auth, auth_int, stale };
        let mut out = Vec::new();
        challenge.write(&mut out);
        prop_assert_eq!(Challenge::parse(&out), Ok(challenge));
    }

    #[test]
    fn the_right_password_and_only_that(
        algorithm in algorithms(), auth: bool, auth_int: bool,
        username in ".{0,12}", password in ".{0,12}", body in prop::collection::vec(any::<u8>(), 0..80),
        counter: u64,
    ) {
        prop_assume!(!username.chars().any(char::is_control));
        let nonce = NonceKey::new([1; 32]).issue(1, counter, [127, 0, 0, 1].into(), b"r");
        prop_assert_eq!(nonce.as_bytes().len(), NONCE_LEN);
        let challenge =
            Challenge { realm: b"r", nonce: nonce.as_bytes(), opaque: None, algorithm, auth, auth_int, stale: false };
        let login = Login { username: &username, password: &password };
        let request = Request { method: "INVITE", uri: "sip:bob@example.com", body: &body };
        let value = answer(&challenge, login, request, "c", 3);
        let parsed = Credentials::parse(value.as_bytes()).expect("ours");
        prop_assert_eq!(unescape(parsed.username), username.as_bytes());

        let ha1 = Ha1::from_password(algorithm, username.as_bytes(), b"r", password.as_bytes());
        prop_assert!(verify(&parsed, &ha1, b"INVITE", &body));
        let other = Ha1::from_password(algorithm, username.as_bytes(), b"r", format!("{password}!").as_bytes());
        prop_assert!(!verify(&parsed, &other, b"INVITE", &body));
        let changed = [body.as_slice(), b"!"].concat();
        prop_assert_eq!(verify(&parsed, &ha1, b"INVITE", &changed), parsed.qop != Some(Qop::AuthInt));
        let response = std::str::from_utf8(parsed.response).expect("hex");
        let shouted = value.replace(response, &response.to_uppercase());
        prop_assert!(verify(&Credentials::parse(shouted.as_bytes()).expect("hex"), &ha1, b"INVITE", &body));
        let cut = value.replace(response, &response[2..]);
        prop_assert!(!verify(&Credentials::parse(cut.as_bytes()).expect("hex"), &ha1, b"INVITE", &body));
    }
}
