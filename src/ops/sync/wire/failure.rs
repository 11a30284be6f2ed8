//! Errors, as they are told to the other side and by it.

use serde::{Deserialize, Serialize};

use super::frame::TEXT_LEN_MAX;
use crate::error::{Error, ErrorKind};
use crate::quote::is_unseen;

/// Causes of an error that are told.
const CAUSES_MAX: usize = 8;

const KINDS_OF_ERROR: [(ErrorKind, u8); 8] = [
    (ErrorKind::Failed, 0),
    (ErrorKind::Refused, 1),
    (ErrorKind::Usage, 2),
    (ErrorKind::NotFound, 3),
    (ErrorKind::Ambiguous, 4),
    (ErrorKind::Damaged, 5),
    (ErrorKind::Busy, 6),
    (ErrorKind::NoSpace, 7),
];

/// An error of the other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Failure {
    kind: u8,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// Whether its kind is one that this program knows.
    pub(super) fn is_known(&self) -> bool {
        KINDS_OF_ERROR.iter().any(|(_, number)| *number == self.kind)
    }

    pub(in super::super) fn of(error: &Error) -> Failure {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause.filter(|_| causes.len() < CAUSES_MAX) {
            causes.push(text(&next.to_string()));
            cause = next.source();
        }
        let kind = KINDS_OF_ERROR.iter().find(|(kind, _)| *kind == error.kind()).map_or(0, |(_, number)| *number);
        Failure { kind, message: text(&error.to_string()), causes, hint: error.hint_text().map(text) }
    }

    /// Makes it an error of this side, that tells where it comes from.
    pub(in super::super) fn into_error(self, peer: &str) -> Error {
        let kind = KINDS_OF_ERROR.iter().find(|(_, number)| *number == self.kind).map_or(ErrorKind::Failed, |(kind, _)| *kind);
        let causes = self.causes.iter().rev().fold(None, |below: Option<Error>, cause| {
            let error = Error::failed(shown(cause));
            Some(match below {
                Some(below) => error.because(below),
                None => error,
            })
        });
        let mut error = Error::new(kind, format!("{}: {}", shown(peer), shown(&self.message)));
        if let Some(causes) = causes {
            error = error.because(causes);
        }
        match self.hint {
            Some(hint) => error.hint(shown(&hint)),
            None => error,
        }
    }
}

/// Takes what another program says for the terminal: lines, and nothing that is not seen.
pub(in super::super) fn shown(said: &str) -> String {
    let escape = |c: char| if is_unseen(c) && c != '\n' { format!("\\u{{{:x}}}", u32::from(c)) } else { c.to_string() };
    said.chars().map(escape).collect()
}

/// Cuts a text to the length that one may have.
pub(in super::super) fn text(long: &str) -> String {
    let mut end = long.len().min(TEXT_LEN_MAX);
    while !long.is_char_boundary(end) {
        end -= 1;
    }
    long[..end].to_owned()
}
