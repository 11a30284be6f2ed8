//! What a term asks of a value: texts, numbers, sizes, moments and ages, compared.

use std::cmp::Ordering;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::key::Kind;
use super::query::{Literal, Op};
use crate::format::record::Time;
use crate::span;

/// What is asked, made from an operator and a value for one kind of key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// One of the texts is such.
    Text(TextTest),
    /// The number compares so.
    Number(Op, Number),
    /// The moment lies so to a day, say.
    Time(Op, Period),
    /// The moment lies so many seconds back.
    Age(Op, u64),
    /// It is so.
    Flag(Op, bool),
    /// A JSON value: a number by the first, where there is one, and others as texts by the second.
    Json(Option<(Op, Number)>, TextTest),
}

/// What is asked of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextTest {
    /// It is this.
    Is(String),
    /// It begins so.
    Begins(String),
    /// It matches this pattern of characters, `?` and `*`.
    Matches(String),
    /// It contains this, which is in lower case, in whatever case.
    Contains(String),
    /// It stands so to this in the order of characters.
    Order(Op, String),
}

/// A number, exact if it is whole.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(i128),
    Double(f64),
}

/// A stretch of time: a day, say, or a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    start: jiff::Timestamp,
    /// The first moment after it.
    end: jiff::Timestamp,
}

/// Why a term asks nothing that makes sense: of its operator, or of its value.
#[derive(Debug)]
pub(super) enum Misfit {
    /// The operator does not go with the key; which do.
    Op(&'static str),
    /// The operator does not go with an age.
    AgeOp,
    /// The value is not of the form that the key wants; what it is, and which form that is.
    Value(&'static str, &'static str),
}

impl Test {
    /// Makes the test of a term.
    pub(super) fn new(kind: Kind, op: Op, literal: &Literal) -> Result<Test, Misfit> {
        let ordered = matches!(op, Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual);
        match kind {
            Kind::Text | Kind::List if !ordered => Ok(Test::Text(TextTest::new(op, literal))),
            Kind::Id if !ordered && op != Op::Contains => {
                let plain = matches!(TextTest::new(Op::Match, literal), TextTest::Is(_));
                Ok(Test::Text(if plain { TextTest::Begins(literal.text().to_owned()) } else { TextTest::new(op, literal) }))
            }
            Kind::Text | Kind::List => Err(Misfit::Op("`:`, `=`, `!=` and `~`")),
            Kind::Id => Err(Misfit::Op("`:`, `=` and `!=`")),
            Kind::Flag if ordered || op == Op::Contains => Err(Misfit::Op("`:`, `=` and `!=`")),
            Kind::Number | Kind::Size | Kind::Time if op == Op::Contains => Err(Misfit::Op("`:`, `=`, `!=`, `<`, `<=`, `>` and `>=`")),
            Kind::Flag => match literal.text() {
                "true" => Ok(Test::Flag(op, true)),
                "false" => Ok(Test::Flag(op, false)),
                _ => Err(Misfit::Value("truth value", "it is `true` or `false`")),
            },
            Kind::Number => {
                let number = Number::parse(literal.text()).ok_or(Misfit::Value("number", "give a number such as `12` or `0.5`"))?;
                Ok(Test::Number(op, number))
            }
            Kind::Size => {
                const FORM: &str = "give a number of bytes, or one with a unit: `500`, `20MB`, `1.5GB`, `4GiB`";
                Ok(Test::Number(op, Number::parse_size(literal.text()).ok_or(Misfit::Value("size", FORM))?))
            }
            Kind::Time => Test::time(op, literal.text()),
            Kind::Json => {
                let number = if literal.is_quoted() || op == Op::Contains { None } else { Number::parse_size(literal.text()) };
                Ok(Test::Json(number.map(|number| (op, number)), TextTest::new(op, literal)))
            }
        }
    }

    fn time(op: Op, text: &str) -> Result<Test, Misfit> {
        const FORM: &str = "give an age such as `90s`, `45m`, `12h`, `7d`, `8w`, or a date in UTC: `2026-01-31`, `2026-01`, \
                            `2026-01-31T12:00:00Z`";
        match (span::seconds(text), op) {
            (Some(_), Op::Match | Op::Equal | Op::NotEqual) => Err(Misfit::AgeOp),
            (Some(seconds), op) => Ok(Test::Age(op, seconds)),
            (None, op) => Period::parse(text).map(|period| Test::Time(op, period)).ok_or(Misfit::Value("time", FORM)),
        }
    }
}

impl TextTest {
    fn new(op: Op, literal: &Literal) -> TextTest {
        let text = literal.text().to_owned();
        match op {
            Op::Match if !literal.is_quoted() && text.contains(['*', '?']) => TextTest::Matches(text),
            Op::Match | Op::Equal | Op::NotEqual => TextTest::Is(text),
            Op::Contains => TextTest::Contains(text.to_lowercase()),
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => TextTest::Order(op, text),
        }
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        match self {
            TextTest::Is(wanted) => text == wanted,
            TextTest::Begins(wanted) => text.starts_with(wanted),
            TextTest::Matches(pattern) => matches(pattern, text),
            TextTest::Contains(wanted) => text.to_lowercase().contains(wanted),
            TextTest::Order(op, wanted) => op.orders(text.cmp(wanted)),
        }
    }
}

/// Tests a JSON value. An array is such if one of its elements is; of an object only that it is
/// there can be asked, with the pattern `*`.
pub(super) fn json_holds(value: &Value, number: Option<&(Op, Number)>, text: &TextTest) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| json_holds(item, number, text)),
        Value::Object(_) => *text == TextTest::Matches("*".to_owned()),
        Value::Number(is) => match (number, text) {
            (Some((op, wanted)), _) => op.orders(Number::from(is).total_cmp(wanted)),
            // A number is no text: it has neither letters nor their order, but it is there, and has digits.
            (None, TextTest::Matches(_)) => text.holds(&is.to_string()),
            (None, _) => false,
        },
        // What is compared with a number by order is a number.
        Value::String(is) => !(number.is_some() && matches!(text, TextTest::Order(..))) && text.holds(is),
        Value::Bool(is) => is_word(text, if *is { "true" } else { "false" }),
        Value::Null => is_word(text, "null"),
    }
}

/// Whether a test is met by a word that is no text, and so has no order.
fn is_word(text: &TextTest, word: &str) -> bool {
    matches!(text, TextTest::Is(_) | TextTest::Matches(_)) && text.holds(word)
}

/// Matches a text with a pattern in which `*` stands for any characters and `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => (p, t) = (p + 1, t + 1),
            // The last star takes one more; to give one before it more changes nothing.
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

impl Number {
    fn parse(text: &str) -> Option<Number> {
        if !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E')) {
            return None;
        }
        let double = || text.parse().ok().filter(|double: &f64| double.is_finite()).map(Number::Double);
        text.parse().ok().map(Number::Whole).or_else(double)
    }

    /// Reads a number that may have a unit of size.
    fn parse_size(text: &str) -> Option<Number> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor = match &text[digits.len()..] {
            "" => return Number::parse(text),
            unit => factor_of(&unit.to_ascii_lowercase())?,
        };
        match Number::parse(digits)? {
            Number::Whole(number) => number.checked_mul(factor).map(Number::Whole),
            // Up to some 10^15 bytes this is exact to the byte.
            Number::Double(number) if (number * factor as f64).abs() < 1e30 => {
                Some(Number::Whole((number * factor as f64).round() as i128))
            }
            Number::Double(_) => None,
        }
    }

    /// Compares numbers by their exact values.
    pub(super) fn total_cmp(&self, other: &Number) -> Ordering {
        let (a, b) = (self.double(), other.double());
        // Of equal doubles both are whole, or the same; a whole number may have been rounded.
        a.partial_cmp(&b).unwrap_or(Ordering::Equal).then_with(|| self.whole().cmp(&other.whole()))
    }

    fn double(&self) -> f64 {
        match self {
            Number::Whole(number) => *number as f64,
            Number::Double(number) => *number,
        }
    }

    fn whole(&self) -> i128 {
        match self {
            Number::Whole(number) => *number,
            Number::Double(number) => *number as i128,
        }
    }
}

fn factor_of(unit: &str) -> Option<i128> {
    const STEPS: [&str; 6] = ["k", "m", "g", "t", "p", "e"];
    if unit == "b" {
        return Some(1);
    }
    STEPS.iter().zip(1..).find_map(|(step, power)| match unit.strip_prefix(step)? {
        "b" => Some(1000_i128.pow(power)),
        "ib" => Some(1024_i128.pow(power)),
        _ => None,
    })
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.total_cmp(other).is_eq()
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Number {
        Number::Whole(number.into())
    }
}

impl From<&serde_json::Number> for Number {
    fn from(number: &serde_json::Number) -> Number {
        let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
        whole.map_or_else(|| Number::Double(number.as_f64().unwrap_or_default()), Number::Whole)
    }
}

impl Period {
    /// Reads a year, a month, a day, a minute, a second, or a moment with decimals; in UTC if nothing
    /// else is said.
    fn parse(text: &str) -> Option<Period> {
        let in_utc = |date: Date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
        let number = |digits: &str, len| digits.parse().ok().filter(|_| digits.len() == len && digits.bytes().all(|b| b.is_ascii_digit()));
        let parts: Vec<&str> = text.split('-').collect();
        let (date, end) = match parts[..] {
            [year] => {
                let date = Date::new(number(year, 4)?, 1, 1).ok()?;
                (date, date.last_of_year())
            }
            [year, month] => {
                let date = Date::new(number(year, 4)?, number(month, 2)? as i8, 1).ok()?;
                (date, date.last_of_month())
            }
            [year, month, day] if day.len() == 2 => {
                let date = Date::new(number(year, 4)?, number(month, 2)? as i8, number(day, 2)? as i8).ok()?;
                (date, date)
            }
            _ => return Period::parse_moment(text),
        };
        Some(Period { start: in_utc(date)?, end: in_utc(end.tomorrow().ok()?)? })
    }

    fn parse_moment(text: &str) -> Option<Period> {
        let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        let start: jiff::Timestamp = text.parse().ok().or_else(local)?;
        let time = text.split(['T', 't', ' ']).nth(1)?;
        let time = time.split(['+', '-', 'Z', 'z']).next()?;
        let len = match (time.contains('.'), time.matches(':').count()) {
            (true, _) => SignedDuration::from_nanos(1),
            (false, 2) => SignedDuration::from_secs(1),
            (false, 1) => SignedDuration::from_mins(1),
            (false, _) => return None,
        };
        Some(Period { start, end: start.checked_add(len).ok()? })
    }

    pub(super) fn holds(&self, op: Op, time: Time) -> bool {
        match op {
            Op::Less => time.0 < self.start,
            Op::LessOrEqual => time.0 < self.end,
            Op::Greater => time.0 >= self.end,
            Op::GreaterOrEqual => time.0 >= self.start,
            Op::Match | Op::Equal | Op::NotEqual | Op::Contains => self.start <= time.0 && time.0 < self.end,
        }
    }
}

/// Whether the age of a moment stands so to a number of seconds; what lies ahead has no age yet.
pub(super) fn age_holds(op: Op, seconds: u64, time: Time, now: Time) -> bool {
    let age = now.0.duration_since(time.0);
    let wanted = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    op.orders(age.max(SignedDuration::ZERO).cmp(&wanted))
}
