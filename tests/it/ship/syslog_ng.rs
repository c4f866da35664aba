//! A real syslog-ng as the receiver. Its package excludes that of rsyslog, so it is unpacked and not installed.

use super::every_kind;
use crate::support::{Home, wait_until};
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const ROOT: &str = "/usr/local/lib/syslog-ng";

struct SyslogNg {
    child: Child,
    /// For counted messages, and for lines.
    ports: [u16; 2],
}

fn glob(pattern: &str) -> Vec<PathBuf> {
    glob::glob(&format!("{ROOT}{pattern}")).expect("a good pattern").flatten().collect()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// The settings of docs/shipping.md, and a file with a message a line.
fn config(home: &Home, ports: [u16; 2]) -> String {
    let [counted, lines] = ports;
    let out = home.path("out");
    format!(
        r#"@version: 3.38
options {{ keep-hostname(yes); frac-digits(6); ts-format(iso); stats-freq(0); }};
source s_counted {{ syslog(ip(127.0.0.1) port({counted}) transport("tcp")); }};
source s_lines {{ network(ip(127.0.0.1) port({lines}) transport("tcp") flags(syslog-protocol)); }};
destination d {{ file("{out}" template("$FACILITY|$SEVERITY|$ISODATE|$HOST|$PROGRAM|$SDATA|$MESSAGE\n")); }};
log {{ source(s_counted); source(s_lines); destination(d); flags(flow-control); }};
"#,
        out = out.display()
    )
}

impl SyslogNg {
    /// None where it is not unpacked. In CI it has to be.
    fn start(home: &Home) -> Option<SyslogNg> {
        let Some(modules) = glob("/usr/lib/syslog-ng/3.*").pop() else {
            assert!(std::env::var_os("CI").is_none(), "there is no syslog-ng in {ROOT}");
            return None;
        };
        let ports = [free_port(), free_port()];
        home.write("ng.conf", config(home, ports), 0o600);
        let mut folders = glob("/usr/lib/syslog-ng");
        folders.extend(glob("/usr/lib/*-linux-gnu"));
        folders.extend(glob("/lib/*-linux-gnu"));
        folders.push(modules.clone());
        let path = std::env::join_paths(folders).expect("no colon in them");
        let log = File::create(home.path("ng.log")).expect("a file");
        let mut command = Command::new(format!("{ROOT}/usr/sbin/syslog-ng"));
        command.arg(format!("--module-path={}", modules.display())).args(["--no-caps", "-F"]);
        for (option, file) in
            [("-f", "ng.conf"), ("-R", "ng.persist"), ("-c", "ng.ctl"), ("-p", "ng.pid")]
        {
            command.arg(option).arg(home.path(file));
        }
        command.env("LD_LIBRARY_PATH", path).current_dir(home.path(""));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let server = SyslogNg { child: command.spawn().expect("syslog-ng starts"), ports };
        wait_until("syslog-ng", || {
            ports.iter().all(|&port| TcpStream::connect(("127.0.0.1", port)).is_ok())
        });
        Some(server)
    }
}

impl Drop for SyslogNg {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn lines_of_every_kind_arrive_whole_in_counted_messages() {
    let home = Home::new();
    let Some(server) = SyslogNg::start(&home) else { return };
    every_kind::send(&home, &format!("tcp://127.0.0.1:{}", server.ports[0]));
    every_kind::check(&home, "out");
}

#[test]
fn lines_of_every_kind_arrive_whole_in_lines() {
    let home = Home::new();
    let Some(server) = SyslogNg::start(&home) else { return };
    every_kind::send(&home, &format!("tcp://127.0.0.1:{}?framing=lf", server.ports[1]));
    every_kind::check(&home, "out");
}
