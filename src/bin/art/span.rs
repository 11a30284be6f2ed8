//! Spans of time as people type and read them: `90s`, `45m`, `12h`, `30d`, `8w`.

use artstore::Error;
use artstore::quote::quote;
use artstore::span::{UNITS, seconds};

/// Reads a span of at least a second: a number and a unit.
pub(crate) fn parse(text: &str) -> artstore::Result<u64> {
    let why = match seconds(text) {
        Some(0) => ": it must be more than nothing",
        Some(seconds) => return Ok(seconds),
        None => "",
    };
    Err(Error::usage(format!("bad span of time {}{why}", quote(text.as_bytes())))
        .hint("give a number and a unit: `30d` for days, `8w`, `12h`, `45m`, `90s`"))
}

/// Reads a time to live: a span, or `never` for none, which is 0.
pub(crate) fn parse_ttl(text: &str) -> artstore::Result<u64> {
    if text == "never" { Ok(0) } else { parse(text).map_err(|error| error.hint("give a number and a unit, such as `30d`, or `never`")) }
}

/// Shows a span in the largest unit up to days that tells it whole: `30d`.
pub(crate) fn shown(seconds: u64) -> String {
    let whole = UNITS[1..].iter().find(|(_, factor)| seconds.is_multiple_of(*factor));
    whole.map_or_else(|| format!("{seconds}s"), |(unit, factor)| format!("{}{unit}", seconds / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        let cases = [("90s", 90), ("45m", 2700), ("12h", 43_200), ("30d", 2_592_000), ("8w", 4_838_400)];
        for (text, seconds) in cases {
            assert_eq!(parse(text).ok(), Some(seconds), "{text}");
        }
        for bad in
            ["", "d", "30", "0d", "-1d", "+1d", "1.5h", "1d12h", "30 d", "1y", "99999999999999999999s", "9999999999999999999w", "never"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!((parse_ttl("never").ok(), parse_ttl("1d").ok()), (Some(0), Some(86_400)));
    }

    #[test]
    fn spans_are_shown_whole() {
        assert_eq!(
            ["30d", "36h", "90m", "61s", "2w"].map(|text| parse(text).map(shown).ok()),
            [Some("30d".into()), Some("36h".into()), Some("90m".into()), Some("61s".into()), Some("14d".into())]
        );
        assert_eq!(shown(0), "0d");
    }
}
