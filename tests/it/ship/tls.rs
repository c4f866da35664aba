//! TLS: certificates that are wrong in each way are reported, tried again, and no line is lost.

use super::certificates::{Authority, Validity, issue_alone};
use super::relp_server::{Behaviour, RelpServer};
use super::{Ship, check_numbers, log, text_of};
use crate::support::{Home, wait_until};
use multilog::tls::{Server, ServerFiles};
use nix::sys::signal::Signal;
use std::fs;

/// A home with an issuer `ca.pem`, a good certificate of the server in `server.pem`, and 300 lines.
fn home() -> (Home, Authority) {
    let home = Home::new();
    let authority = Authority::with_server(&home);
    log(&home, 1, 300);
    (home, authority)
}

fn files(home: &Home) -> ServerFiles {
    let (cert, key) = (home.path("server.pem"), Some(home.path("server.key")));
    ServerFiles { cert, key, ..ServerFiles::default() }
}

fn server(files: ServerFiles) -> RelpServer {
    RelpServer::start_tls(&[Behaviour::Good], Server::open(files).expect("good files"))
}

/// The options of a client that trusts the issuer of [`home`].
const TRUST: [&str; 4] = ["--ca", "ca.pem", "--name", "log.example.org"];

fn start(home: &Home, server: &RelpServer, options: &[&str]) -> Ship {
    let url = server.tls_url();
    Ship::start(home, &[options, &[&url, "./log"]].concat())
}

#[track_caller]
fn check_arrival(server: &RelpServer, ship: Ship) {
    wait_until("all lines", || server.stored().iter().any(|message| text_of(message) == b"300"));
    ship.end();
    check_numbers(&server.stored(), 1, 300);
}

#[test]
fn lines_arrive_through_tls() {
    let (home, _) = home();
    let server = server(files(&home));
    let ship = start(&home, &server, &TRUST);
    ship.wait_for_stderr("sending to relps://127.0.0.1:");
    check_arrival(&server, ship);
}

/// The server shows what `spoil` put into its files: the user hears `message`, and after the server got its good
/// certificate again all arrives.
#[track_caller]
fn check_bad_server(message: &str, spoil: impl FnOnce(&Home, &Authority)) {
    let (home, authority) = home();
    let good = [home.read("server.pem"), home.read("server.key")];
    spoil(&home, &authority);
    let server = server(files(&home));
    let ship = start(&home, &server, &TRUST);
    ship.wait_for_stderr(message);
    assert!(ship.stderr().contains("unable to reach relps://127.0.0.1:"), "{}", ship.stderr());
    let tried = server.sessions();
    wait_until("another try", || server.sessions() > tried + 1);
    assert_eq!(server.count(), 0, "nothing is sent to it");
    fs::write(home.path("server.pem"), &good[0]).expect("a file");
    fs::write(home.path("server.key"), &good[1]).expect("a file");
    server.reload_tls().expect("good files");
    check_arrival(&server, ship);
}

#[test]
fn a_server_of_an_unknown_issuer_gets_nothing() {
    check_bad_server("its issuer is not one that we trust", |home, _| {
        Authority::new("another").issue(home, "server", "log.example.org", Validity::Now);
    });
}

#[test]
fn a_server_with_another_name_gets_nothing() {
    let message = "its names are web.example.org, expected is log.example.org";
    check_bad_server(message, |home, authority| {
        authority.issue(home, "server", "web.example.org", Validity::Now);
    });
}

#[test]
fn a_server_whose_certificate_has_expired_gets_nothing() {
    check_bad_server("it has expired on 2021-01-01T00:00:00Z", |home, authority| {
        authority.issue(home, "server", "log.example.org", Validity::Past);
    });
}

#[test]
fn a_server_whose_certificate_is_not_valid_yet_gets_nothing() {
    check_bad_server("it is not valid before 2089-01-01T00:00:00Z", |home, authority| {
        authority.issue(home, "server", "log.example.org", Validity::Future);
    });
}

#[test]
fn a_server_without_tls_is_named_as_one() {
    let (home, _) = home();
    // What a RELP server answers to bytes that are no frame.
    let server = RelpServer::start(&[Behaviour::Text(b"0 serverclose 0\n")]);
    let ship = start(&home, &server, &TRUST);
    ship.wait_for_stderr("the server does not speak TLS here; is the port right?");
    ship.end();
}

#[test]
fn a_pinned_certificate_needs_no_issuer() {
    let (home, _) = home();
    issue_alone(&home, "server", "self.example.org");
    let server = server(files(&home));
    let wrong = "00".repeat(32);
    let ship = start(&home, &server, &["--pin", &wrong]);
    ship.wait_for_stderr("which is not pinned");
    let stderr = ship.stderr();
    ship.end();
    assert_eq!(server.count(), 0);
    let (_, rest) = stderr.split_once("has the fingerprint ").expect("the fingerprint");
    let pin = rest.split(',').next().expect("its end");
    let ship = start(&home, &server, &["--pin", pin]);
    check_arrival(&server, ship);
}

/// A server that lets in clients of the issuer with one name.
fn strict(home: &Home) -> RelpServer {
    server(ServerFiles {
        client_ca: Some(home.path("ca.pem")),
        client_names: vec!["web7.example.org".to_owned()],
        ..files(home)
    })
}

#[test]
fn a_client_without_a_certificate_hears_that_one_is_wanted() {
    let (home, authority) = home();
    let server = strict(&home);
    let mut ship = start(&home, &server, &TRUST);
    ship.wait_for_stderr(
        "refuses the certificate of this client: it wants one, and none was shown",
    );
    assert_eq!(server.count(), 0);
    ship.signal(Signal::SIGTERM);
    ship.wait();
    authority.issue(&home, "client", "web7.example.org", Validity::Now);
    let options = [&TRUST[..], &["--cert", "client.pem", "--key", "client.key"]].concat();
    let ship = start(&home, &server, &options);
    check_arrival(&server, ship);
}

/// HUP takes new files; bad ones leave those in use.
#[test]
fn a_refused_client_gets_in_with_its_next_certificate() {
    let (home, authority) = home();
    let server = strict(&home);
    Authority::new("another").issue(&home, "client", "web7.example.org", Validity::Now);
    let options = [&TRUST[..], &["--cert", "client.pem", "--key", "client.key"]].concat();
    let ship = start(&home, &server, &options);
    ship.wait_for_stderr("its issuer is not known there");
    authority.issue(&home, "client", "other.example.org", Validity::Now);
    ship.signal(Signal::SIGHUP);
    ship.wait_for_stderr("refuses the certificate of this client: it is not accepted there");
    fs::write(home.path("client.pem"), "torn").expect("a file");
    ship.signal(Signal::SIGHUP);
    ship.wait_for_stderr(
        "the certificates in use stay, since new ones cannot be used: unable to use client.pem",
    );
    assert_eq!(server.count(), 0);
    authority.issue(&home, "client", "web7.example.org", Validity::Now);
    ship.signal(Signal::SIGHUP);
    check_arrival(&server, ship);
}

#[test]
fn a_bad_file_keeps_the_certificate_of_a_running_client() {
    let (home, authority) = home();
    let server = strict(&home);
    authority.issue(&home, "client", "web7.example.org", Validity::Now);
    let options = [&TRUST[..], &["--cert", "client.pem", "--key", "client.key"]].concat();
    let ship = start(&home, &server, &options);
    wait_until("all lines", || server.count() >= 300);
    fs::remove_file(home.path("client.key")).expect("a key");
    ship.signal(Signal::SIGHUP);
    ship.wait_for_stderr("unable to read client.key: file does not exist");
    log(&home, 301, 400);
    wait_until("later lines", || server.count() >= 400);
    ship.end();
    check_numbers(&server.stored(), 1, 400);
}

#[track_caller]
fn check_start(options: &[&str], message: &str) {
    let (home, _) = home();
    home.write("empty.pem", "", 0o600);
    home.write("server.crt", home.read("server.pem"), 0o600);
    let ended = super::command(&home, options).args(["./log"]).output().expect("logship starts");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(stderr.contains(message), "{stderr}");
    assert_eq!(ended.status.code(), Some(111), "{stderr}");
}

#[test]
fn files_that_cannot_be_used_are_errors_at_the_start() {
    let url = "tls://127.0.0.1";
    check_start(&["--ca", "none.pem", url], "unable to read none.pem: file does not exist");
    check_start(&["--ca", "empty.pem", url], "empty.pem: it has no certificate in PEM form");
    check_start(&["--cert", "server.crt", url], "server.crt: it has no private key in PEM form");
    check_start(
        &["--ca", "ca.pem", "tcp://127.0.0.1"],
        "certificates are named, but no URL uses them",
    );
}
