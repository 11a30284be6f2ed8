//! Numbers and times as people read them.

use artstore::format::record::Time;

/// Shows a length: `340 B`, `1.2 MB`, `123 GB`; units are powers of 1,000.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1e3;
    for unit in UNITS {
        // What would be rounded to 1000 belongs to the next unit.
        if value < 99.95 {
            return format!("{value:.1} {unit}");
        }
        if value < 999.5 {
            return format!("{value:.0} {unit}");
        }
        value /= 1e3;
    }
    format!("{bytes} B")
}

/// Shows a count with its thousands apart: `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Shows a count and a noun: `1 file`, `12,345 files`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Shows a moment to the second, in UTC: `2026-11-23 16:04:05Z`.
pub(crate) fn time(time: Time) -> String {
    let text = time.to_string();
    match (text.split_once('T'), text.find(['.', 'Z'])) {
        (Some((date, _)), Some(end)) => format!("{date} {}Z", &text[date.len() + 1..end]),
        _ => text,
    }
}

/// Shows a time span: `12 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.ceil().clamp(0.0, 1e9) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Shows the first line of a text, control characters escaped.
pub(crate) fn first_line(text: &str) -> String {
    artstore::quote::escape(text.lines().next().unwrap_or_default().as_bytes())
}

/// Shows the beginning of a text that may be long.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 72;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_to_what_can_be_read() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_234_567, "1.2 MB"),
            (99_960, "100 kB"),
            (999_600, "1.0 MB"),
            (123_456_789, "123 MB"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(size(bytes), shown);
        }
        assert_eq!(size(u64::MAX), "18.4 EB");
    }

    #[test]
    fn counts_times_and_spans() {
        assert_eq!((count(7), count(1234), count(1_234_567)), ("7".into(), "1,234".into(), "1,234,567".into()));
        assert_eq!((plural(1, "file"), plural(0, "file")), ("1 file".into(), "0 files".into()));
        let moment = |text: &str| time(Time(text.parse().expect("a time")));
        assert_eq!(moment("2026-11-23T16:04:05.123Z"), "2026-11-23 16:04:05Z");
        assert_eq!(moment("2026-11-23T16:04:05Z"), "2026-11-23 16:04:05Z");
        assert_eq!((duration(11.2), duration(200.0), duration(7500.0)), ("12 s".into(), "3 min 20 s".into(), "2 h 5 min".into()));
    }
}
