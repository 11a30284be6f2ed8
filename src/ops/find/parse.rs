//! Reads queries and sort keys, and points at what is wrong.

use std::ops::Range;
use std::str::FromStr;

use unicode_width::UnicodeWidthStr;

use super::SortKey;
use super::key::{self, Key, METADATA};
use super::query::{Expr, Literal, OP_SIGNS, OPS, Op, Query, Term, is_keyword, is_word_char};
use super::test::Misfit;
use crate::error::{Error, Result};
use crate::quote::{escape, quote};

/// Most parentheses and negations round one another.
const DEPTH_MAX: usize = 64;

const HELP: &str = "`art help find` tells how a query is written";

/// What is wrong, and where in the text.
struct Fault {
    at: Range<usize>,
    why: String,
    hint: String,
}

impl FromStr for Query {
    type Err = Error;

    fn from_str(text: &str) -> Result<Query> {
        Parser { text, at: 0, depth: 0 }.query().map_err(|fault| fault.into_error("query", text))
    }
}

impl FromStr for SortKey {
    type Err = Error;

    /// Reads `KEY`, or `-KEY` for the other way round.
    fn from_str(text: &str) -> Result<SortKey> {
        let descending = text.starts_with('-');
        let mut parser = Parser { text, at: usize::from(descending), depth: 0 };
        parser.sort_key(descending).map_err(|fault| fault.into_error("sort key", text))
    }
}

impl Fault {
    fn new(at: Range<usize>, why: impl Into<String>) -> Fault {
        Fault { at, why: why.into(), hint: HELP.to_owned() }
    }

    fn hint(self, hint: impl Into<String>) -> Fault {
        Fault { hint: hint.into(), ..self }
    }

    fn into_error(self, what: &str, text: &str) -> Error {
        let shown = |range: Range<usize>| escape(text.get(range).unwrap_or_default().as_bytes());
        let before = shown(0..self.at.start);
        let column = text.get(..self.at.start).unwrap_or_default().chars().count() + 1;
        let (pad, carets) = (" ".repeat(before.width()), "^".repeat(shown(self.at.clone()).width().max(1)));
        let line = shown(0..text.len());
        Error::usage(format!("bad {what}, column {column}: {}\n  {line}\n  {pad}{carets}", self.why)).hint(self.hint)
    }
}

struct Parser<'q> {
    text: &'q str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn query(&mut self) -> Result<Query, Fault> {
        self.skip_spaces();
        if self.rest().is_empty() {
            return Ok(Query(None));
        }
        let expr = self.any()?;
        match self.rest() {
            "" => Ok(Query(Some(expr))),
            // Nothing else ends an expression.
            _ => Err(Fault::new(self.at..self.at + 1, "there is no `(` for this `)`").hint("remove it, or put the text in quotes")),
        }
    }

    fn sort_key(&mut self, descending: bool) -> Result<SortKey, Fault> {
        let start = self.at;
        let names = self.names()?;
        if start == self.at || !self.rest().is_empty() {
            return Err(Fault::new(self.at..self.text.len(), "a key is expected")
                .hint("give `created`, `-size` or `-metadata.acc`, say; for several keys repeat the option"));
        }
        let key = self.key(&names.1, start..self.at)?;
        Ok(SortKey { key, descending })
    }

    /// `TERMS or TERMS or ...`
    fn any(&mut self) -> Result<Expr, Fault> {
        let mut parts = vec![self.all()?];
        while self.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(single_or(parts, Expr::Any))
    }

    /// `TERM TERM ...`, perhaps with `and` between.
    fn all(&mut self) -> Result<Expr, Fault> {
        let mut parts = vec![self.one()?];
        loop {
            self.skip_spaces();
            if self.rest().is_empty() || self.rest().starts_with(')') || self.is_next("or") {
                return Ok(single_or(parts, Expr::All));
            }
            self.keyword("and");
            parts.push(self.one()?);
        }
    }

    /// A term, perhaps negated, or a query in parentheses.
    fn one(&mut self) -> Result<Expr, Fault> {
        self.skip_spaces();
        let start = self.at;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::new(start..start + 1, format!("more than {DEPTH_MAX} parentheses and negations round one another")));
        }
        let minus = self.rest().starts_with('-');
        let expr = if minus || self.keyword("not") {
            self.at += usize::from(minus);
            if minus && self.rest().starts_with(char::is_whitespace) {
                return Err(Fault::new(start..self.at, "a term is expected right after `-`").hint("as in `-tag:draft`"));
            }
            Expr::Not(Box::new(self.one()?))
        } else if self.rest().starts_with('(') {
            self.at += 1;
            let inner = self.any()?;
            if !self.rest().starts_with(')') {
                return Err(Fault::new(start..start + 1, "there is no `)` for this `(`").hint("close it, or put the text in quotes"));
            }
            self.at += 1;
            inner
        } else {
            self.term()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn term(&mut self) -> Result<Expr, Fault> {
        let start = self.at;
        let (is_text, names) = self.names()?;
        let range = start..self.at;
        self.skip_spaces();
        if !self.rest().starts_with(|c| OP_SIGNS.contains(c)) {
            self.at = range.end;
            return self.text_search(range, is_text, &names);
        }
        if range.is_empty() {
            return Err(Fault::new(self.at..self.at + 1, "a key is expected before the operator").hint("as in `type:model` or `size>1GB`"));
        }
        let key = self.key(&names, range)?;
        let (op, op_range) = self.op()?;
        self.skip_spaces();
        let value_start = self.at;
        let value = self.value(op)?;
        Term::new(key, op, value).map(Expr::Term).map_err(|(key, misfit)| self.misfit(&key, misfit, op_range, value_start..self.at))
    }

    /// What stands without an operator is searched for in texts.
    fn text_search(&mut self, range: Range<usize>, is_text: bool, names: &[String]) -> Result<Expr, Fault> {
        let text = &self.text[range.clone()];
        if range.is_empty() {
            let end = self.at + self.rest().chars().next().map_or(0, char::len_utf8);
            return Err(Fault::new(self.at..end, "a term is expected").hint("as in `type:model` or `size>1GB`"));
        }
        if is_keyword(text) {
            return Err(Fault::new(range, format!("a term is expected before `{}`", escape(text.as_bytes())))
                .hint("to search for the word, put it in quotes"));
        }
        if is_text {
            return Ok(Expr::Text(names.concat()));
        }
        if Key::named(names).is_some() || names.first().is_some_and(|first| first == METADATA) {
            return Err(Fault::new(range, format!("an operator is expected after the key `{}`", escape(text.as_bytes())))
                .hint(format!("as in `{}:*` for any value; to search for the word, put it in quotes", escape(text.as_bytes()))));
        }
        Ok(Expr::Text(text.to_owned()))
    }

    /// Reads names with dots between, each of which may stand in quotes; the first of the answer says
    /// whether they are one text in quotes.
    fn names(&mut self) -> Result<(bool, Vec<String>), Fault> {
        let start = self.at;
        let mut names = Vec::new();
        loop {
            let quoted = self.rest().starts_with(['"', '\'']);
            let name = if quoted { self.quoted()? } else { self.word(|c| is_word_char(c) && c != '.') };
            names.push(name);
            let is_first = names.len() == 1;
            if self.rest().starts_with('.') {
                self.at += 1;
                continue;
            }
            if self.rest().starts_with(|c| c == '"' || (quoted && is_word_char(c))) {
                return Err(
                    Fault::new(self.at..self.at + 1, "a quote within a word").hint("put the whole text in quotes, a `\"` in it as `\\\"`")
                );
            }
            return Ok((quoted && is_first, if start == self.at { Vec::new() } else { names }));
        }
    }

    fn key(&self, names: &[String], range: Range<usize>) -> Result<Key, Fault> {
        Key::named(names).ok_or_else(|| {
            let text = &self.text[range.clone()];
            let fault = Fault::new(range, format!("unknown key {}", quote(text.as_bytes())));
            match key::nearest(names) {
                _ if names == [METADATA] => fault.hint("name a value in it: `metadata.acc`"),
                Some(meant) => fault.hint(format!("did you mean `{meant}`? `art help find` lists the keys")),
                None => fault.hint(format!(
                    "`art help find` lists the keys; if it is in the metadata, write `metadata.{}`",
                    escape(text.as_bytes())
                )),
            }
        })
    }

    fn op(&mut self) -> Result<(Op, Range<usize>), Fault> {
        let start = self.at;
        let sign = self.word(|c| OP_SIGNS.contains(c));
        let range = start..self.at;
        if let Some((_, op)) = OPS.iter().find(|(known, _)| *known == sign) {
            return Ok((*op, range));
        }
        let hint = match &sign[..] {
            "==" | "::" | ":=" => "write `=` for equal".to_owned(),
            "=>" => "write `>=`".to_owned(),
            "=<" => "write `<=`".to_owned(),
            "<>" | "!" | "!:" | "!==" => "write `!=` for not equal".to_owned(),
            "=~" | "~=" => "write `~` for contains".to_owned(),
            "!~" => "write `~`, and `-` before the key for not".to_owned(),
            _ => "the operators are `:`, `=`, `!=`, `<`, `<=`, `>`, `>=` and `~`; a value that begins so stands in quotes".to_owned(),
        };
        Err(Fault::new(range, format!("bad operator {}", quote(sign.as_bytes()))).hint(hint))
    }

    fn value(&mut self, op: Op) -> Result<Literal, Fault> {
        let start = self.at;
        if self.rest().starts_with(['"', '\'']) {
            let text = self.quoted()?;
            let next = self.rest().chars().next();
            return match next {
                Some(c) if !c.is_whitespace() && c != ')' => {
                    Err(Fault::new(self.at..self.at + c.len_utf8(), "a space is expected after the text in quotes")
                        .hint("put the whole text in quotes, a `\"` in it as `\\\"`"))
                }
                _ => Ok(Literal::quoted(text)),
            };
        }
        let text = self.word(|c| is_word_char(c) || OP_SIGNS.contains(c));
        match self.rest().chars().next() {
            Some('"' | '(') => {
                Err(Fault::new(self.at..self.at + 1, "a quote or parenthesis within a value").hint("put the whole value in quotes"))
            }
            _ if text.is_empty() => {
                let end = start + self.rest().chars().next().map_or(0, char::len_utf8);
                Err(Fault::new(start..end, format!("a value is expected after `{}`", op.sign()))
                    .hint("an empty text is `\"\"`; any value, `:*`"))
            }
            _ => Ok(Literal::plain(text)),
        }
    }

    fn misfit(&self, key: &Key, misfit: Misfit, op: Range<usize>, value: Range<usize>) -> Fault {
        let text = |range: &Range<usize>| quote(self.text[range.clone()].as_bytes());
        match misfit {
            Misfit::Op(which) => Fault::new(op.clone(), format!("operator {} does not go with `{key}`", text(&op)))
                .hint(format!("with `{key}` {which} can be used")),
            Misfit::AgeOp => Fault::new(op.clone(), format!("operator {} does not go with the age {}", text(&op), text(&value)))
                .hint(format!("`{key}<{}` finds what is younger, `>` what is older", &self.text[value])),
            Misfit::Value(what, form) => Fault::new(value.clone(), format!("bad {what} {}", text(&value))).hint(form),
        }
    }

    /// Reads a text in quotes of either kind.
    fn quoted(&mut self) -> Result<String, Fault> {
        let start = self.at;
        let mut chars = self.text[start..].char_indices();
        let (mut text, mut escaped) = (String::new(), false);
        let Some((_, sign)) = chars.next() else { return Ok(text) };
        for (at, c) in chars {
            match c {
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                c if c == sign && !escaped => {
                    self.at = start + at + c.len_utf8();
                    return Ok(text);
                }
                // A backslash before anything else stands for itself.
                c if escaped && c != '\\' && c != sign => text.push('\\'),
                _ => {}
            }
            escaped = false;
            text.push(c);
        }
        Err(Fault::new(start..self.text.len(), "this quote is not closed").hint("close it; a quote in a text is `\\\"`"))
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let len = self.rest().find(|c| !belongs(c)).unwrap_or(self.rest().len());
        let word = self.rest()[..len].to_owned();
        self.at += len;
        word
    }

    /// Whether a word that joins terms comes next; before an operator it is a key, known or not.
    fn is_next(&self, keyword: &str) -> bool {
        let end = self.rest().find(|c| !is_word_char(c)).unwrap_or(self.rest().len());
        let (word, after) = self.rest().split_at(end);
        word.eq_ignore_ascii_case(keyword) && !after.trim_start().starts_with(|c| OP_SIGNS.contains(c))
    }

    /// Takes a word that joins terms, if it comes next.
    fn keyword(&mut self, keyword: &str) -> bool {
        self.skip_spaces();
        let is_next = self.is_next(keyword);
        self.at += if is_next { keyword.len() } else { 0 };
        is_next
    }
}

fn single_or(mut parts: Vec<Expr>, join: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}
