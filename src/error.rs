//! The library's error: what failed, on what, why, and what helps.
//!
//! One type with a small [`ErrorKind`], because callers branch on the kind alone (it decides the
//! command's exit code), and the rest is for people. Messages are lower case, failure first,
//! subject in quotes; the cause is kept as the source and not repeated in the message.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;

use crate::quote::{quote, quote_path};

/// A result of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure an [`Error`] is; a caller branches on this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The operation failed for a reason outside the store (an I/O error, a changing file).
    Failed,
    /// The operation was refused, because it would lose or change something unasked.
    Refused,
    /// An argument is not of the right form.
    Usage,
    /// There is no such store, artifact, version or path.
    NotFound,
    /// A name means more than one thing.
    Ambiguous,
    /// The store is damaged, incomplete, or of a newer format.
    Damaged,
    /// Another process holds the lock.
    Busy,
    /// The disk, the quota or the file size limit is exhausted.
    NoSpace,
}

/// An error: its kind, a message, perhaps a hint and a source.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<Cow<'static, str>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Makes an error of `kind` with a message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), hint: None, source: None }
    }

    /// Makes an error of kind [`ErrorKind::Failed`].
    pub fn failed(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Failed, message)
    }

    /// Makes an error of kind [`ErrorKind::Refused`].
    pub fn refused(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Refused, message)
    }

    /// Makes an error of kind [`ErrorKind::Usage`].
    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, message)
    }

    /// Makes an error of kind [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::NotFound, message)
    }

    /// Makes an error of kind [`ErrorKind::Ambiguous`].
    pub fn ambiguous(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Ambiguous, message)
    }

    /// Makes an error of kind [`ErrorKind::Damaged`].
    pub fn damaged(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Damaged, message)
    }

    /// Makes the error of an I/O operation on a path: `cannot read 'p'`.
    ///
    /// A full disk, an exhausted quota and a file size limit become [`ErrorKind::NoSpace`].
    pub fn io(verb: &str, path: &Path, source: io::Error) -> Error {
        let kind = kind_of_io(&source);
        let error = Error::new(kind, format!("cannot {verb} {}", quote_path(path)));
        let error = match kind {
            ErrorKind::NoSpace => error.hint("free some space and run the command again: nothing stored so far is lost"),
            _ => error,
        };
        error.because(source)
    }

    /// Adds what helps, with the exact command where there is one.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.source = Some(source.into());
        self
    }

    /// Puts this error under a message that says what it made impossible; kind and hint stay.
    #[must_use]
    pub fn within(self, message: impl Into<String>) -> Error {
        let hint = self.hint.clone();
        Error { kind: self.kind, message: message.into(), hint, source: Some(Box::new(self)) }
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether access to a file was denied.
    pub(crate) fn is_denied(&self) -> bool {
        let io = self.source.as_ref().and_then(|source| source.downcast_ref::<io::Error>());
        io.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Returns the hint, if there is one.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => ErrorKind::NoSpace,
        _ => ErrorKind::Failed,
    }
}

/// Makes the error of damage to something named: `pack 'ab' is damaged: why`.
pub(crate) fn damaged(what: &str, name: &str, why: impl fmt::Display) -> Error {
    Error::damaged(format!("{what} {} is damaged: {why}", quote(name.as_bytes()))).hint("run `art fsck` for the whole picture")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_other_io_errors() {
        let full = Error::io("write", Path::new("p"), io::Error::from_raw_os_error(28));
        assert_eq!(full.kind(), ErrorKind::NoSpace);
        let denied = Error::io("read", Path::new("a\nb"), io::Error::from_raw_os_error(13));
        assert_eq!(denied.kind(), ErrorKind::Failed);
        assert_eq!(denied.to_string(), r"cannot read 'a\nb'");
    }
}
