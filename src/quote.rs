//! Shows names and paths to people: control characters and bytes that are not UTF-8 are escaped.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Escapes control characters, backslashes and bytes that are not UTF-8 (`\n`, `\x1b`, `\xff`).
///
/// What is printable stays as it is, so an ordinary name is shown unchanged.
pub fn escape(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for part in bytes.utf8_chunks() {
        for character in part.valid().chars() {
            match character {
                '\n' => shown.push_str("\\n"),
                '\t' => shown.push_str("\\t"),
                '\r' => shown.push_str("\\r"),
                '\\' => shown.push_str("\\\\"),
                c if is_unseen(c) => {
                    shown.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
                }
                c => shown.push(c),
            }
        }
        for byte in part.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// Returns whether a character is a control, or one that can disguise a text: line and paragraph
/// separators and the bidirectional controls.
pub fn is_unseen(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes as [`escape`] does and puts single quotes around.
pub fn quote(bytes: &[u8]) -> String {
    format!("'{}'", escape(bytes))
}

/// Quotes a path of the file system.
pub fn quote_path(path: &Path) -> String {
    quote(path.as_os_str().as_bytes())
}

/// Quotes for a shell.
pub fn for_shell(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// Makes a path a word of a command for a shell.
pub fn shell_word(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return path.display().to_string();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(is_unseen) => String::from_utf8_lossy(&for_shell(bytes)).into_owned(),
        // What a terminal would act on is not printed.
        _ => format!("\"$(printf '{}')\"", bytes.iter().map(|byte| format!("\\{byte:03o}")).collect::<String>()),
    }
}

/// Percent-escapes what is not printable ASCII, and `%`, so that the bytes can be had back exactly.
pub fn percent(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b' '..=b'~' if byte != b'%' => shown.push(char::from(byte)),
            _ => shown.push_str(&format!("%{byte:02X}")),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_stay_and_tricks_are_escaped() {
        assert_eq!(escape("naïve file.txt".as_bytes()), "naïve file.txt");
        assert_eq!(escape(b"a\nb\x1b[31m\xff\\"), "a\\nb\\u{1b}[31m\\xff\\\\");
        assert_eq!(escape("x\u{202e}gpj".as_bytes()), "x\\u{202e}gpj");
        assert_eq!(quote(b"it"), "'it'");
        assert_eq!(percent(b"a\xff%\n"), "a%FF%25%0A");
    }

    #[test]
    fn a_path_is_quoted_for_a_shell() {
        assert_eq!(for_shell(b"a b'$(x)"), br"'a b'\''$(x)'");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_read_more_into_them() {
        assert_eq!(shell_word(Path::new(".artifacts/refs/a-b")), ".artifacts/refs/a-b");
        assert_eq!(shell_word(Path::new("it's $HOME")), r"'it'\''s $HOME'");
        assert_eq!(shell_word(Path::new("")), "''");
        assert_eq!(shell_word(Path::new("a\x1b")), r#""$(printf '\141\033')""#);
    }
}
