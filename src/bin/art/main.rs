//! The `art` command: parses its arguments, sets up, runs one command, tells how it went.

mod args;
mod commands;
mod error;
mod git;
mod setup;
mod span;
mod ui;
mod values;

use std::process::ExitCode;

fn main() -> ExitCode {
    error::catch_bugs(|| {
        let args = match args::parse() {
            Ok(args) => args,
            Err(exit) => return exit,
        };
        let json = args.global.json;
        let result = setup::Setup::new(args.global).and_then(|setup| {
            let result = commands::run(args.command, &setup);
            setup.ui.end_progress();
            result
        });
        match result {
            Ok(exit) => exit.into(),
            Err(failure) => error::report(&failure, json),
        }
    })
}
