//! Where output goes: data to standard output, everything else to standard error.

pub(crate) mod out;
mod progress;
pub(crate) mod show;
pub(crate) mod table;

use std::io::{self, IsTerminal, Write};

use artstore::progress::Progress;

use crate::error::Result;
use out::Out;
use progress::Meter;

/// The command's way to the user.
#[derive(Debug)]
pub(crate) struct Ui {
    /// Whether data and messages are JSON.
    pub(crate) json: bool,
    meter: Meter,
}

impl Ui {
    /// Decides how to talk; progress is drawn only on a terminal.
    pub(crate) fn new(json: bool, quiet: bool) -> Ui {
        let draws = !json && !quiet && io::stderr().is_terminal();
        Ui { json, meter: Meter::new(json, draws) }
    }

    /// Returns whom operations tell what they do.
    pub(crate) fn progress(&self) -> &dyn Progress {
        &self.meter
    }

    /// Opens standard output for data, and takes a progress line off the screen.
    pub(crate) fn out(&self) -> Result<Out> {
        self.end_progress();
        Out::new(self.json)
    }

    /// Warns the user; the command goes on.
    pub(crate) fn warn(&self, message: &str) {
        self.meter.warn(message);
    }

    /// Tells the user something that is no data, and nothing to be warned of.
    pub(crate) fn tell(&self, message: &str) {
        self.end_progress();
        say(&if self.json { serde_json::json!({ "news": message }).to_string() } else { message.to_owned() });
    }

    /// Stops drawing progress.
    pub(crate) fn end_progress(&self) {
        self.meter.end();
    }
}

/// Writes a line to standard error; if that is gone there is nobody left to tell.
fn say(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}
