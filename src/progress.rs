//! How long work tells of its progress: a trait, silent by default.

/// Receives what an operation has done so far; called from several threads.
pub trait Progress: Sync {
    /// A new phase begins, such as `storing` or `syncing to disk`.
    fn phase(&self, _name: &'static str) {}
    /// More work became known.
    fn expect(&self, _files: u64, _bytes: u64) {}
    /// All work is known now, so that the time left can be told.
    fn all_expected(&self) {}
    /// Work was done.
    fn advance(&self, _files: u64, _bytes: u64) {}
    /// Something worth a line to the user happened, such as a FIFO that was skipped.
    fn warn(&self, _message: &str) {}
    /// A lock that another process holds is waited for.
    fn waiting(&self, _lock: &str) {}
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}
