//! Runs `art` under strace and reads its log: the seam at which faults are injected.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::support::Ran;

/// How long a command with a fault may take before it counts as hung.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Calls that may change what is on a disk, and those without which the others cannot be read.
/// Locks are among them: a lock that fails or is lost must do no harm either.
pub(crate) const CHANGING: &[&str] = &[
    "openat",
    "open",
    "creat",
    "openat2",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "ftruncate",
    "truncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "syncfs",
    "chmod",
    "fchmod",
    "fchmodat",
    "utimensat",
    "symlink",
    "symlinkat",
    "flock",
];

/// One call of the log.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) pid: u32,
    pub(crate) name: String,
    args: Vec<String>,
    /// What came back; none if the call did not return.
    pub(crate) ret: Option<i64>,
    ret_path: Option<PathBuf>,
    pub(crate) injected: bool,
}

/// A log: the calls in the order in which they returned, and whether the program was killed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) calls: Vec<Call>,
    pub(crate) killed: bool,
}

/// What to inject: `CALL:WHAT:when=WHEN`.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) call: String,
    pub(crate) what: String,
    pub(crate) when: String,
}

/// How a command under strace ended.
pub(crate) struct Traced {
    pub(crate) ran: Ran,
    pub(crate) log: Log,
    pub(crate) hung: bool,
}

/// Whether strace can be used here; where it cannot, says so once, and a gate that needs the
/// proof fails.
pub(crate) fn is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| {
        let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "-e", "trace=fsync", "true"]).output();
        let usable = tried.is_ok_and(|output| output.status.success());
        if !usable {
            assert!(std::env::var_os("ART_REQUIRE_STRACE").is_none_or(|value| value != "1"), "strace cannot be used here");
            eprintln!("skipped: strace is not here or may not trace");
        }
        usable
    })
}

/// Runs a command under strace, with the bytes that are written in the log if `payloads`.
///
/// In a git repo faults are for `art` alone and not for the git that it asks: strace lets go of what it
/// starts. With the payloads, where a shell starts `art`, what git does is left out of the log.
pub(crate) fn trace(command: &Command, log: &Path, payloads: bool, faults: &[Fault]) -> Traced {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-xx", "-y", "-s", if payloads { "40000000" } else { "0" }, "-o"]).arg(log);
    if !payloads && command.get_current_dir().unwrap().join(".git").exists() {
        strace.args(["-b", "execve"]);
    }
    let also = if payloads { ",close,lseek,fcntl,dup,dup2,dup3,execve" } else { "" };
    strace.arg("-e").arg(format!("trace={}{also}", CHANGING.join(",")));
    for Fault { call, what, when } in faults {
        strace.arg("-e").arg(format!("inject={call}:{what}:when={when}"));
    }
    strace.arg("--").arg(command.get_program()).args(command.get_args()).env_clear();
    strace.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace.current_dir(command.get_current_dir().unwrap()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = strace.spawn().unwrap();
    let tracer = child.id();
    let (done_in, done) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || done_in.send(child.wait_with_output()));
        let mut hung = false;
        let output = match done.recv_timeout(TIMEOUT) {
            Ok(output) => output,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                hung = true;
                end(tracer, log);
                done.recv().unwrap()
            }
        };
        Traced { ran: Ran::from(output.unwrap()), log: Log::read(log), hung }
    })
}

/// Ends a traced program and its tracer, by the ids that the log and the system gave them.
fn end(tracer: u32, log: &Path) {
    let traced: Vec<u32> = Log::read(log).calls.first().map(|call| call.pid).into_iter().collect();
    for pid in traced.into_iter().chain([tracer]) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

impl Log {
    pub(crate) fn read(path: &Path) -> Log {
        let text = fs::read_to_string(path).unwrap_or_default();
        let (mut log, mut killed) = (Log::default(), HashSet::new());
        let mut begun: Vec<(u32, &str)> = Vec::new();
        for line in text.lines() {
            let Some((pid, rest)) = line.split_once(' ') else { continue };
            let (pid, rest) = (pid.parse().unwrap(), rest.trim_start());
            if rest.starts_with("+++ killed by SIGKILL") {
                killed.insert(pid);
            }
            if rest.starts_with("+++") || rest.starts_with("---") {
                continue;
            }
            if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
                begun.push((pid, start));
            } else if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
                let at = begun.iter().position(|(of, _)| *of == pid).expect("what is resumed was begun");
                let (_, start) = begun.remove(at);
                log.calls.extend(Call::parse(pid, &format!("{start}{end}")));
            } else {
                log.calls.extend(Call::parse(pid, rest));
            }
        }
        log.calls.extend(begun.iter().filter_map(|(pid, start)| Call::parse(*pid, &format!("{start}) = ?"))));
        let of_git = log.leave_out_git();
        // `art` itself ends a git that has told enough.
        log.killed = !killed.is_subset(&of_git);
        log
    }

    /// Leaves out the calls of git; returns which processes it is.
    fn leave_out_git(&mut self) -> HashSet<u32> {
        let mut of_git = HashSet::new();
        self.calls.retain(|call| {
            let starts = call.name == "execve";
            if starts && call.is_ok() && call.bytes(0).ends_with(b"/git") {
                of_git.insert(call.pid);
            }
            !starts && !of_git.contains(&call.pid)
        });
        of_git
    }
}

impl Call {
    fn parse(pid: u32, text: &str) -> Option<Call> {
        let (name, rest) = text.split_once('(')?;
        let (args, result) = rest.rsplit_once(" = ")?;
        let args = args.trim_end().strip_suffix(')')?;
        let number: String = result.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
        let ret_path = result.split_once('<').and_then(|(_, path)| path.split_once('>')).map(|(path, _)| path_of(path));
        let args = split_args(args).into_iter().map(str::to_owned).collect();
        let injected = result.contains("(INJECTED)");
        Some(Call { pid, name: name.to_owned(), args, ret: number.parse().ok(), ret_path, injected })
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.ret.is_some_and(|ret| ret >= 0)
    }

    /// Returns a number given as an argument.
    pub(crate) fn number(&self, at: usize) -> u64 {
        self.args[at].parse().unwrap_or_else(|_| panic!("`{}` is not a number in {self:?}", self.args[at]))
    }

    pub(crate) fn has_flag(&self, flag: &str) -> bool {
        self.args.iter().any(|arg| arg.split('|').any(|part| part == flag))
    }

    /// Returns the bytes of a string argument.
    pub(crate) fn bytes(&self, at: usize) -> Vec<u8> {
        let arg = &self.args[at];
        let inner = arg.strip_prefix('"').and_then(|arg| arg.strip_suffix('"'));
        unescape(inner.unwrap_or_else(|| panic!("`{arg}` is cut short")))
    }

    /// Returns the bytes of the pieces that a `writev` was given.
    pub(crate) fn pieces(&self, at: usize) -> Vec<u8> {
        self.args[at].split("iov_base=\"").skip(1).flat_map(|piece| unescape(piece.split_once('"').unwrap().0)).collect()
    }

    /// Returns the number and path of a descriptor that was given.
    pub(crate) fn fd(&self, at: usize) -> Option<(i64, PathBuf)> {
        let (number, path) = self.args.get(at)?.split_once('<')?;
        Some((number.parse().ok()?, path_of(path.split_once('>')?.0)))
    }

    /// Returns the path of the descriptor that came back.
    pub(crate) fn opened(&self) -> Option<(i64, PathBuf)> {
        Some((self.ret.filter(|fd| *fd >= 0)?, self.ret_path.clone()?))
    }

    /// Returns the paths that a call names or has a descriptor of, made whole.
    pub(crate) fn paths(&self, cwd: &Path) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        let mut base = cwd.to_owned();
        for (at, arg) in self.args.iter().enumerate() {
            if let Some(path) = arg.strip_prefix("AT_FDCWD<").and_then(|path| path.strip_suffix('>')) {
                base = path_of(path);
            } else if let Some((_, path)) = self.fd(at) {
                // Before a name it is the directory in which the name stands.
                if !self.args.get(at + 1).is_some_and(|next| next.starts_with('"')) || self.name.contains("write") {
                    paths.push(path.clone());
                }
                base = path;
            } else if arg.starts_with('"') && !self.name.contains("write") {
                paths.push(base.join(OsString::from_vec(self.bytes(at))));
            }
        }
        paths
    }

    /// Whether the call may change something below a directory, or lock it.
    pub(crate) fn changes(&self, dir: &Path) -> bool {
        let opens = self.name.starts_with("open");
        CHANGING.contains(&self.name.as_str()) && (!opens || self.has_flag("O_CREAT") || self.has_flag("O_TRUNC")) && self.touches(dir)
    }

    /// Whether the call concerns something below a directory.
    pub(crate) fn touches(&self, dir: &Path) -> bool {
        self.paths(dir).iter().any(|path| path.starts_with(dir))
    }
}

fn split_args(args: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut quoted, mut from) = (Vec::new(), 0, false, 0);
    for (at, byte) in args.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'[' | b'{' | b'<' if !quoted => depth += 1,
            b']' | b'}' | b'>' if !quoted => depth -= 1,
            b',' if !quoted && depth == 0 => {
                parts.push(args[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(args[from..].trim());
    parts
}

fn unescape(text: &str) -> Vec<u8> {
    let pairs = text.split("\\x").skip(1);
    pairs.map(|pair| u8::from_str_radix(&pair[..2], 16).expect("strace writes all strings in hexadecimal")).collect()
}

fn path_of(text: &str) -> PathBuf {
    PathBuf::from(OsString::from_vec(unescape(text)))
}
