//! How queries are read and written, and that comparisons agree with a plain model of them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::key::{Key, Kind};
use super::query::{Expr, Literal, OPS, Op, Query, Term, is_word_char};
use super::test::{Number, Test, TextTest, age_holds, json_holds};
use super::{MetadataKey, SortKey};
use crate::error::ErrorKind;
use crate::format::record::Time;

fn query(text: &str) -> Query {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// How a query is understood, with parentheses round all that belongs together.
fn read(text: &str) -> String {
    fn show(expr: &Expr) -> String {
        let all = |parts: &[Expr]| parts.iter().map(show).collect::<Vec<_>>();
        match expr {
            Expr::All(parts) => format!("({})", all(parts).join(" & ")),
            Expr::Any(parts) => format!("({})", all(parts).join(" | ")),
            Expr::Not(part) => format!("!{}", show(part)),
            Expr::Term(term) => format!("{} {} {}", term.key(), term.op().sign(), term.value()),
            Expr::Text(text) => format!("{text:?}"),
        }
    }
    query(text).expr().map_or_else(String::new, show)
}

/// The message and hint of a query that is refused: column, what, and what lies above the carets.
fn fault(text: &str) -> (usize, String, String) {
    let error = text.parse::<Query>().expect_err(text);
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.hint_text().is_some(), "{text}");
    let message = error.to_string();
    let lines: Vec<&str> = message.lines().collect();
    let column = lines[0].strip_prefix("bad query, column ").unwrap().split(':').next().unwrap().parse().unwrap();
    let start = lines[2].find('^').unwrap();
    let pointed: String = lines[1].chars().skip(start).take(lines[2].len() - start).collect();
    (column, lines[0].split_once(": ").unwrap().1.to_owned(), pointed)
}

#[test]
fn terms_are_joined_as_they_are_written() {
    let cases = [
        ("", ""),
        ("  ", ""),
        ("type:model", "type : model"),
        ("type:model tag:prod", "(type : model & tag : prod)"),
        ("type:model and tag:prod AND size>1GB", "(type : model & tag : prod & size > 1GB)"),
        ("a or b c or d", "(\"a\" | (\"b\" & \"c\") | \"d\")"),
        ("(a or b) c", "((\"a\" | \"b\") & \"c\")"),
        ("-tag:x not tag:y --a", "(!tag : x & !tag : y & !!\"a\")"),
        ("-(a b)", "!(\"a\" & \"b\")"),
        ("not(a)", "!\"a\""),
        ("size >= 1GB  number< 3", "(size >= 1GB & number < 3)"),
        ("metadata.acc > -5", "metadata.acc > -5"),
        ("metadata.\"a.b\".c=1 metadata.'x y':2", "(metadata.\"a.b\".c = 1 & metadata.\"x y\" : 2)"),
        ("description~'it\\'s' tag=\"a \\\"b\\\\\"", "(description ~ \"it's\" & tag = \"a \\\"b\\\\\")"),
        ("created>2026-01-31T12:00:00Z", "created > 2026-01-31T12:00:00Z"),
        ("\"or\" 'two words' v1.0-rc2", "(\"or\" & \"two words\" & \"v1.0-rc2\")"),
        ("tag:or or tag:and", "(tag : or | tag : and)"),
        ("metadata.größe:7", "metadata.größe : 7"),
    ];
    for (text, meant) in cases {
        assert_eq!(read(text), meant, "{text}");
        assert_eq!(query(&query(text).to_string()), query(text), "{text}");
    }
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let cases = [
        ("typ:model", 1, "unknown key 'typ'", "typ"),
        ("tag:größe ähnlich:x", 11, "unknown key 'ähnlich'", "ähnlich"),
        ("type:a metdata.acc>1", 8, "unknown key 'metdata.acc'", "metdata.acc"),
        ("metadata:1", 1, "unknown key 'metadata'", "metadata"),
        ("or:1", 1, "unknown key 'or'", "or"),
        ("a or:1", 3, "unknown key 'or'", "or"),
        ("type==a", 5, "bad operator '=='", "=="),
        ("size=>1", 5, "bad operator '=>'", "=>"),
        (":a", 1, "a key is expected before the operator", ":"),
        ("size>1XB", 6, "bad size '1XB'", "1XB"),
        ("size>", 6, "a value is expected after `>`", ""),
        ("(size> )", 8, "a value is expected after `>`", ")"),
        ("number:x", 8, "bad number 'x'", "x"),
        ("files<nan", 7, "bad number 'nan'", "nan"),
        ("files<1e999", 7, "bad number '1e999'", "1e999"),
        ("created<yesterday", 9, "bad time 'yesterday'", "yesterday"),
        ("created<2026-02-30", 9, "bad time '2026-02-30'", "2026-02-30"),
        ("created:7d", 8, "operator ':' does not go with the age '7d'", ":"),
        ("created~2026", 8, "operator '~' does not go with `created`", "~"),
        ("type<a", 5, "operator '<' does not go with `type`", "<"),
        ("digest~ab", 7, "operator '~' does not go with `digest`", "~"),
        ("git.dirty:yes", 11, "bad truth value 'yes'", "yes"),
        ("tag:\"a", 5, "this quote is not closed", "\"a"),
        ("tag:\"a\"b", 8, "a space is expected after the text in quotes", "b"),
        ("tag:a\"b\"", 6, "a quote or parenthesis within a value", "\""),
        ("a\"b\"", 2, "a quote within a word", "\""),
        ("(a", 1, "there is no `)` for this `(`", "("),
        ("a)", 2, "there is no `(` for this `)`", ")"),
        ("()", 2, "a term is expected", ")"),
        ("a or", 5, "a term is expected", ""),
        ("a and or b", 7, "a term is expected before `or`", "or"),
        ("- a", 1, "a term is expected right after `-`", "-"),
        ("-", 2, "a term is expected", ""),
        ("type", 1, "an operator is expected after the key `type`", "type"),
        ("a metadata.acc b", 3, "an operator is expected after the key `metadata.acc`", "metadata.acc"),
    ];
    for (text, column, why, pointed) in cases {
        let (at, what, mark) = fault(text);
        assert_eq!((at, &what[..]), (column, why), "{text}");
        assert_eq!(mark.trim_end(), pointed, "{text}");
    }
    let deep = "(".repeat(100_000);
    assert_eq!(fault(&deep).1, "more than 64 parentheses and negations round one another");
    assert_eq!(fault(&"-".repeat(100_000)).0, 65);
    query(&format!("{}a{}", "(".repeat(60), ")".repeat(60)));
}

#[test]
fn carets_stand_below_what_they_point_at_whatever_its_width() {
    let error = "tag:日本\t typ:x".parse::<Query>().unwrap_err().to_string();
    assert_eq!(error, "bad query, column 9: unknown key 'typ'\n  tag:日本\\t typ:x\n             ^^^");
}

#[test]
fn sort_keys_are_keys_with_a_direction() {
    let sort = |text: &str| text.parse::<SortKey>().map(|by| (by.key.to_string(), by.descending)).map_err(|error| error.to_string());
    assert_eq!(sort("-metadata.acc"), Ok(("metadata.acc".into(), true)));
    assert_eq!(sort("size"), Ok(("size".into(), false)));
    assert_eq!(sort("-siz"), Err("bad sort key, column 2: unknown key 'siz'\n  -siz\n   ^^^".into()));
    assert_eq!(sort("size,name"), Err("bad sort key, column 1: unknown key 'size,name'\n  size,name\n  ^^^^^^^^^".into()));
    assert_eq!(sort("-"), Err("bad sort key, column 2: a key is expected\n  -\n   ^".into()));
    assert!(sort("size desc").is_err() && sort("").is_err() && sort("size:1").is_err());
}

fn literal(text: &str) -> Literal {
    let Expr::Term(term) = query(&format!("metadata.x={text}")).0.unwrap() else { panic!("{text}") };
    term.value().clone()
}

fn op(sign: &str) -> Op {
    OPS.iter().find(|(known, _)| *known == sign).unwrap().1
}

fn holds(value: &Value, sign: &str, text: &str) -> bool {
    match Test::new(Kind::Json, op(sign), &literal(text)).unwrap() {
        Test::Json(number, text) => json_holds(value, number.as_ref(), &text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn json_compares_numbers_as_numbers_and_texts_as_texts() {
    let yes = [
        (json!(0.91), ">", "0.9"),
        (json!(1), "=", "1.0"),
        (json!(1), ":", "1e0"),
        (json!(2_000_000_000), ">=", "2GB"),
        (json!(u64::MAX), ">", "18446744073709551614"),
        (json!("1"), "=", "1"),
        (json!("1"), "=", "\"1\""),
        (json!("adam"), ":", "a*m"),
        (json!("a*"), ":", "\"a*\""),
        (json!("AdamW"), "~", "adam"),
        (json!("2026-02-01"), ">", "2026-01-31"),
        (json!("b"), ">", "a"),
        (json!("10"), "<", "\"9\""),
        (json!(true), "=", "true"),
        (json!(null), ":", "null"),
        (json!(["cat", "dog"]), "=", "dog"),
        (json!([[1, 2], [3]]), ">", "2"),
        (json!({}), ":", "*"),
        (json!(7), ":", "*"),
        (json!(null), ":", "*"),
    ];
    let no = [
        (json!(0.9), ">", "0.9"),
        (json!(1), "=", "\"1\""),
        (json!("10"), ">", "9"),
        (json!(5), ">", "abc"),
        (json!(true), ">", "false"),
        (json!(true), "=", "1"),
        (json!(null), "<", "1"),
        (json!("a"), ":", "A"),
        (json!([]), ":", "*"),
        (json!({"a": 1}), "=", "1"),
        (json!(12), "~", "1"),
    ];
    for (value, sign, text) in yes {
        assert!(holds(&value, sign, text), "{value} {sign} {text}");
    }
    for (value, sign, text) in no {
        assert!(!holds(&value, sign, text), "{value} {sign} {text}");
    }
}

#[test]
fn sizes_have_units_and_numbers_are_exact() {
    let size = |text: &str| match Test::new(Kind::Size, Op::Equal, &literal(text)) {
        Ok(Test::Number(_, Number::Whole(size))) => Some(size),
        Ok(_) => panic!("{text}"),
        Err(_) => None,
    };
    let cases = [("0", 0), ("500B", 500), ("1kB", 1000), ("1KB", 1000), ("1KiB", 1024), ("1.5gb", 1_500_000_000), ("4GiB", 4 << 30)];
    for (text, bytes) in cases {
        assert_eq!(size(text), Some(bytes), "{text}");
    }
    assert_eq!(size("2EiB"), Some(2 << 60));
    for bad in ["1G", "GB", "1 GB", "1,000", "1XB", "infB", "--1B", "1e300EB", "9999999999999999999999999999999999999999EB"] {
        assert!(size(&format!("\"{}\"", bad)).is_none(), "{bad}");
    }
    let doubles = [Number::Whole(1 << 53), Number::Double(9_007_199_254_740_992.0), Number::Whole((1 << 53) + 1)];
    assert!(doubles[0] == doubles[1] && doubles[1] != doubles[2] && doubles[0] != doubles[2]);
}

#[test]
fn dates_stand_for_all_that_lies_within_and_ages_for_what_is_younger() {
    let time = |text: &str| Time(text.parse().unwrap());
    let holds = |sign: &str, text: &str, at: &str| match Test::new(Kind::Time, op(sign), &literal(&format!("\"{text}\""))).unwrap() {
        Test::Time(op, period) => period.holds(op, time(at)),
        Test::Age(op, seconds) => age_holds(op, seconds, time(at), time("2026-02-01T00:00:00Z")),
        other => panic!("{other:?}"),
    };
    for text in ["2026", "2026-01", "2026-01-31", "2026-01-31T12:30Z", "2026-01-31 12:30:59", "2026-01-31T13:30:59+01:00"] {
        assert!(holds(":", text, "2026-01-31T12:30:59.5Z"), "{text}");
        assert!(holds("<=", text, "2026-01-31T12:30:59.5Z") && holds(">=", text, "2026-01-31T12:30:59.5Z"), "{text}");
        assert!(!holds("<", text, "2026-01-31T12:30:59.5Z") && !holds(">", text, "2026-01-31T12:30:59.5Z"), "{text}");
        assert!(holds(">", text, "2027-01-01T00:00:00Z") && holds("<", text, "2025-12-31T23:59:59Z"), "{text}");
    }
    assert!(
        holds(":", "2026-01-31T12:30:59.5Z", "2026-01-31T12:30:59.5Z") && !holds(":", "2026-01-31T12:30:59.5Z", "2026-01-31T12:30:59Z")
    );
    assert!(holds("<", "7d", "2026-01-30T00:00:00Z") && !holds(">", "7d", "2026-01-30T00:00:00Z"));
    assert!(holds(">", "1d", "2026-01-30T00:00:00Z") && holds("<", "48h", "2026-01-30T00:00:01Z"));
    assert!(holds("<=", "2d", "2026-01-30T00:00:00Z") && holds("<", "1s", "2030-01-01T00:00:00Z"));
    assert!(holds("<", "9999999999999w", "1970-01-01T00:00:00Z"));
    for bad in ["26", "2026-1", "2026-13", "9999-12-31T99:00", "2026-01-31T12", "T12:00", "-7d", "7", "2026--1"] {
        assert!(Test::new(Kind::Time, Op::Less, &literal(&format!("\"{bad}\""))).is_err(), "{bad}");
    }
}

#[test]
fn patterns_match_as_a_search_of_all_ways_does() {
    fn plain(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some(('*', rest)), _) => (0..=text.len()).any(|taken| plain(rest, &text[taken..])),
            (Some((c, rest)), Some((d, left))) => (*c == '?' || c == d) && plain(rest, left),
            (Some(_), None) => false,
        }
    }
    let words = |alphabet: &[char], len: usize| -> Vec<Vec<char>> {
        let mut all = vec![vec![]];
        for _ in 0..len {
            let longer: Vec<Vec<char>> =
                all.iter().flat_map(|word: &Vec<char>| alphabet.iter().map(|c| [&word[..], &[*c]].concat())).collect();
            all.extend(longer);
        }
        all
    };
    let texts = words(&['a', 'b'], 4);
    for pattern in words(&['a', 'b', '*', '?'], 4) {
        let test = TextTest::Matches(pattern.iter().collect());
        for text in &texts {
            assert_eq!(test.holds(&text.iter().collect::<String>()), plain(&pattern, text), "{pattern:?} {text:?}");
        }
    }
    assert!(!TextTest::Matches("*a".repeat(200)).holds(&"a".repeat(199)));
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,6}", "\\PC{0,8}", "[-a-z0-9.:=<>~!*?()'\"\\\\ ]{0,8}", Just("or".to_owned()), Just("type".to_owned())]
}

fn any_literal() -> impl Strategy<Value = Literal> {
    let is_plain = |text: &str| text.chars().next().is_some_and(|c| is_word_char(c) && c != '\'') && text.chars().all(is_word_char);
    any_text().prop_flat_map(move |text| {
        let plain = is_plain(&text).then(|| Literal::plain(text.clone()));
        (Just(Literal::quoted(text)), any::<bool>()).prop_map(move |(quoted, wants_quotes)| match &plain {
            Some(plain) if !wants_quotes => plain.clone(),
            _ => quoted,
        })
    })
}

fn any_expr() -> impl Strategy<Value = Expr> {
    let metadata = prop::collection::vec(any_text(), 1..4).prop_map(|names| Key::Metadata(MetadataKey::new(names).unwrap()));
    let named = prop::sample::select(vec![Key::Name, Key::Tag, Key::Alias, Key::Run, Key::GitBranch, Key::Description]);
    let ops = prop::sample::select(OPS.map(|(_, op)| op).to_vec());
    let term = (prop_oneof![metadata, named], ops, any_literal());
    let term = term.prop_filter_map("goes together", |(key, op, value)| Term::new(key, op, value).ok().map(Expr::Term));
    let leaf = prop_oneof![term, any_text().prop_map(Expr::Text)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::All),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Any),
            inner.prop_map(|expr| Expr::Not(Box::new(expr))),
        ]
    })
}

/// What the comparison of a JSON value is meant to be, told once more and in another way.
fn model(value: &Value, sign: &str, text: &str, quoted: bool) -> bool {
    if let Value::Array(items) = value {
        return items.iter().any(|item| model(item, sign, text, quoted));
    }
    let number: Option<f64> = if quoted || text.contains(|c: char| !"0123456789.-+eE".contains(c)) { None } else { text.parse().ok() };
    let is_order = ["<", "<=", ">", ">="].contains(&sign);
    let by = |ordering: Option<std::cmp::Ordering>| match (sign, ordering) {
        ("<", Some(ordering)) => ordering.is_lt(),
        ("<=", Some(ordering)) => ordering.is_le(),
        (">", Some(ordering)) => ordering.is_gt(),
        (">=", Some(ordering)) => ordering.is_ge(),
        (_, Some(ordering)) => ordering.is_eq(),
        _ => false,
    };
    match value {
        Value::Number(is) => sign != "~" && number.is_some_and(|number| by(is.as_f64().unwrap().partial_cmp(&number))),
        Value::String(is) if sign == "~" => is.to_lowercase().contains(&text.to_lowercase()),
        Value::String(is) => !(is_order && number.is_some()) && by(Some(is.as_str().cmp(text))),
        Value::Bool(is) => !is_order && sign != "~" && text == if *is { "true" } else { "false" },
        Value::Null => !is_order && sign != "~" && text == "null",
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_query_that_is_written_reads_as_the_same(expr in any_expr()) {
        let query = Query(Some(expr));
        let text = query.to_string();
        prop_assert_eq!(text.parse::<Query>().map_err(|error| error.to_string()), Ok(query), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_place_in_it(text in prop_oneof!["\\PC{0,40}", "[-a-z.:=<>~!()'\"\\\\ 0-9]{0,40}"]) {
        match text.parse::<Query>() {
            Ok(query) => prop_assert_eq!(query.to_string().parse::<Query>().map_err(|error| error.to_string()), Ok(query)),
            Err(error) => prop_assert!(error.to_string().contains('^')),
        }
        let _ = text.parse::<SortKey>();
    }

    #[test]
    fn json_compares_as_the_model_says(
        value in prop_oneof![
            (-20i64..20).prop_map(Value::from), (-20i32..20).prop_map(|n| Value::from(f64::from(n) / 4.0)), "[a-c0-9.]{0,3}".prop_map(Value::from),
            any::<bool>().prop_map(Value::from), Just(Value::Null), prop::collection::vec(-3i64..3, 0..3).prop_map(Value::from),
        ],
        sign in prop::sample::select(vec![":", "=", "<", "<=", ">", ">=", "~"]),
        text in prop_oneof!["[a-c]{1,2}", "-?[0-9]{1,2}", "-?[0-9]\\.(25|5|0)", "true|false|null"],
        quoted in any::<bool>(),
    ) {
        let typed = if quoted { format!("\"{text}\"") } else { text.clone() };
        prop_assert_eq!(holds(&value, sign, &typed), model(&value, sign, &text, quoted), "{} {} {}", value, sign, typed);
    }
}
