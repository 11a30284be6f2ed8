//! `art run exec`: a command with a run round it, which sees nothing of that but ART_RUN.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};

use artstore::format::run::{RunEnd, RunMode};
use artstore::ops::run;
use artstore::quote::quote;
use artstore::run_id::RunId;
use artstore::{Context, Error, ErrorKind, Store};
use clap::Args;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::emulate_default_handler;
use signal_hook::low_level::siginfo::Cause;

use super::StartArgs;
use crate::error::{Exit, Result};
use crate::git;
use crate::setup::{RUN_VARIABLE, Setup};

/// Exit codes of a command that cannot be started, as `env` has them.
const EXIT_NOT_FOUND: u8 = 127;
const EXIT_NOT_EXECUTABLE: u8 = 126;

/// Signals that go on to the command. What stops and resumes reaches it in its own way.
const FORWARDED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

#[derive(Args, Debug)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    start: StartArgs,
    /// Do not record the command and its arguments
    #[arg(long)]
    no_argv: bool,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

pub(super) fn run(args: &ExecArgs, setup: &Setup) -> Result<Exit> {
    let store = setup.store()?;
    let mut options = args.start.options(RunMode::Exec, &store)?;
    if !args.no_argv {
        options.argv = args.command.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    }
    let context = Context { git: git::state(store.project()), ..setup.context()? };
    let mut started = run::start(&store, &context, &options)?;
    if let Some(lock) = &mut started.lock {
        lock.inherit()?;
    }
    // Before the command is there: a signal that comes first must not end the run alone.
    let mut signals = SignalsInfo::<WithOrigin>::new(FORWARDED.iter().chain([&SIGCHLD]))
        .map_err(|e| Error::failed("cannot listen to signals").because(e))?;
    let root = std::path::absolute(store.root()).map_err(|e| Error::io("find", store.root(), e))?;
    let spawned = Command::new(&args.command[0])
        .args(&args.command[1..])
        .env(RUN_VARIABLE, started.id.to_string())
        // What belongs to the run goes to the run's store, wherever the command goes.
        .env("ART_STORE", root)
        .spawn();
    let end = match spawned {
        Ok(mut child) => {
            let status = wait(&mut child, &mut signals).map_err(|e| Error::failed("cannot wait for the command").because(e))?;
            end_of(status)
        }
        Err(error) => {
            let exit_code = if error.kind() == io::ErrorKind::NotFound { EXIT_NOT_FOUND } else { EXIT_NOT_EXECUTABLE };
            let command = args.command[0].to_string_lossy();
            setup.ui.warn(&format!("cannot start {}: {error}", quote(command.as_bytes())));
            RunEnd { exit_code: Some(exit_code), signal: None }
        }
    };
    finish(&store, setup, started.id, end);
    if let Some(lock) = started.lock {
        lock.end();
    }
    if let Some(signal) = end.signal {
        // The shell is to see what it would have seen without us.
        let _ = emulate_default_handler(i32::from(signal));
    }
    Ok(Exit::Code(end.exit_code.unwrap_or_else(|| 128u8.saturating_add(end.signal.unwrap_or(0)))))
}

/// Waits for the command, and hands it the signals that were meant for it.
fn wait(child: &mut Child, signals: &mut SignalsInfo<WithOrigin>) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        for origin in signals.wait() {
            // What the terminal sends, it sends to the command as well.
            let from_terminal = matches!(origin.cause, Cause::Kernel);
            if origin.signal != SIGCHLD && !from_terminal {
                let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
                let signal = rustix::process::Signal::from_named_raw(origin.signal);
                if let (Some(pid), Some(signal)) = (pid, signal) {
                    // It may just have ended, which the next look at it shows.
                    let _ = rustix::process::kill_process(pid, signal);
                }
            }
        }
    }
}

fn end_of(status: ExitStatus) -> RunEnd {
    let small = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match status.signal() {
        Some(signal) => RunEnd { exit_code: None, signal: Some(small(signal)) },
        None => RunEnd { exit_code: Some(small(status.code().unwrap_or(0))), signal: None },
    }
}

/// Records the end. The command's own exit code counts, whatever becomes of the record.
fn finish(store: &Store, setup: &Setup, id: RunId, end: RunEnd) {
    let Ok(context) = setup.context() else { return };
    match run::finish(store, &context, id, end) {
        // The command may have said so itself.
        Err(error) if error.kind() != ErrorKind::Refused => setup.ui.warn(&format!("cannot record the end of run {id}: {error}")),
        _ => {}
    }
}
