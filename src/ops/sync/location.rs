//! Where another copy is, as it is typed: a directory, `ssh://[user@]host[:port]/path`, or
//! `[user@]host:path` as `scp` and git take it. `./a:b` is a directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::ssh::{SshCommand, SshCopy};
use crate::error::{Error, Result};
use crate::quote::quote;

/// Where another copy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherCopy {
    /// In a directory: a store, or a project with one.
    Dir(PathBuf),
    /// In a directory of another computer.
    Ssh(SshCopy),
}

impl OtherCopy {
    /// Takes what was typed. Its form alone decides, not what lies in the file system.
    pub fn parse(typed: &OsStr, command: &SshCommand) -> Result<OtherCopy> {
        let bytes = typed.as_bytes();
        let bad = |why: &str| Error::usage(format!("bad place {}: {why}", quote(bytes)));
        if let Some(at) = bytes.windows(3).position(|three| three == b"://") {
            let scheme = &bytes[..at];
            if scheme != b"ssh" {
                // Such as `./a://b`.
                if scheme.is_empty() || scheme.contains(&b'/') {
                    return Ok(OtherCopy::Dir(typed.into()));
                }
                return Err(bad("only `ssh://` is known").hint("a directory of that name is written with `./` before it"));
            }
            let (authority, path) = split_at_byte(&bytes[at + 3..], b'/').ok_or_else(|| bad("it names no path"))?;
            let (destination, port) = destination(authority).ok_or_else(|| bad("its host, user or port cannot be"))?;
            // `/~/x` is `x` in the home directory, as to git.
            let path = unescaped(&path[1..]).ok_or_else(|| bad("`%` is not followed by two hex digits"))?;
            let path = if path.starts_with(b"~") { path } else { [b"/", &path[..]].concat() };
            return ssh(typed, destination, port, &path, command).ok_or_else(|| bad("its path cannot be"));
        }
        let Some((authority, path)) = scp_like(bytes) else { return Ok(OtherCopy::Dir(typed.into())) };
        let hint = "a directory of that name is written with `./` before it";
        let (destination, port) = destination(authority).ok_or_else(|| bad("its host or user cannot be").hint(hint))?;
        if path.is_empty() {
            return Err(bad("it names no path").hint("`host:.` is the home directory there"));
        }
        ssh(typed, destination, port, path, command).ok_or_else(|| bad("its path cannot be"))
    }
}

fn ssh(typed: &OsStr, destination: String, port: Option<u16>, path: &[u8], command: &SshCommand) -> Option<OtherCopy> {
    let path = match path.strip_prefix(b"~") {
        None => path,
        Some(b"" | b"/") => b".",
        // The homes of others are known to a shell only, and none is asked.
        Some(rest) => rest.strip_prefix(b"/")?,
    };
    if path.is_empty() || path.contains(&0) {
        return None;
    }
    let path = PathBuf::from(OsString::from_vec(path.to_vec()));
    let (name, command) = (typed.to_string_lossy().into_owned(), command.clone());
    Some(OtherCopy::Ssh(SshCopy { destination, port, path, name, command }))
}

/// Splits at the first of a byte, which stays with what follows.
fn split_at_byte(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    bytes.iter().position(|other| *other == byte).map(|at| bytes.split_at(at))
}

/// Splits `host:path`: its first colon comes before any slash. The host may be `[::1]`.
fn scp_like(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let from = match bytes.iter().position(|byte| *byte == b'[') {
        Some(open) if bytes[..open].is_empty() || bytes[..open].ends_with(b"@") => bytes.iter().position(|byte| *byte == b']')?,
        _ => 0,
    };
    let colon = from + bytes[from..].iter().position(|byte| *byte == b':')?;
    let (authority, path) = bytes.split_at(colon);
    (!authority.contains(&b'/')).then_some((authority, &path[1..]))
}

/// Takes `[user@]host[:port]`. What could pass for an option, or say something to a shell, is refused.
fn destination(authority: &[u8]) -> Option<(String, Option<u16>)> {
    let text = std::str::from_utf8(authority).ok()?;
    let (user, host) = text.rsplit_once('@').map_or((None, text), |(user, host)| (Some(user), host));
    let (host, port) = match host.strip_prefix('[') {
        Some(bracketed) => {
            let (address, rest) = bracketed.split_once(']')?;
            let is_address = address.contains(':') && address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":.%".contains(&byte));
            (is_address.then_some(address)?, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
    };
    let is_plain = |name: &str, more: &[u8]| {
        !name.is_empty() && !name.starts_with('-') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let is_right = is_plain(host, b"._-:%") && user.is_none_or(|user| is_plain(user, b"._-+@"));
    let port = match port {
        None => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok().filter(|port| *port > 0)?),
        Some(_) => return None,
    };
    is_right.then(|| (user.map_or(host.to_owned(), |user| format!("{user}@{host}")), port))
}

fn unescaped(path: &[u8]) -> Option<Vec<u8>> {
    let (mut left, mut out) = (path, Vec::with_capacity(path.len()));
    while let Some((&byte, rest)) = left.split_first() {
        left = rest;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (digits, rest) = left.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        left = rest;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Destination, port and path, or none if it is a directory.
    fn parsed(typed: &str) -> Result<Option<(String, Option<u16>, String)>, String> {
        match OtherCopy::parse(OsStr::new(typed), &SshCommand::default()) {
            Ok(OtherCopy::Dir(dir)) => {
                assert_eq!(dir.as_os_str(), typed);
                Ok(None)
            }
            Ok(OtherCopy::Ssh(copy)) => Ok(Some((copy.destination, copy.port, copy.path.to_str().unwrap().to_owned()))),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_forms_of_a_place() {
        let ssh = |destination: &str, port, path: &str| Ok(Some((destination.to_owned(), port, path.to_owned())));
        assert_eq!(parsed("ssh://host/a/b"), ssh("host", None, "/a/b"));
        assert_eq!(parsed("ssh://me@host:2222/a%20b"), ssh("me@host", Some(2222), "/a b"));
        assert_eq!(parsed("ssh://host/~/a"), ssh("host", None, "a"));
        assert_eq!(parsed("ssh://host/~"), ssh("host", None, "."));
        assert_eq!(parsed("ssh://host/"), ssh("host", None, "/"));
        assert_eq!(parsed("ssh://[::1]:22/a"), ssh("::1", Some(22), "/a"));
        assert_eq!(parsed("host:a/b"), ssh("host", None, "a/b"));
        assert_eq!(parsed("me@host:/a:b"), ssh("me@host", None, "/a:b"));
        assert_eq!(parsed("me@corp@host:~/a"), ssh("me@corp@host", None, "a"));
        assert_eq!(parsed("me@[fe80::1%eth0]:a"), ssh("me@fe80::1%eth0", None, "a"));
        for dir in ["a", "/a:b", "./a:b", "../a:b", "a/b:c", "./ssh://x/y", "-x", ".", "[a]", "a/[::1]:b"] {
            assert_eq!(parsed(dir), Ok(None), "{dir}");
        }
    }

    #[test]
    fn what_could_be_an_option_or_speak_to_a_shell_is_refused() {
        let bad = [
            "ssh://-oProxyCommand=x/a",
            "ssh://-x@host/a",
            "ssh://host",
            "ssh:///a",
            "ssh://host:0/a",
            "ssh://host:70000/a",
            "ssh://host:/a",
            "ssh://ho st/a",
            "ssh://host/a%2",
            "ssh://host/a%00b",
            "ssh://host/~other/a",
            "ssh://[::1/a",
            "ssh://$(x)/a",
            "https://host/a",
            "-oProxyCommand=x:a",
            "-x@host:a",
            "host:",
            "a;b:c",
            "host:~other",
            ":a",
        ];
        for typed in bad {
            let told = parsed(typed).unwrap_err();
            assert!(told.starts_with(&format!("bad place '{typed}': ")), "{told}");
        }
    }
}
