//! URIs of references: which may be recorded, what is in them, the file that one names.
//!
//! Nothing here opens what a URI names.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::quote::quote;

/// Parameters of queries that let whoever has the URI in, in lower case.
const SECRET_PARAMETERS: [&str; 21] = [
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "x-goog-signature",
    "x-goog-credential",
    "googleaccessid",
    "awsaccesskeyid",
    "signature",
    "sig",
    "key-pair-id",
    "access_token",
    "token",
    "auth",
    "authorization",
    "api_key",
    "apikey",
    "api-key",
    "client_secret",
    "secret",
    "password",
    "passwd",
];

/// Longest URI, in bytes.
pub const URI_LEN_MAX: usize = 8192;

/// Splits a URI into its scheme and what follows `:`.
pub fn scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    // One letter is the drive of a path on Windows, `C:/x`.
    let is_drive = scheme.len() == 1 && !rest.starts_with("//");
    let is_scheme = !is_drive && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(fits);
    is_scheme.then_some((scheme, rest))
}

/// Refuses what is no URI, and one with a secret in it: a store is copied, and committed.
///
/// The message of the latter does not repeat the secret.
pub fn check(uri: &str) -> Result<()> {
    if uri.len() > URI_LEN_MAX {
        return Err(Error::usage(format!("cannot record the reference: its URI is longer than {} KiB", URI_LEN_MAX >> 10)));
    }
    if uri.chars().any(char::is_control) {
        return Err(Error::usage(format!("bad URI {}: it has control characters", quote(uri.as_bytes()))));
    }
    let Some((scheme, rest)) = scheme(uri) else {
        return Err(Error::usage(format!("bad URI {}: it does not begin with a scheme", quote(uri.as_bytes())))
            .hint("as in `s3://bucket/key`, `https://host/file` or, for a local file, `file:///absolute/path`"));
    };
    if rest.trim_matches('/').is_empty() {
        return Err(Error::usage(format!("bad URI {}: it names nothing", quote(uri.as_bytes()))));
    }
    let (place, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let authority = place.strip_prefix("//").map(|place| place.split('/').next().unwrap_or_default()).unwrap_or_default();
    if let Some((user, host)) = authority.rsplit_once('@')
        && (user.contains(':') || matches!(&scheme.to_ascii_lowercase()[..], "http" | "https"))
    {
        let path = place.get(2 + authority.len()..).unwrap_or_default();
        let shown = format!("{scheme}://{host}{path}");
        return Err(secret(&shown, "a user's password or token"));
    }
    let names = query.split(['?', '#', '&', ';']).filter_map(|pair| Some(pair.split_once('=')?.0.to_ascii_lowercase()));
    if let Some(name) = names.into_iter().find(|name| SECRET_PARAMETERS.contains(&&name[..])) {
        return Err(secret(&format!("{scheme}:{place}"), &format!("the parameter {}", quote(name.as_bytes()))));
    }
    Ok(())
}

fn secret(shown: &str, what: &str) -> Error {
    Error::refused(format!("cannot record the reference to {}: its URI has {what}", quote(shown.as_bytes())))
        .hint("a store is copied and committed: give the URI without it; who fetches it brings credentials of their own")
}

/// Returns the file that a `file:` URI names; none for another scheme.
pub fn file_path(uri: &str) -> Option<Result<PathBuf>> {
    let (_, rest) = scheme(uri).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("file"))?;
    let bad = |why: &str| Error::usage(format!("bad URI {}: {why}", quote(uri.as_bytes()))).hint("as in `file:///absolute/path`");
    Some((|| {
        let path = match rest.strip_prefix("//") {
            Some(rest) => rest.strip_prefix("localhost").filter(|rest| rest.starts_with('/')).unwrap_or(rest),
            None => rest,
        };
        if !path.starts_with('/') {
            return Err(bad("it does not name an absolute path of this computer"));
        }
        if path.contains(['?', '#']) {
            return Err(bad("`?` and `#` are written `%3F` and `%23` in it"));
        }
        let bytes = decoded(path).filter(|bytes| !bytes.contains(&0)).ok_or_else(|| bad("`%` is followed by two hex digits in it"))?;
        let path = PathBuf::from(OsString::from_vec(bytes));
        // Otherwise the same file would have many URIs, and some would depend on links.
        if path.components().any(|part| part == std::path::Component::ParentDir) {
            return Err(bad("it has a `..` component"));
        }
        Ok(path)
    })())
}

/// Adds a relative path to the URI of a directory.
pub fn joined(dir: &str, path: &Path) -> String {
    let mut uri = dir.trim_end_matches('/').to_owned();
    uri.push('/');
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// Returns what an entry is called that was given no path: the last part of the URI's, with the
/// percent signs of web addresses and files decoded; keys of object stores have none.
pub fn base_name(uri: &str) -> Option<Vec<u8>> {
    let (scheme, rest) = scheme(uri)?;
    let is_encoded = matches!(&scheme.to_ascii_lowercase()[..], "http" | "https" | "file");
    let place = if is_encoded { &rest[..rest.find(['?', '#']).unwrap_or(rest.len())] } else { rest };
    let (dir, name) = place.rsplit_once('/')?;
    if name.is_empty() || dir == "/" {
        return None;
    }
    if is_encoded { decoded(name) } else { Some(name.as_bytes().to_vec()) }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut all = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        all.push(match byte {
            b'%' => {
                let (high, low) = (char::from(bytes.next()?).to_digit(16)?, char::from(bytes.next()?).to_digit(16)?);
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_told_from_paths() {
        assert_eq!(scheme("s3://b/k"), Some(("s3", "//b/k")));
        assert_eq!(scheme("my+scheme-1.0:x"), Some(("my+scheme-1.0", "x")));
        assert_eq!(scheme("x://y"), Some(("x", "//y")));
        for none in ["/a/b", "a/b", "C:\\x", "C:/x", "1a:b", "", "a b://c"] {
            assert_eq!(scheme(none), None, "{none}");
        }
        for bad in ["data.csv", "s3://", "file:///", "s3://b/a\nb", &format!("s3://b/{}", "x".repeat(URI_LEN_MAX))] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_refused_and_not_repeated() {
        for bad in [
            "https://me:hunter2@host/f",
            "https://hunter2@host/f",
            "ftp://me:hunter2@host/f",
            "s3://key:hunter2@bucket/f",
            "https://b.s3.amazonaws.com/f?X-Amz-Date=1&X-Amz-Signature=hunter2",
            "https://b.s3.amazonaws.com/f?x-amz-signature=hunter2",
            "https://h/f?a=1&sig=hunter2",
            "https://h/f#access_token=hunter2",
            "https://h/f?Token=hunter2",
        ] {
            let error = check(bad).unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Refused, "{bad}");
            assert!(!error.to_string().contains("hunter2") && error.hint_text().is_some(), "{error}");
        }
        for good in ["https://h/f?version=3&sigma=1", "ssh://git@h/f", "abfss://c@acc.dfs.core.windows.net/f", "https://h/a@b:c", "urn:y"] {
            check(good).unwrap();
        }
    }

    #[test]
    fn files_are_decoded_and_encoded() {
        let path = |uri: &str| file_path(uri).unwrap().map(|path| path.into_os_string().into_vec()).ok();
        assert_eq!(path("file:///a%20b/%ff"), Some(b"/a b/\xff".to_vec()));
        assert_eq!(path("file://localhost/x"), Some(b"/x".to_vec()));
        assert_eq!(path("FILE:/x"), Some(b"/x".to_vec()));
        for bad in
            ["file://host/x", "file:x", "file:///a%2", "file:///a%zz", "file:///a?b", "file:///%00", "file:///a/../b", "file:///a/%2e%2e/b"]
        {
            assert_eq!(path(bad), None, "{bad}");
        }
        assert!(file_path("https://h/x").is_none());
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"a b/%\xff#?.txt"));
        assert_eq!(joined("file:///d/", odd), "file:///d/a%20b/%25%FF%23%3F.txt");
        assert_eq!(path(&joined("file:///d", odd)), Some(b"/d/a b/%\xff#?.txt".to_vec()));
    }

    #[test]
    fn names_are_the_last_part() {
        let name = |uri: &str| base_name(uri).map(|name| String::from_utf8(name).unwrap());
        assert_eq!(name("s3://b/a/k%20?v=1").as_deref(), Some("k%20?v=1"));
        assert_eq!(name("https://h/a/my%20file.csv?v=1#x").as_deref(), Some("my file.csv"));
        assert_eq!((name("https://host"), name("s3://b/dir/"), name("urn:x")), (None, None, None));
    }
}
