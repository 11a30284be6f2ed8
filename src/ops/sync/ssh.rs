//! The way to another computer: the user's own `ssh`, that runs `art` there.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, select};

use super::remote::{Remote, Unopened};
use super::wire::message::Hello;
use super::wire::shown;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::lock::Wait;
use crate::quote::{for_shell, quote};

/// Lines of the other computer's standard error that wait to be told, and that an error repeats.
const LINES: usize = 1024;
const LINES_TOLD: usize = 8;
/// Longest of these lines, in bytes.
const LINE_LEN_MAX: u64 = 4096;
/// How long the command may take to end once it has nothing to do, and its last lines to come.
const END_MAX: Duration = Duration::from_secs(5);
const LAST_LINES_MAX: Duration = Duration::from_millis(200);

/// How ssh ends if it did not get there, and a shell that does not find a command.
const EXIT_SSH: i32 = 255;
const EXIT_NO_COMMAND: [i32; 2] = [126, 127];

/// A copy of a store on another computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshCopy {
    /// Where ssh goes: `[user@]host`.
    pub destination: String,
    /// The port, if it is not the usual one.
    pub port: Option<u16>,
    /// The directory there, from the home directory if it is relative.
    pub path: PathBuf,
    /// As it was typed.
    pub name: String,
    /// What is run.
    pub command: SshCommand,
}

/// The commands that make a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshCommand {
    /// The ssh of this computer, with its first arguments.
    pub ssh: Vec<OsString>,
    /// How the shell of the other computer finds `art`.
    pub art: String,
}

impl Default for SshCommand {
    fn default() -> SshCommand {
        SshCommand { ssh: vec!["ssh".into()], art: "art".to_owned() }
    }
}

impl SshCopy {
    /// Prepares the command.
    fn prepare(&self, context: &Context<'_>) -> Command {
        let (program, first) = self.command.ssh.split_first().map_or(("ssh".into(), &[][..]), |(program, first)| (program.clone(), first));
        let mut command = Command::new(program);
        command.args(first);
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        let no_wait = if context.wait == Wait::Not { " --no-wait" } else { "" };
        let mut remote = format!("{} serve-store{no_wait} -- ", self.command.art).into_bytes();
        remote.extend(for_shell(self.path.as_os_str().as_bytes()));
        command.arg(&self.destination).arg("--").arg(OsString::from_vec(remote));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Connects, lets `work` ask, and ends the connection. What the other computer says on its standard
    /// error is warned of once it serves, and before that belongs to the error.
    pub(super) fn with<T>(&self, context: &Context<'_>, hello: Hello, work: impl FnOnce(&Remote<'_>) -> Result<T>) -> Result<T> {
        let mut child = self.prepare(context).spawn().map_err(|e| {
            let program = self.command.ssh.first().map_or(&b"ssh"[..], |program| program.as_bytes());
            Error::failed(format!("cannot run {}", quote(program))).because(e).hint("install ssh, or name another command in ART_SSH")
        })?;
        let piped = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
        let ((stdin, stdout), stderr) = piped.ok_or_else(|| Error::failed("cannot speak with ssh: it has no pipes"))?;
        let (say, lines) = bounded(LINES);
        // Not waited for: what ssh leaves running may keep its standard error open.
        std::thread::spawn(move || read_lines(stderr, &|line| say.send(line).is_ok()));
        let serves = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (ended, end) = bounded::<()>(0);
            let (lines, serving) = (&lines, &serves);
            let listener = scope.spawn(move || listen(lines, &end, serving, &|line| context.progress.warn(&self.told(line))));
            let result = match Remote::open(&self.name, context, hello, stdout, stdin) {
                Ok(remote) => {
                    serves.store(true, Ordering::Relaxed);
                    work(&remote).map_err(Unopened::Failed)
                }
                Err(unopened) => Err(unopened),
            };
            let status = wait(&mut child);
            drop(ended);
            let held = listener.join().unwrap_or_default();
            result.map_err(|unopened| match unopened {
                Unopened::Silent => because_of(self.why_silent(status), &held),
                Unopened::Failed(error) if std::error::Error::source(&error).is_none() => because_of(error, &held),
                Unopened::Failed(error) => error,
            })
        })
    }

    fn told(&self, line: &str) -> String {
        // A warning there is one here.
        format!("{}: {}", self.destination, line.strip_prefix("warning: ").unwrap_or(line))
    }

    fn why_silent(&self, status: Option<ExitStatus>) -> Error {
        let (destination, art) = (quote(self.destination.as_bytes()), quote(self.command.art.as_bytes()));
        match status.and_then(|status| status.code()) {
            Some(EXIT_SSH) => Error::failed(format!("cannot connect to {destination}"))
                .hint(format!("see that `ssh {}` gets there without a question", shown(&self.destination))),
            Some(code) if EXIT_NO_COMMAND.contains(&code) => Error::failed(format!("cannot run {art} on {destination}"))
                .hint("install `art` there, or say where it is: ART_REMOTE_ART=/path/to/art"),
            _ => Error::failed(format!("cannot serve a store with {art} on {destination}")).hint(format!(
                "see that `art --version` there is {} or newer, or name another with ART_REMOTE_ART",
                env!("CARGO_PKG_VERSION")
            )),
        }
    }
}

/// Makes lines the causes of an error, the first of them the first.
fn because_of(error: Error, lines: &[String]) -> Error {
    let told = &lines[lines.len().saturating_sub(LINES_TOLD)..];
    let chain = told.iter().rev().fold(None, |below: Option<Error>, line| {
        let cause = Error::failed(line.clone());
        Some(match below {
            Some(below) => cause.because(below),
            None => cause,
        })
    });
    match chain {
        Some(chain) => error.because(chain),
        None => error,
    }
}

/// Reads lines, each cut to its longest, until nobody wants them.
fn read_lines(source: impl Read, say: &dyn Fn(String) -> bool) {
    let mut source = BufReader::new(source);
    loop {
        let mut line = Vec::new();
        match source.by_ref().take(LINE_LEN_MAX).read_until(b'\n', &mut line) {
            Ok(count) if count > 0 => {}
            _ => return,
        }
        let line = shown(String::from_utf8_lossy(&line).trim_end());
        if !line.is_empty() && !say(line) {
            return;
        }
    }
}

/// Tells lines as they come, from when the other side serves; returns those that came before, if it
/// never did. Ends when `end` does.
fn listen(lines: &Receiver<String>, end: &Receiver<()>, serves: &AtomicBool, tell: &dyn Fn(&str)) -> Vec<String> {
    let mut held: Vec<String> = Vec::new();
    let mut add = |line: String| {
        held.push(line);
        if serves.load(Ordering::Relaxed) {
            held.drain(..).for_each(|line| tell(&line));
        } else if held.len() > LINES {
            held.remove(0);
        }
    };
    loop {
        select! {
            recv(lines) -> line => match line {
                Ok(line) => add(line),
                Err(_) => {
                    let _ = end.recv();
                    break;
                }
            },
            recv(end) -> _ => {
                // What was written before the end may still be on its way.
                let until = Instant::now() + LAST_LINES_MAX;
                while let Ok(line) = lines.recv_deadline(until) {
                    add(line);
                }
                break;
            }
        }
    }
    if serves.load(Ordering::Relaxed) {
        held.drain(..).for_each(|line| tell(&line));
    }
    held
}

/// Waits for a command whose pipes are closed; one that does not end is ended.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let (begun, mut pause) = (Instant::now(), Duration::from_millis(1));
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if begun.elapsed() < END_MAX => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            _ => {
                let _ = child.kill();
                return child.wait().ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_hold_nothing_unseen() {
        let mut lines = Vec::new();
        let long = vec![b'x'; 2 * LINE_LEN_MAX as usize];
        let text = [b"one\r\n\n\x1b[31mtwo\n", &long[..]].concat();
        let all = std::cell::RefCell::new(&mut lines);
        read_lines(&text[..], &|line| {
            all.borrow_mut().push(line);
            true
        });
        assert_eq!((lines.len(), &lines[0][..], &lines[1][..]), (4, "one", "\\u{1b}[31mtwo"));
    }
}
