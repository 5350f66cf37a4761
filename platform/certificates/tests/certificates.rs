//! Files in, TLS out: what is made, loaded, refused, chosen by name, and noticed when it changes.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use offhook_certificates::{CertificateError, PemFiles, Wanted, Watch, ends, load, make_own, sip_domains};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConnection, ServerConnection};
use tempfile::TempDir;

/// 2026-11-21
const NOW_MS: u64 = 1_795_248_903_123;

struct Authority(Issuer<'static, KeyPair>, PathBuf);

impl Authority {
    fn new(dir: &Path, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let file = dir.join(format!("{name}.pem"));
        fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self(Issuer::new(params, key), file)
    }

    fn sign(&self, dir: &Path, names: &[&str]) -> PemFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        for name in names {
            params.subject_alt_names.push(match name.contains(':') {
                true => SanType::URI((*name).try_into().unwrap()),
                false => SanType::DnsName((*name).try_into().unwrap()),
            });
        }
        let stem = names.concat().replace([':', '*', '@'], "_");
        let files =
            PemFiles { certificate: dir.join(format!("{stem}.crt")), key: dir.join(format!("{stem}.key")) };
        fs::write(&files.certificate, params.signed_by(&key, &self.0).unwrap().pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

fn wanted(default: PemFiles, authority: &Authority) -> Wanted {
    Wanted {
        default,
        domains: vec![],
        client_ca: None,
        client_required: false,
        client: None,
        server_ca: Some(authority.1.clone()),
        check_servers: true,
    }
}

/// Lets a client and a server of these files shake hands; the certificate that the client was shown.
fn shake(client: &Wanted, server: &Wanted, name: &str) -> Result<Vec<u8>, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(load(client).unwrap().client, name).unwrap();
    let mut server = ServerConnection::new(load(server).unwrap().server).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut left = &wire[..];
        while !left.is_empty() {
            server.read_tls(&mut left).unwrap();
            server.process_new_packets()?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut left = &wire[..];
        while !left.is_empty() {
            client.read_tls(&mut left).unwrap();
            client.process_new_packets()?;
        }
    }
    client.writer().write_all(b"x").unwrap();
    let _ = server.reader().read(&mut [0; 1]);
    Ok(client.peer_certificates().unwrap()[0].to_vec())
}

#[test]
fn the_first_start_makes_a_certificate_and_later_ones_keep_it() {
    let dir = TempDir::new().unwrap();
    let names = ["example.org".to_owned(), "192.0.2.1".to_owned()];
    let (files, made) = make_own(dir.path(), &names, NOW_MS).unwrap();
    assert!(made);
    let mode = |file: &Path| fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files.key), mode(files.key.parent().unwrap())), (0o600, 0o700));
    let first = fs::read(&files.certificate).unwrap();
    assert!(!make_own(dir.path(), &names, NOW_MS).unwrap().1);
    assert_eq!(fs::read(&files.certificate).unwrap(), first);

    // Who trusts this very certificate believes it, for each of its names.
    let authority = Authority::new(dir.path(), "unused");
    let mut own = wanted(files.clone(), &authority);
    own.server_ca = Some(files.certificate);
    let shown = shake(&own, &own, "example.org").unwrap();
    assert_eq!(sip_domains(&shown), ["example.org"]);
    shake(&own, &own, "192.0.2.1").unwrap();
    shake(&own, &own, "other.example").unwrap_err();
}

/// RFC 5922 §7.1, §7.2, §7.3
#[test]
fn the_name_must_be_proved_as_sip_wants_it() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let ask = |names: &[&str], name: &str| {
        let server = wanted(authority.sign(dir.path(), names), &authority);
        shake(&server, &server, name).is_ok()
    };
    assert!(ask(&["example.org"], "example.org"));
    assert!(ask(&["sip:example.org"], "Example.ORG"));
    assert!(ask(&["sip:example.org", "host.example.org"], "example.org"));
    assert!(
        !ask(&["sip:example.org", "host.example.org"], "host.example.org"),
        "a URI comes before DNS names"
    );
    assert!(ask(&["sip:alice@example.org", "example.org"], "example.org"), "a user's URI is no domain's");
    assert!(!ask(&["sip:alice@example.org"], "example.org"));
    assert!(!ask(&["*.example.org"], "sip.example.org"), "no wildcards");
    let domains = |names: &[&str]| {
        let files = authority.sign(dir.path(), names);
        sip_domains(&CertificateDer::from_pem_file(files.certificate).unwrap())
    };
    assert_eq!(domains(&["*.example.org", "example.org"]), ["example.org"]);
    assert!(!ask(&["sips:example.org"], "example.org"));
}

#[test]
fn unknown_authorities_are_believed_only_by_who_checks_nothing() {
    let dir = TempDir::new().unwrap();
    let (ours, theirs) = (Authority::new(dir.path(), "ours"), Authority::new(dir.path(), "theirs"));
    let server = wanted(theirs.sign(dir.path(), &["example.org"]), &theirs);
    let mut client = wanted(ours.sign(dir.path(), &["client.example"]), &ours);
    shake(&client, &server, "example.org").unwrap_err();
    client.server_ca = None;
    shake(&client, &server, "example.org").unwrap_err();
    client.check_servers = false;
    shake(&client, &server, "example.org").unwrap();
}

/// RFC 5922 §7.8: the domain that is asked for decides.
#[test]
fn each_domain_shows_its_own() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let mut server = wanted(authority.sign(dir.path(), &["a.example", "c.example"]), &authority);
    server.domains.push(("b.example".into(), authority.sign(dir.path(), &["b.example"])));
    let shown = |name| sip_domains(&shake(&server, &server, name).unwrap());
    assert_eq!(shown("a.example"), ["a.example", "c.example"]);
    assert_eq!(shown("B.example"), ["b.example"]);
    assert_eq!(shown("c.example"), ["a.example", "c.example"]);
}

/// RFC 5922 §7.4
#[test]
fn clients_show_theirs_when_asked() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let mut server = wanted(authority.sign(dir.path(), &["a.example"]), &authority);
    let mut client = server.clone();
    server.client_ca = Some(authority.1.clone());
    shake(&client, &server, "a.example").expect("asked, not required");
    server.client_required = true;
    shake(&client, &server, "a.example").unwrap_err();
    client.client = Some(authority.sign(dir.path(), &["trunk.example"]));
    shake(&client, &server, "a.example").unwrap();
}

#[test]
fn files_that_are_wrong_are_named() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let good = wanted(authority.sign(dir.path(), &["a.example"]), &authority);
    let refuse = |change: &dyn Fn(&mut Wanted)| {
        let mut wanted = good.clone();
        change(&mut wanted);
        load(&wanted).map(|_| ()).expect_err("refused").to_string()
    };
    let other = authority.sign(dir.path(), &["other.example"]);
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "nothing").unwrap();
    assert!(refuse(&|w| w.default.key = other.key.clone()).contains("do not belong together"));
    assert!(refuse(&|w| w.default.certificate = empty.clone()).contains("holds no certificate"));
    assert!(refuse(&|w| w.default.key = empty.clone()).contains("holds no private key"));
    assert!(refuse(&|w| w.server_ca = Some("/nowhere.pem".into())).contains("cannot read /nowhere.pem"));
    assert!(refuse(&|w| w.client_ca = Some(empty.clone())).contains("holds no certificate"));
    fs::write(&empty, vec![b'x'; 5 << 20]).unwrap();
    let mut wanted = good.clone();
    wanted.default.certificate = empty;
    assert!(matches!(load(&wanted), Err(CertificateError::TooLarge { .. })));
}

/// RFC 5280 §4.1.2.5: of those that never end nothing is said.
#[test]
fn the_end_of_each_certificate_is_known() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let endless = authority.sign(dir.path(), &["endless.example"]);
    let (own, _) = make_own(dir.path(), &["a.example".to_owned()], NOW_MS).unwrap();
    let mut wanted = wanted(own.clone(), &authority);
    let missing = PemFiles { certificate: dir.path().join("nothing.pem"), ..own.clone() };
    wanted.domains = vec![("b.example".to_owned(), missing), ("c.example".to_owned(), own.clone())];
    const TEN_YEARS_MS: u64 = 3_650 * 86_400_000;
    assert_eq!(ends(&wanted), [(own.certificate, NOW_MS / 1000 * 1000 + TEN_YEARS_MS)]);
    wanted.default = endless;
    wanted.domains.clear();
    assert!(ends(&wanted).iter().all(|(_, end_ms)| *end_ms > NOW_MS + TEN_YEARS_MS));
}

#[test]
fn a_change_is_noticed_once_and_only_when_it_is_over() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let wanted = wanted(authority.sign(dir.path(), &["a.example"]), &authority);
    let mut watch = Watch::new(&wanted);
    let none = Vec::<PathBuf>::new();
    assert_eq!(watch.changed(), none);
    fs::write(&wanted.default.certificate, "1").unwrap();
    assert_eq!(watch.changed(), none, "it may not be finished");
    fs::write(&wanted.default.key, "22").unwrap();
    assert_eq!(watch.changed(), none, "it was not");
    assert_eq!(watch.changed(), [wanted.default.certificate.clone(), wanted.default.key.clone()]);
    assert_eq!(watch.changed(), none);
    fs::remove_file(&wanted.default.key).unwrap();
    assert_eq!(watch.changed(), none);
    assert_eq!(watch.changed(), [wanted.default.key], "gone is changed too");
}
