//! The services of `run-scripts/` that send to a stream and take from it, under the real supervisors: through TLS and with
//! credentials, from the log of another service into a directory of a log host.

use super::logins::{Signed, signed, tls_settings};
use super::{Server, free_port, is_installed, stream};
use crate::run_scripts::{Sandbox, log_lines};
use crate::ship::certificates::{Authority, Validity};
use crate::support::{Home, wait_until};
use async_nats::ConnectOptions;
use std::fs;
use std::path::{Path, PathBuf};

/// Installs a program that gets the paths and the servers of the tests in place of those in the scripts.
fn install(sandbox: &Sandbox, program: &str, from: &str, port: u16) {
    sandbox.install_program(Path::new(from), &format!("real-{program}"));
    let here = sandbox.path("");
    let here = here.display();
    sandbox.stub(
        program,
        &format!(
            "for word; do\n shift\n word=$(echo \"$word\" | sed -e 's|nats1.example.org.*org/|localhost:{port}/|' \\\n\
             -e 's|/etc/log[a-z]*-keys|{here}keys|' -e 's|/var/lib/logship|{here}state|' \\\n\
             -e 's|^/var/log/hosts|{here}hosts|' -e 's|^/[a-z/]*service$|{here}service|')\n\
             set -- \"$@\" \"$word\"\ndone\nexec {here}bin/real-{program} \"$@\""
        ),
    );
}

/// The directory of the service `web` at the log host.
fn arrived(sandbox: &Sandbox) -> Option<PathBuf> {
    let pattern = sandbox.path("hosts/*/web").display().to_string();
    glob::glob(&pattern).expect("a pattern").flatten().next()
}

#[track_caller]
fn check(prefix: &str, supervisor: &str, account: (&str, &str)) {
    let [ship, host] = ["logship-nats", "loghost-nats"].map(|name| format!("{prefix}{name}"));
    let Some(mut sandbox) = Sandbox::with_service(&ship, &[supervisor, account.0]) else { return };
    if !is_installed() {
        return;
    }
    sandbox.install(&host);
    sandbox.account_stub(account.0, account.1);
    let (home, port, authority) = (Home::new(), free_port(), Authority::new("nats"));
    let Signed { settings, valid, .. } = signed();
    let admin = || ConnectOptions::new().credentials(&valid).expect("credentials");
    Server::start_at(&home, port, &settings, admin()).create(stream());
    authority.issue(&home, "server", "localhost", Validity::Now);
    let settings = format!("{settings}\n{}", tls_settings(&home, ""));
    let _server = Server::start_at(&home, port, &settings, admin());
    for dir in ["keys", "state", "hosts", "service/web"] {
        sandbox.make_dir_of_account(dir);
    }
    authority.write(&home, "ca.pem");
    fs::copy(home.path("ca.pem"), sandbox.path("keys/ca.pem")).expect("a copy");
    fs::write(sandbox.path("keys/nats.creds"), &valid).expect("a file");
    for file in ["keys/ca.pem", "keys/nats.creds"] {
        let anyone = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(sandbox.path(file), anyone).expect("chmod");
    }
    install(&sandbox, "logship", env!("CARGO_BIN_EXE_logship"), port);
    install(&sandbox, "logreceive", env!("CARGO_BIN_EXE_logreceive"), port);
    let dir = sandbox.path("service/web/log/main");
    fs::create_dir_all(&dir).expect("mkdir");
    let line = |number: u64| format!("@400000006a186a0000000000 line {number}\n");
    fs::write(dir.join("current"), (1..=100).map(line).collect::<String>()).expect("a log");

    sandbox.supervise(supervisor, "service");
    let lines = || arrived(&sandbox).map(|dir| log_lines(&dir)).unwrap_or_default();
    wait_until("the lines at the log host", || lines().len() >= 100);
    let last_word = |line: &String| line.rsplit(' ').next()?.parse().ok();
    let numbers: Vec<u64> = lines().iter().filter_map(last_word).collect();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    for (service, said) in [(&ship, "connected to natss://"), (&host, "taking messages from")] {
        let log = sandbox.path(&format!("service/{service}/log/files/main"));
        wait_until(said, || log_lines(&log).iter().any(|line| line.contains(said)));
    }
}

#[test]
fn nats_services_carry_a_log_to_a_log_host_under_svscan() {
    check("", "svscan", ("setuidgid", ""));
}

#[test]
fn nats_services_carry_a_log_to_a_log_host_under_runit() {
    check("runit-", "runsvdir", ("chpst", "-u"));
}

#[test]
fn nats_services_carry_a_log_to_a_log_host_under_s6() {
    check("s6-", "s6-svscan", ("s6-setuidgid", ""));
}
