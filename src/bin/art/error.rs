//! How failures are told, and the exit codes; "Exit codes" in `docs/cli.md`.

use std::error::Error as _;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use artstore::{Error, ErrorKind};

/// The result of a command's parts.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

const EXIT_USAGE: u8 = 2;
const EXIT_BUG: u8 = 70;

/// How a command that did not fail ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It is done.
    Done,
    /// It was asked something, and the answer is no.
    No,
    /// It found damage and told so.
    Damaged,
    /// It failed, and has told so where it was asked.
    Failed(ErrorKind),
    /// A command that it ran ended so.
    Code(u8),
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library says so.
    Library(Error),
    /// Standard output cannot be written to.
    Output(io::Error),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        match exit {
            Exit::Done => ExitCode::SUCCESS,
            Exit::No => ExitCode::from(code_of(ErrorKind::Failed)),
            Exit::Code(code) => ExitCode::from(code),
            Exit::Failed(kind) => ExitCode::from(code_of(kind)),
            Exit::Damaged => ExitCode::from(code_of(ErrorKind::Damaged)),
        }
    }
}

impl Failure {
    /// Returns the kind of a library's error.
    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        match self {
            Failure::Library(error) => Some(error.kind()),
            Failure::Output(_) => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Library(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

fn code_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Failed | ErrorKind::Refused => 1,
        ErrorKind::Usage => EXIT_USAGE,
        ErrorKind::NotFound => 3,
        ErrorKind::Ambiguous => 4,
        ErrorKind::Damaged => 5,
        ErrorKind::Busy => 6,
        ErrorKind::NoSpace => 7,
    }
}

/// Tells a failure on standard error and returns the exit code.
pub(crate) fn report(failure: &Failure, json: bool) -> ExitCode {
    match failure {
        // Whoever read our output has had enough: `art cat … | head`.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Failure::Library(error) if is_broken_pipe(error) => ExitCode::SUCCESS,
        Failure::Output(error) => {
            let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge);
            let kind = if is_full { ErrorKind::NoSpace } else { ErrorKind::Failed };
            tell("cannot write to standard output", &[error.to_string()], None, code_of(kind), json)
        }
        Failure::Library(error) => {
            let mut causes = Vec::new();
            let mut cause = error.source();
            while let Some(next) = cause {
                causes.push(next.to_string());
                cause = next.source();
            }
            tell(&error.to_string(), &causes, error.hint_text(), code_of(error.kind()), json)
        }
    }
}

/// Prints what clap has to say: help and the version to standard output, the rest to standard
/// error.
pub(crate) fn report_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Whoever closed the pipe does not want to read on.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if json_was_asked_for() {
        let text = error.render().to_string();
        let message = text.split("\n\n").next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message).split_whitespace().collect::<Vec<_>>().join(" ");
        return tell(&message, &[], Some("run `art help`"), EXIT_USAGE, true);
    }
    let _ = error.print();
    ExitCode::from(EXIT_USAGE)
}

/// Runs the program; a panic is a bug, told as such, with exit code 70.
pub(crate) fn catch_bugs(program: impl FnOnce() -> ExitCode + panic::UnwindSafe) -> ExitCode {
    static FIRST: Mutex<Option<String>> = Mutex::new(None);
    panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        // A panic in one thread makes others panic that wait for it; the first tells the reason.
        FIRST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| info.to_string());
    }));
    panic::catch_unwind(program).unwrap_or_else(|_| {
        let reason = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let message = format!("this is a bug in art {}: {}", env!("CARGO_PKG_VERSION"), reason.replace('\n', " "));
        let hint = "please report it with this message and the command; what was acknowledged as stored is safe";
        tell(&message, &[], Some(hint), EXIT_BUG, json_was_asked_for())
    })
}

fn tell(message: &str, causes: &[String], hint: Option<&str>, exit_code: u8, json: bool) -> ExitCode {
    let text = if json {
        let all = std::iter::once(message).chain(causes.iter().map(String::as_str)).collect::<Vec<_>>().join(": ");
        format!("{}\n", serde_json::json!({ "error": all, "exit_code": exit_code, "hint": hint }))
    } else {
        let causes: String = causes.iter().map(|cause| format!("  caused by: {cause}\n")).collect();
        let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
        format!("error: {message}\n{causes}{hint}")
    };
    // If standard error is gone too, the exit code must do.
    let _ = io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(exit_code)
}

fn is_broken_pipe(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(next) = cause {
        if next.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = next.source();
    }
    false
}

/// Looks for `--json` where the arguments could not be parsed, or are out of reach.
fn json_was_asked_for() -> bool {
    std::env::args_os().skip(1).take_while(|arg| arg != "--").any(|arg| arg == "--json")
}
