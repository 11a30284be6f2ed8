//! Records of runs; "Run records" in `docs/format.md`.

use serde::{Deserialize, Serialize};

use super::limits::{ARGV_LEN_MAX, METADATA_INLINE_LEN_MAX, RUN_TEXT_LEN_MAX, URI_LEN_MAX};
use super::record::{GitState, Metadata, RecordError, Time, check_depth, metadata_json};
use crate::id::{FileDigest, PageId, RecordId};
use crate::name::Name;
use crate::run_id::RunId;

/// One step of a run: its start, what it used or produced, values it logged, its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// What the run was configured with: members to set.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub config: Metadata,
    /// When.
    pub created_at: Time,
    /// That the run is over, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RunEnd>,
    /// A version that the run used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<RunVersion>,
    /// A version that was there already and that the run produced once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<RunVersion>,
    /// Something that the run used and that was never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<RunReference>,
    /// The run.
    pub run: RunId,
    /// One more than the highest of this run that its writer saw.
    pub seq: u64,
    /// How the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<RunStart>,
    /// What the run found out: members to set.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub summary: Metadata,
}

/// How a run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStart {
    /// The command and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// The state of the git repo beside the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitState>,
    /// The computer's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What sort of work it is, such as `train`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_type: Option<Name>,
    /// Who ends the run.
    pub mode: RunMode,
    /// What people call the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// Where the git repo is pushed to, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Who ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// Who ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunMode {
    /// The command round which it was started.
    Exec,
    /// Somebody who says so.
    Open,
}

/// A version that a run used or produced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunVersion {
    /// The artifact.
    pub artifact: Name,
    /// The id of its manifest.
    pub digest: PageId,
    /// What it was used as.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Name>,
    /// The version's id.
    pub version: RecordId,
}

/// Something outside the store that a run used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunReference {
    /// The digest of its bytes, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<FileDigest>,
    /// What it was used as.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Name>,
    /// Its length in bytes, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Where it is.
    pub uri: String,
}

/// How a run ended: with an exit code, or by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEnd {
    /// The exit code; none if it was ended by a signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// The signal's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<u8>,
}

impl RunRecord {
    /// A record of a run that says nothing yet.
    pub fn new(run: RunId, seq: u64, created_at: Time) -> RunRecord {
        RunRecord {
            config: Metadata::new(),
            created_at,
            end: None,
            input: None,
            output: None,
            reference: None,
            run,
            seq,
            start: None,
            summary: Metadata::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), RecordError> {
        for (values, what) in [(&self.config, "config"), (&self.summary, "summary")] {
            check_depth(values)?;
            if metadata_json(values)?.len() > METADATA_INLINE_LEN_MAX {
                return Err(RecordError::TooLong(what, METADATA_INLINE_LEN_MAX));
            }
        }
        if self.end.is_some_and(|end| end.exit_code.is_some() == end.signal.is_some()) {
            return Err(RecordError::Limit("end"));
        }
        match self.reference.as_ref().map(|reference| reference.uri.len()) {
            Some(0) => return Err(RecordError::Empty("URI")),
            Some(len) if len > URI_LEN_MAX => return Err(RecordError::TooLong("URI", URI_LEN_MAX)),
            _ => {}
        }
        self.start.as_ref().map_or(Ok(()), RunStart::check)
    }
}

impl RunStart {
    fn check(&self) -> Result<(), RecordError> {
        for (text, what) in [(&self.name, "name"), (&self.host, "host"), (&self.user, "user"), (&self.remote, "remote")] {
            match text.as_deref() {
                Some("") => return Err(RecordError::Empty(what)),
                Some(text) if text.len() > RUN_TEXT_LEN_MAX => return Err(RecordError::TooLong(what, RUN_TEXT_LEN_MAX)),
                _ => {}
            }
        }
        let argv_len: usize = self.argv.iter().map(|arg| arg.len() + 1).sum();
        if argv_len > ARGV_LEN_MAX { Err(RecordError::TooLong("list of arguments", ARGV_LEN_MAX)) } else { Ok(()) }
    }
}
