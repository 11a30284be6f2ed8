//! A query: terms that are joined by `and`, `or` and `not`. How one is written is in `docs/cli.md`;
//! [`Query::from_str`](std::str::FromStr) reads it, `Display` writes it.

use std::cmp::Ordering;
use std::fmt::{self, Write};

use super::key::Key;
use super::test::{Misfit, Test};
use crate::ops::metadata_key::in_quotes;

/// What versions must meet; the empty one is met by all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query(pub(super) Option<Expr>);

/// A part of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Each of these, at least two.
    All(Vec<Expr>),
    /// One of these, of at least two.
    Any(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// A comparison.
    Term(Term),
    /// The name, the description, a tag or an alias contains this, in whatever case.
    Text(String),
}

/// A key, an operator and a value that go together.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    key: Key,
    op: Op,
    value: Literal,
    pub(super) test: Test,
}

/// How a key is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `:`, equal, with `*` and `?` standing for other characters.
    Match,
    /// `=`
    Equal,
    /// `!=`, which a value that is not there does not meet.
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `~`, contains, in whatever case.
    Contains,
}

/// A value as it is typed. In quotes it is a text, and `*` and `?` stand for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    text: String,
    quoted: bool,
}

/// Signs of which operators are made.
pub(super) const OP_SIGNS: &str = ":=!<>~";

/// The operators as they are typed.
pub(super) const OPS: [(&str, Op); 8] = [
    (":", Op::Match),
    ("=", Op::Equal),
    ("!=", Op::NotEqual),
    ("<", Op::Less),
    ("<=", Op::LessOrEqual),
    (">", Op::Greater),
    (">=", Op::GreaterOrEqual),
    ("~", Op::Contains),
];

impl Query {
    /// Returns what is asked; none if all versions meet it.
    pub fn expr(&self) -> Option<&Expr> {
        self.0.as_ref()
    }

    /// Returns the terms in the order in which they are written.
    pub fn terms(&self) -> Vec<&Term> {
        let mut terms = Vec::new();
        let mut open: Vec<&Expr> = self.0.iter().collect();
        while let Some(expr) = open.pop() {
            match expr {
                Expr::All(parts) | Expr::Any(parts) => open.extend(parts.iter().rev()),
                Expr::Not(part) => open.push(part),
                Expr::Term(term) => terms.push(term),
                Expr::Text(_) => {}
            }
        }
        terms
    }
}

impl Term {
    pub(super) fn new(key: Key, op: Op, value: Literal) -> Result<Term, (Key, Misfit)> {
        match Test::new(key.kind(), op, &value) {
            Ok(test) => Ok(Term { key, op, value, test }),
            Err(misfit) => Err((key, misfit)),
        }
    }

    /// Returns what is compared.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Returns how.
    pub fn op(&self) -> Op {
        self.op
    }

    /// Returns with what.
    pub fn value(&self) -> &Literal {
        &self.value
    }
}

impl Op {
    /// Whether it holds for two that stand so.
    pub(super) fn orders(self, ordering: Ordering) -> bool {
        match self {
            // That `!=` turns the answer round is seen to where all values are known.
            Op::Match | Op::Equal | Op::NotEqual | Op::Contains => ordering.is_eq(),
            Op::Less => ordering.is_lt(),
            Op::LessOrEqual => ordering.is_le(),
            Op::Greater => ordering.is_gt(),
            Op::GreaterOrEqual => ordering.is_ge(),
        }
    }

    /// Returns the operator as it is typed.
    pub fn sign(self) -> &'static str {
        OPS.iter().find(|(_, op)| *op == self).map_or("", |(sign, _)| sign)
    }
}

impl Literal {
    pub(super) fn quoted(text: String) -> Literal {
        Literal { text, quoted: true }
    }

    pub(super) fn plain(text: String) -> Literal {
        Literal { text, quoted: false }
    }

    /// Returns the text without its quotes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it stands in quotes.
    pub fn is_quoted(&self) -> bool {
        self.quoted
    }
}

/// Whether a character belongs to a word that stands without quotes.
pub(super) fn is_word_char(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '(' | ')' | '"') && !OP_SIGNS.contains(c)
}

/// Whether a word is kept for joining terms.
pub(super) fn is_keyword(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

fn is_plain_word(text: &str) -> bool {
    let begins_well = !text.starts_with(['-', '\'']) && !text.contains('.');
    !text.is_empty() && text.chars().all(is_word_char) && begins_well && !is_keyword(text) && Key::named(&[text.to_owned()]).is_none()
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|expr| expr.fmt(f))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |f: &mut fmt::Formatter<'_>, part: &Expr| match part {
            Expr::All(_) | Expr::Any(_) => write!(f, "({part})"),
            _ => part.fmt(f),
        };
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Expr], with: &str| {
            parts.iter().enumerate().try_for_each(|(at, expr)| {
                f.write_str(if at > 0 { with } else { "" })?;
                part(f, expr)
            })
        };
        match self {
            Expr::All(parts) => joined(f, parts, " "),
            Expr::Any(parts) => joined(f, parts, " or "),
            Expr::Not(expr) => {
                f.write_char('-')?;
                part(f, expr)
            }
            Expr::Term(term) => term.fmt(f),
            Expr::Text(text) if is_plain_word(text) => f.write_str(text),
            Expr::Text(text) => f.write_str(&in_quotes(text)),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.key, self.op.sign(), self.value)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quoted { f.write_str(&in_quotes(&self.text)) } else { f.write_str(&self.text) }
    }
}
