//! TLS and logins beside a real nats-server, in both directions: what is refused is reported and tried again, and
//! with the right files every line goes all the way.

use super::nkeys::{Nkey, Role};
use super::{CURRENT, Server, free_port, is_installed, stream};
use crate::receive::{Receiver, lines, wait_for_lines};
use crate::ship::certificates::{Authority, Validity};
use crate::ship::{Ship, command, log};
use crate::support::Home;
use async_nats::ConnectOptions;
use nix::sys::signal::Signal;

/// The numbers that arrived, in their order.
pub fn arrived(home: &Home) -> Vec<u64> {
    let last_word = |line: &String| line.rsplit(' ').next()?.parse().ok();
    lines(home, "root/main").iter().filter_map(last_word).collect()
}

/// Waits for `1` to `last`, each once.
#[track_caller]
pub fn check_arrival(home: &Home, last: u64) {
    wait_for_lines(home, "root/main", last as usize);
    assert_eq!(arrived(home), (1..=last).collect::<Vec<_>>());
}

/// A way to log in: what the server wants, and how the programs show themselves.
struct Login<'a> {
    settings: &'a str,
    /// Before the host in a URL.
    user: &'a str,
    /// The option of a URL that names the file `secret`.
    option: &'a str,
    wrong: &'a str,
    right: &'a str,
    /// How a test makes the stream.
    admin: ConnectOptions,
}

#[track_caller]
fn check(login: Login<'_>) {
    if !is_installed() {
        return;
    }
    let home = Home::new();
    let Login { settings, user, option, wrong, right, admin } = login;
    let server = Server::start_at(&home, free_port(), settings, admin);
    server.create(stream());
    let url = |path: &str| format!("nats://{user}127.0.0.1:{}/{path}?{option}=secret", server.port);
    let refused = command(&home, &[&url("logs.web"), "log"]).output().expect("logship runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("unable to read secret: file does not exist"), "{said}");
    assert_eq!(refused.status.code(), Some(111), "{said}");

    home.write("secret", wrong, 0o600);
    log(&home, 1, 100);
    let ship = Ship::start(&home, &[&url("logs.web"), "log"]);
    let into = ["--into", "root", "--by", "one", &url("LOG/disk")];
    let receiver = Receiver::start(&home, &into);
    ship.wait_for_stderr("the server refuses this login");
    receiver.wait_for("the server refuses this login; trying again");
    home.write("secret", right, 0o600);
    check_arrival(&home, 100);
    log(&home, 101, 200);
    check_arrival(&home, 200);
    ship.end();
    receiver.end();
}

#[test]
fn nats_a_wrong_password_is_reported_and_the_right_one_lets_every_line_through() {
    check(Login {
        settings: "authorization { user: me, password: right }",
        user: "me@",
        option: "password",
        wrong: "wrong\n",
        right: "right\n",
        admin: ConnectOptions::new().user_and_password("me".to_owned(), "right".to_owned()),
    });
}

#[test]
fn nats_a_wrong_token_is_reported_and_the_right_one_lets_every_line_through() {
    check(Login {
        settings: "authorization { token: right }",
        user: "",
        option: "token",
        wrong: "wrong\n",
        right: "right\n",
        admin: ConnectOptions::new().token("right".to_owned()),
    });
}

#[test]
fn nats_a_wrong_nkey_is_reported_and_the_right_one_lets_every_line_through() {
    let (wrong, right) = (Nkey::new(Role::User), Nkey::new(Role::User));
    check(Login {
        settings: &format!("authorization {{ users: [ {{ nkey: {} }} ] }}", right.public()),
        user: "",
        option: "nkey",
        wrong: &wrong.seed(),
        right: &right.seed(),
        admin: ConnectOptions::new().nkey(right.seed()),
    });
}

/// A file of credentials as `nsc` writes it.
fn credentials(account: &Nkey, user: &Nkey, more: &str) -> String {
    let rights =
        r#""nats":{"pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user","version":2}"#;
    let token = account.sign(user, &format!("{more}{rights}"));
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed()
    )
}

/// A server whose accounts are signed, and credentials for it.
pub struct Signed {
    pub settings: String,
    pub expired: String,
    pub valid: String,
}

pub fn signed() -> Signed {
    let (operator, account) = (Nkey::new(Role::Operator), Nkey::new(Role::Account));
    let (system, user) = (Nkey::new(Role::Account), Nkey::new(Role::User));
    let limits = |storage: i32| {
        format!(
            r#""nats":{{"limits":{{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1,"mem_storage":{storage},"disk_storage":{storage},"streams":{storage},"consumer":{storage}}},"type":"account","version":2}}"#
        )
    };
    let settings = format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}",
        operator.sign(&operator, r#""nats":{"type":"operator","version":2}"#),
        system.public(),
        system.public(),
        operator.sign(&system, &limits(0)),
        account.public(),
        operator.sign(&account, &limits(-1)),
    );
    Signed {
        settings,
        expired: credentials(&account, &user, r#""exp":1700000001,"#),
        valid: credentials(&account, &user, ""),
    }
}

#[test]
fn nats_expired_credentials_are_reported_and_valid_ones_let_every_line_through() {
    let Signed { settings, expired, valid } = signed();
    check(Login {
        settings: &settings,
        user: "",
        option: "creds",
        wrong: &expired,
        right: &valid,
        admin: ConnectOptions::new().credentials(&valid).expect("credentials"),
    });
}

/// A home and a port of a server with the stream, and a certificate for localhost. The stream is made before the
/// server asks for TLS.
fn prepared() -> (Home, u16, Authority) {
    let (home, port, authority) = (Home::new(), free_port(), Authority::new("nats"));
    Server::start_at(&home, port, "", ConnectOptions::new()).create(stream());
    authority.issue(&home, "server", "localhost", Validity::Now);
    (home, port, authority)
}

/// What makes the server ask for TLS. `more` settings begin with a comma.
pub fn tls_settings(home: &Home, more: &str) -> String {
    let (cert, key) = (home.path("server.pem"), home.path("server.key"));
    format!("tls {{ cert_file: \"{}\", key_file: \"{}\"{more} }}", cert.display(), key.display())
}

#[test]
fn nats_a_certificate_that_is_not_accepted_is_reported_and_nothing_is_lost() {
    if !is_installed() {
        return;
    }
    let (home, port, authority) = prepared();
    Authority::new("another").write(&home, "trust.pem");
    let settings = tls_settings(&home, "");
    let server = Server::start_at(&home, port, &settings, ConnectOptions::new());
    log(&home, 1, 100);
    let url = |path: &str| format!("natss://localhost:{port}/{path}");
    let ship = Ship::start(&home, &["--ca", "trust.pem", &url("logs.web"), "log"]);
    let into = ["--ca", "trust.pem", "--into", "root", "--by", "one", &url("LOG/disk")];
    let receiver = Receiver::start(&home, &into);
    let issuer =
        "the certificate of the server is not accepted: its issuer is not one that we trust";
    ship.wait_for_stderr(issuer);
    receiver.wait_for(issuer);
    drop(server);
    authority.issue(&home, "server", "localhost", Validity::Past);
    let server = Server::start_at(&home, port, &settings, ConnectOptions::new());
    authority.write(&home, "trust.pem");
    ship.signal(Signal::SIGHUP);
    let expired = "the certificate of the server is not accepted: it has expired on 2021-01-01";
    ship.wait_for_stderr(expired);
    receiver.wait_for(expired);
    authority.issue(&home, "server", "localhost", Validity::Now);
    server.signal(Signal::SIGHUP);
    check_arrival(&home, 100);
    ship.end();
    receiver.end();
}

/// A URL with the wrong scheme, in both directions. The server gets other settings, and the lines arrive.
#[track_caller]
fn check_scheme(scheme: &str, is_server_encrypted: bool, said: &str) {
    if !is_installed() {
        return;
    }
    let (home, port, authority) = prepared();
    authority.write(&home, "ca.pem");
    let tls = tls_settings(&home, "");
    let (first, then) = match is_server_encrypted {
        true => (tls.as_str(), ""),
        false => ("", tls.as_str()),
    };
    let server = Server::start_at(&home, port, first, ConnectOptions::new());
    log(&home, 1, 100);
    let url = |path: &str| format!("{scheme}://localhost:{port}/{path}");
    let own: &[&str] = if scheme == "natss" { &["--ca", "ca.pem"] } else { &[] };
    let ship = Ship::start(&home, &[own, &[&url("logs.web"), "log"]].concat());
    let into = ["--into", "root", "--by", "one", &url("LOG/disk")];
    let receiver = Receiver::start(&home, &[own, &into].concat());
    ship.wait_for_stderr(said);
    receiver.wait_for(said);
    drop(server);
    let _server = Server::start_at(&home, port, then, ConnectOptions::new());
    check_arrival(&home, 100);
    ship.end();
    receiver.end();
}

#[test]
fn nats_a_server_that_requires_tls_is_named_with_the_scheme_that_it_needs() {
    check_scheme("nats", true, "the server requires TLS: use natss:// instead of nats://");
}

#[test]
fn nats_a_server_without_tls_is_not_spoken_to_in_the_clear() {
    check_scheme(
        "natss",
        false,
        "the server does not speak TLS here; is the port right? nats:// goes without TLS",
    );
}

/// Servers since 2.10.4 can begin with TLS instead of introducing themselves.
#[test]
fn nats_a_server_that_wants_tls_first_is_named_and_gets_it() {
    let home = Home::new();
    let Some(server) = Server::of(CURRENT, &home) else { return };
    server.create(stream());
    let (port, authority) = (server.port, Authority::new("nats"));
    drop(server);
    authority.issue(&home, "server", "localhost", Validity::Now);
    authority.write(&home, "ca.pem");
    let settings = tls_settings(&home, ", handshake_first: true");
    let _server = Server::run(CURRENT, &home, port, &settings, ConnectOptions::new());
    log(&home, 1, 100);
    let url = |path: &str| format!("natss://localhost:{port}/{path}");
    let own = ["--ca", "ca.pem"];
    let ship = Ship::start(&home, &[&own[..], &[&url("logs.web"), "log"]].concat());
    ship.wait_for_stderr("does it want TLS first (handshake_first)? then natss:// with tls=first");
    ship.kill();
    let [out, back] = ["logs.web?tls=first", "LOG/disk?tls=first"].map(url);
    let ship = Ship::start(&home, &[&own[..], &[&out, "log"]].concat());
    let into = ["--into", "root", "--by", "one", &back];
    let receiver = Receiver::start(&home, &[&own[..], &into].concat());
    check_arrival(&home, 100);
    ship.end();
    receiver.end();
}

#[test]
fn nats_a_server_that_asks_for_certificates_gets_that_of_each_program() {
    if !is_installed() {
        return;
    }
    let (home, port, authority) = prepared();
    authority.issue(&home, "client", "client.example.org", Validity::Now);
    authority.write(&home, "ca.pem");
    let ca = home.path("ca.pem");
    let settings = tls_settings(&home, &format!(", ca_file: \"{}\", verify: true", ca.display()));
    let _server = Server::start_at(&home, port, &settings, ConnectOptions::new());
    log(&home, 1, 100);
    let url = |path: &str| format!("natss://localhost:{port}/{path}");
    let without = Ship::start(&home, &["--ca", "ca.pem", &url("logs.web"), "log"]);
    without.wait_for_stderr("the server refuses the certificate of this client");
    without.kill();
    let own = ["--ca", "ca.pem", "--cert", "client.pem", "--key", "client.key"];
    let ship = Ship::start(&home, &[&own[..], &[&url("logs.web"), "log"]].concat());
    let into = ["--into", "root", "--by", "one", &url("LOG/disk")];
    let receiver = Receiver::start(&home, &[&own[..], &into].concat());
    check_arrival(&home, 100);
    ship.end();
    receiver.end();
}
