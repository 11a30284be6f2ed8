//! `art run`: executions that use versions and produce others. Each step is a record of its own, so
//! a run that is killed keeps what it did.

mod show;
mod start;
mod step;

pub(crate) use show::Versions;
pub use show::{RunDetails, RunInfo, RunList, RunReferenceInfo, RunState, RunVersionInfo, list, show};
pub use start::{StartOptions, Started, start};
pub use step::{UseOutcome, check_open, finish, log, use_reference, use_version};
pub(crate) use step::{write_input, write_output};
