//! A version as a query sees it: its values, and whether it meets a query.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::Value;

use super::FindOptions;
use super::key::Key;
use super::query::{Expr, Op, Term};
use super::test::{Number, Test, TextTest, age_holds, json_holds};
use crate::context::Context;
use crate::error::Result;
use crate::format::record::{Metadata, Time};
use crate::name::Tag;
use crate::ops::show::aliases_shown;
use crate::refs::history::{History, Version};
use crate::run_id::RunId;
use crate::store::Store;

/// The names that people gave to runs.
#[derive(Debug, Default)]
pub(super) struct RunNames(HashMap<RunId, String>);

/// What is the same for every version.
#[derive(Debug)]
pub(super) struct Finding<'f> {
    pub(super) store: &'f Store,
    pub(super) now: Time,
    pub(super) runs: &'f RunNames,
}

/// A version that is asked about.
pub(super) struct Subject<'f> {
    finding: &'f Finding<'f>,
    history: &'f History,
    version: &'f Version,
    aliases: OnceCell<Vec<String>>,
    metadata: OnceCell<Option<Cow<'f, Metadata>>>,
}

/// Whether a version meets a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// It depends on metadata that cannot be read.
    Unknown,
}

/// What a version is sorted by: numbers before texts before truth values.
#[derive(Clone, Debug)]
pub(super) enum SortValue {
    Number(Number),
    Time(Time),
    Text(String),
    Flag(bool),
}

impl RunNames {
    /// Reads the runs if something asks for the name of one.
    pub(super) fn load(store: &Store, context: &Context<'_>, options: &FindOptions) -> Result<RunNames> {
        let by_name = |test: &Test| match test {
            Test::Text(TextTest::Matches(pattern)) => pattern != "*",
            Test::Text(TextTest::Begins(text)) => !RunId::is_prefix(text),
            _ => true,
        };
        if !options.query.terms().iter().any(|term| *term.key() == Key::Run && by_name(&term.test)) {
            return Ok(RunNames::default());
        }
        let runs = store.runs(context.threads)?.runs;
        Ok(RunNames(runs.iter().filter_map(|run| Some((run.id, run.name()?.to_owned()))).collect()))
    }
}

impl<'f> Subject<'f> {
    pub(super) fn new(finding: &'f Finding<'f>, history: &'f History, version: &'f Version) -> Subject<'f> {
        Subject { finding, history, version, aliases: OnceCell::new(), metadata: OnceCell::new() }
    }

    /// Whether the version meets an expression.
    pub(super) fn meets(&self, expr: &Expr) -> Answer {
        // A part that decides is enough, whatever is not known of the others.
        let decides = |parts: &[Expr], deciding: Answer, otherwise: Answer| {
            let mut answer = otherwise;
            for part in parts {
                match self.meets(part) {
                    part if part == deciding => return deciding,
                    Answer::Unknown => answer = Answer::Unknown,
                    _ => {}
                }
            }
            answer
        };
        match expr {
            Expr::All(parts) => decides(parts, Answer::No, Answer::Yes),
            Expr::Any(parts) => decides(parts, Answer::Yes, Answer::No),
            Expr::Not(part) => match self.meets(part) {
                Answer::Yes => Answer::No,
                Answer::No => Answer::Yes,
                Answer::Unknown => Answer::Unknown,
            },
            Expr::Term(term) => self.meets_term(term),
            Expr::Text(text) => Answer::from(self.mentions(text)),
        }
    }

    fn meets_term(&self, term: &Term) -> Answer {
        let negated = term.op() == Op::NotEqual;
        let record = &self.version.record;
        let holds = match (&term.test, term.key()) {
            (Test::Text(test), key) => {
                let texts = self.texts(key);
                // A list without elements is there all the same.
                let is_there = !texts.is_empty() || matches!(key, Key::Tag | Key::Alias | Key::ArtifactTag);
                is_there && texts.iter().any(|text| test.holds(text)) != negated
            }
            (Test::Number(op, wanted), key) => self.number(key).is_some_and(|is| op.orders(is.total_cmp(wanted)) != negated),
            (Test::Time(op, period), _) => period.holds(*op, record.created_at) != negated,
            (Test::Age(op, seconds), _) => age_holds(*op, *seconds, record.created_at, self.finding.now),
            (Test::Flag(_, wanted), _) => record.git.as_ref().is_some_and(|git| (git.dirty == *wanted) != negated),
            (Test::Json(number, text), Key::Metadata(key)) => {
                let Some(metadata) = self.metadata() else { return Answer::Unknown };
                let values = key.values(metadata);
                !values.is_empty() && values.iter().any(|value| json_holds(value, number.as_ref(), text)) != negated
            }
            (Test::Json(..), _) => false,
        };
        Answer::from(holds)
    }

    /// Whether one of the texts that people give to a version contains a text, in whatever case.
    fn mentions(&self, text: &str) -> bool {
        let test = TextTest::Contains(text.to_lowercase());
        let keys = [Key::Name, Key::Description, Key::Tag, Key::Alias, Key::ArtifactDescription, Key::ArtifactTag];
        keys.iter().any(|key| self.texts(key).iter().any(|text| test.holds(text)))
    }

    fn texts(&self, key: &Key) -> Vec<Cow<'_, str>> {
        let (version, record, about) = (self.version, &self.version.record, &self.history.about);
        let git = record.git.as_ref();
        let tags = |tags: &'f [Tag]| tags.iter().map(|tag| Cow::Borrowed(tag.as_str())).collect();
        let one = |text| vec![Cow::Borrowed(text)];
        let perhaps = |text: Option<&'f String>| text.map(|text| Cow::Borrowed(text.as_str())).into_iter().collect();
        match key {
            Key::Name => one(record.artifact.as_str()),
            Key::Type => one(record.artifact_type.as_str()),
            Key::Version => one(&version.label),
            Key::Id => vec![version.id.to_string().into()],
            Key::Digest => vec![record.manifest.to_string().into()],
            Key::Alias => self.aliases().iter().map(|alias| Cow::Borrowed(alias.as_str())).collect(),
            Key::Tag => tags(&version.tags),
            Key::ArtifactTag => tags(&about.tags),
            Key::Description => perhaps(version.description.as_ref()),
            Key::ArtifactDescription => perhaps(about.description.as_ref()),
            Key::Run => {
                let name = |run| self.finding.runs.0.get(run).map(|name| Cow::Borrowed(name.as_str()));
                record.run.iter().flat_map(|run| [Some(run.to_string().into()), name(run)]).flatten().collect()
            }
            Key::GitCommit => perhaps(git.and_then(|git| git.commit.as_ref())),
            Key::GitBranch => perhaps(git.and_then(|git| git.branch.as_ref())),
            _ => Vec::new(),
        }
    }

    fn number(&self, key: &Key) -> Option<Number> {
        let record = &self.version.record;
        match key {
            Key::Number => Some(record.number.into()),
            Key::Files => Some(record.file_count.into()),
            Key::Size => Some(record.size_bytes.into()),
            Key::Stored => Some(record.stored_bytes.into()),
            _ => None,
        }
    }

    /// Returns what the version is sorted by: of several values the first.
    pub(super) fn sort_value(&self, key: &Key) -> Option<SortValue> {
        let record = &self.version.record;
        match key {
            Key::Created => Some(SortValue::Time(record.created_at)),
            Key::GitDirty => record.git.as_ref().map(|git| SortValue::Flag(git.dirty)),
            // A name of a version is sorted as its number is.
            Key::Version => self.number(&Key::Number).map(SortValue::Number),
            Key::Metadata(key) => key.values(self.metadata()?).into_iter().find_map(scalar),
            key => self.number(key).map(SortValue::Number).or_else(|| {
                let texts = self.texts(key);
                texts.into_iter().next().map(|text| SortValue::Text(text.into_owned()))
            }),
        }
    }

    fn aliases(&self) -> &[String] {
        self.aliases.get_or_init(|| aliases_shown(self.history, self.version))
    }

    fn metadata(&self) -> Option<&Metadata> {
        let read = || match &self.version.metadata[..] {
            // As it is nearly always: nothing has to be read or put together.
            [layer] if layer.pages.is_empty() && layer.unset.is_empty() => Some(Cow::Borrowed(&layer.set)),
            _ => self.finding.store.metadata(self.version).ok().map(Cow::Owned),
        };
        self.metadata.get_or_init(read).as_deref()
    }
}

fn scalar(value: &Value) -> Option<SortValue> {
    match value {
        Value::Number(number) => Some(SortValue::Number(number.into())),
        Value::String(text) => Some(SortValue::Text(text.clone())),
        Value::Bool(flag) => Some(SortValue::Flag(*flag)),
        Value::Array(items) => items.iter().find_map(scalar),
        Value::Object(_) | Value::Null => None,
    }
}

impl SortValue {
    pub(super) fn total_cmp(&self, other: &SortValue) -> Ordering {
        let rank = |value: &SortValue| match value {
            SortValue::Number(_) => 0,
            SortValue::Time(_) => 1,
            SortValue::Text(_) => 2,
            SortValue::Flag(_) => 3,
        };
        match (self, other) {
            (SortValue::Number(a), SortValue::Number(b)) => a.total_cmp(b),
            (SortValue::Time(a), SortValue::Time(b)) => a.cmp(b),
            (SortValue::Text(a), SortValue::Text(b)) => a.cmp(b),
            (SortValue::Flag(a), SortValue::Flag(b)) => a.cmp(b),
            (a, b) => rank(a).cmp(&rank(b)),
        }
    }
}

impl From<bool> for Answer {
    fn from(holds: bool) -> Answer {
        if holds { Answer::Yes } else { Answer::No }
    }
}
