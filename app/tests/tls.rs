//! TLS as an operator meets it: a certificate of the first start, files that are changed while the server runs, and files
//! that cannot be used.

mod server;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use server::{PATIENCE, Place, Server, text};

const TLS: &str = "[[listen]]\ntransport = \"tls\"\naddress = \"127.0.0.1:0\"\n";

const OPTIONS: &str = "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK1\r\n\
    Max-Forwards: 70\r\nFrom: <sip:test@far.example>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
    Content-Length: 0\r\n\r\n";

/// Asks by TLS, believing this certificate alone.
fn ask(tls: SocketAddr, name: &str, trusted: &Path) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(tls)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
    stream.write_all(OPTIONS.as_bytes())?;
    let mut answer = [0; 65_536];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// Writes a new certificate for these names, and its key.
fn renew(place: &Place, names: &[&str]) {
    renew_until(place, names, (2400, 1, 1));
}

fn renew_until(place: &Place, names: &[&str], (year, month, day): (i32, u8, u8)) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names.clone()).unwrap();
    params.distinguished_name.push(DnType::CommonName, names.concat());
    params.not_after = rcgen::date_time_ymd(year, month, day);
    let certificate = params.self_signed(&key).unwrap();
    place.write("own.pem", certificate.pem());
    place.write("own.key", key.serialize_pem());
}

fn with_files(place: &Place) -> String {
    let [certificate, key] = ["own.pem", "own.key"].map(|name| place.path(name).display().to_string());
    format!("{TLS}[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n")
}

#[test]
fn the_first_start_makes_a_certificate() {
    let place = Place::with(&format!("{TLS}[[listen]]\ntransport = \"tls\"\naddress = \"127.0.0.2:0\"\n"));
    let server = Server::start(&place);
    let file = place.data().join("tls/certificate.pem");
    let key = place.data().join("tls/key.pem");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let made = server.early.lines().find(|line| line.contains("\"tls.made\"")).expect("it is logged");
    assert!(made.contains("127.0.0.1") && made.contains("127.0.0.2"), "{made}");
    let answer = ask(server.tls(), "127.0.0.1", &file).unwrap();
    assert!(answer.starts_with("SIP/2.0 ") && answer.contains("Via: SIP/2.0/TLS"), "{answer}");
    drop(server);
    let first = fs::read(&file).unwrap();
    let _again = Server::start(&place);
    assert_eq!(fs::read(&file).unwrap(), first);
}

#[test]
fn changed_files_are_taken_while_the_server_runs_and_bad_ones_are_not() {
    let place = Place::new();
    renew(&place, &["old.example"]);
    place.configure(&with_files(&place));
    let server = Server::start(&place);
    let trusted = place.path("own.pem");
    assert!(ask(server.tls(), "old.example", &trusted).is_ok());

    let good = fs::read(&trusted).unwrap();
    place.write("trusted.pem", &good);
    place.write("own.pem", "nothing");
    let refused = server.wait_event("tls.refused");
    assert!(refused["error"].as_str().unwrap().contains("own.pem holds no certificate"), "{refused}");
    assert!(ask(server.tls(), "old.example", &place.path("trusted.pem")).is_ok(), "the old one stays");

    renew(&place, &["new.example"]);
    let reloaded = server.wait_event("tls.reloaded");
    let files = reloaded["files"].as_str().unwrap();
    assert!(files.contains("own.pem") && files.contains("own.key"), "{reloaded}");
    assert!(ask(server.tls(), "new.example", &trusted).is_ok());
    assert!(ask(server.tls(), "old.example", &place.path("trusted.pem")).is_err());
    let failed = server.wait_event("tls.failed");
    assert!(failed["why"].as_str().unwrap().contains("does not accept our certificate"), "{failed}");
}

/// A server goes on with it, for some peers do not look; but nobody shall have to guess why the others stay away.
#[test]
fn a_certificate_that_has_expired_is_told() {
    let place = Place::new();
    renew_until(&place, &["old.example"], (2025, 2, 3));
    place.configure(&with_files(&place));
    let said = place.print(&["check"]);
    assert!(said.contains("own.pem has expired on 2025-02-03"), "{said}");
    let server = Server::start(&place);
    let told = server.early.lines().find(|line| line.contains("\"tls.ending\"")).expect("it is logged");
    assert!(told.contains("own.pem") && told.contains("has expired on 2025-02-03"), "{told}");
}

#[test]
fn a_server_does_not_start_with_files_it_cannot_use() {
    let place = Place::new();
    place.configure(&with_files(&place));
    for command in ["serve", "check"] {
        let output = place.run(&[command]);
        assert_eq!(output.status.code(), Some(3), "{command}");
        assert!(text(&output.stderr).contains("own.pem"), "{}", text(&output.stderr));
    }
}
