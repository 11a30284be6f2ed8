//! Spans of time as people type them: `90s`, `45m`, `12h`, `30d`, `8w`.

/// The units and their seconds, the longest first.
pub const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// Reads a span, a number and a unit, in seconds; none if it is of another form or too long.
pub fn seconds(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let (_, factor) = UNITS.iter().find(|(letter, _)| *letter == unit)?;
    let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}
