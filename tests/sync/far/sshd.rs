//! A real sshd of this computer, with keys and settings of its own, on the loopback.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::{Way, set_way};
use crate::art_with;
use crate::support::{Project, noise};

const PROGRAM: &str = "/usr/sbin/sshd";
/// How often a port is tried that somebody else may take first.
const TRIES: usize = 5;

/// An sshd that runs while somebody has it.
pub(crate) struct Sshd {
    dir: tempfile::TempDir,
    port: u16,
    user: String,
    child: Mutex<Child>,
}

/// Starts one, or returns the one that runs; says of a test that it is skipped if none can be.
pub(crate) fn start(test: &str) -> Option<Arc<Sshd>> {
    static RUNNING: Mutex<Weak<Sshd>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sshd) = running.upgrade() {
        return Some(sshd);
    }
    let has_ssh = Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !Path::new(PROGRAM).exists() || !has_ssh {
        say(&format!("{test} is skipped: there is no {PROGRAM}, or no ssh"));
        return None;
    }
    let sshd = Arc::new((0..TRIES).find_map(|_| Sshd::try_start()).expect("sshd starts"));
    *running = Arc::downgrade(&sshd);
    Some(sshd)
}

#[allow(clippy::print_stdout, reason = "what is skipped is said")]
fn say(line: &str) {
    println!("{line}");
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Sshd {
    fn try_start() -> Option<Sshd> {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        for key in ["host", "user"] {
            output("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path(key)]);
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let user = output("id", &["-un"]);
        fs::copy(path("user.pub"), path("authorized_keys")).unwrap();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nMaxSessions 100\n\
             LogLevel ERROR\n",
            path("host"),
            path("authorized_keys")
        );
        fs::write(path("sshd_config"), settings).unwrap();
        let host_key = fs::read_to_string(path("host.pub")).unwrap();
        fs::write(path("known_hosts"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
        let config = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n\
             StrictHostKeyChecking yes\nBatchMode yes\nLogLevel ERROR\n",
            path("user"),
            path("known_hosts")
        );
        fs::write(path("ssh_config"), config).unwrap();
        // Debian's wants it, and it is made by what starts the service.
        let _ = fs::create_dir_all("/run/sshd");
        let log = fs::File::create(path("log")).unwrap();
        let mut child = Command::new(PROGRAM)
            .args(["-D", "-e", "-f", &path("sshd_config")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(Sshd { dir, port, user, child: Mutex::new(child) });
            }
            if child.try_wait().unwrap().is_some() {
                say(&fs::read_to_string(path("log")).unwrap());
                return None;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        let _ = child.kill();
        child.wait().unwrap();
        None
    }

    /// Names a directory there.
    pub(crate) fn place(&self, dir: &str) -> String {
        format!("ssh://{}@127.0.0.1:{}{dir}", self.user, self.port)
    }

    /// The ssh that gets there.
    pub(crate) fn ssh(&self) -> String {
        format!("ssh -F '{}'", self.dir.path().join("ssh_config").display())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[test]
fn ssh_that_gets_nowhere_is_told_as_it_says() {
    let test = "ssh_that_gets_nowhere_is_told_as_it_says";
    let Some(sshd) = start(test) else { return };
    let a = Project::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = a.command(["push", &format!("ssh://127.0.0.1:{port}/x")]);
    let ran = crate::support::run(command.env("ART_SSH", sshd.ssh()));
    assert!(ran.fails(1).starts_with("error: cannot connect to '127.0.0.1'\n  caused by: ssh: connect to host"), "{}", ran.stderr);
    // The shell there finds no such program.
    let mut command = a.command(["push", &sshd.place("/x")]);
    let ran = crate::support::run(command.env("ART_SSH", sshd.ssh()).env("ART_REMOTE_ART", "/no/such/art"));
    assert!(ran.fails(1).starts_with("error: cannot run '/no/such/art' on '"), "{}", ran.stderr);
    assert!(ran.stderr.contains("not found") || ran.stderr.contains("No such file"), "{}", ran.stderr);
}

#[test]
fn packs_of_many_pieces_and_many_records_go_both_ways() {
    let Some(sshd) = start("packs_of_many_pieces_and_many_records_go_both_ways") else { return };
    set_way(Way::Sshd(sshd));
    let (a, b, c) = (Project::new(), Project::new(), Project::bare());
    a.write("d/big", noise(1, 70_000_000));
    a.put("d", &[]);
    for number in 0..40 {
        a.art(["alias", "set", "data", &format!("a{number}")]).ok();
    }
    art_with(&a, "push", &b.root(), &[]).ok();
    b.art(["fsck"]).ok();
    art_with(&c, "clone", &b.root(), &["."]).ok();
    assert!(crate::store_files(&a.store()) == crate::store_files(&c.store()));
}
