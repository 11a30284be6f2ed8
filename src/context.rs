//! What every operation is given by its caller, because the library itself asks neither the
//! clock nor the environment: the time, the threads, and whom to tell of progress.

use crate::format::record::{GitState, Time};
use crate::lock::Wait;
use crate::progress::Progress;
use crate::run_id::RunId;

/// What an operation may use and must tell. It has no default: a caller decides.
#[derive(Clone)]
pub struct Context<'a> {
    /// The time that records carry.
    pub now: Time,
    /// The state of the git repo beside the store, if the caller knows one.
    pub git: Option<GitState>,
    /// The run that uses and makes versions.
    pub run: Option<RunId>,
    /// How many threads may work at once, at least 1.
    pub threads: usize,
    /// What to do when another process holds a lock.
    pub wait: Wait,
    /// Whom to tell.
    pub progress: &'a dyn Progress,
}
