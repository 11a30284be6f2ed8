//! References as `put` is given them: `--ref URI[=PATH]`, and files with a JSON object a line.

use std::io::{BufRead, BufReader};
use std::path::Path;

use artstore::format::path::EntryPath;
use artstore::ops::put::GivenReference;
use artstore::progress::Progress;
use artstore::quote::quote;
use artstore::uri;
use artstore::{Error, Result};
use serde::Deserialize;

use super::put::entry_path;

/// A line of a file of references.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    uri: String,
    path: Option<String>,
    digest: Option<String>,
    size_bytes: Option<u64>,
    etag: Option<String>,
}

/// Takes `URI[=PATH]`. The last `=` before a query parts them; at the end it parts nothing and
/// only says that the others belong to the URI.
pub(super) fn parse(typed: &str, progress: &dyn Progress) -> Result<GivenReference> {
    let text = match uri::scheme(typed) {
        Some((_, rest)) => &typed[..typed.len() - rest.len() + rest.find(['?', '#']).unwrap_or(rest.len())],
        None => typed,
    };
    if text.len() < typed.len() {
        return Ok(GivenReference { uri: typed.to_owned(), ..GivenReference::default() });
    }
    match typed.rsplit_once('=') {
        Some((uri, "")) => Ok(GivenReference { uri: uri.to_owned(), ..GivenReference::default() }),
        Some((uri, path)) => {
            let last = uri.rsplit('/').next().unwrap_or_default();
            // `s3://bucket/year=2024/part.csv`, most likely: a key, and no path.
            if path.contains('/') && !last.contains('.') && !path.starts_with("./") && !last.is_empty() {
                progress.warn(&format!(
                    "took {} for the URI and {} for its path; to mean all of it as the URI, put `=` at its end",
                    quote(uri.as_bytes()),
                    quote(path.as_bytes())
                ));
            }
            Ok(GivenReference { uri: uri.to_owned(), path: Some(entry_path(path.as_ref())?), ..GivenReference::default() })
        }
        None => Ok(GivenReference { uri: typed.to_owned(), ..GivenReference::default() }),
    }
}

/// Reads a file of references; `-` is standard input.
pub(super) fn read(file: &Path) -> Result<Vec<GivenReference>> {
    let input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(std::fs::File::open(file).map_err(|e| Error::io("read", file, e))?))
    };
    let shown = quote(file.as_os_str().as_encoded_bytes());
    let mut references = Vec::new();
    for (number, line) in input.lines().enumerate() {
        let line = line.map_err(|e| Error::io("read", file, e))?;
        if line.trim().is_empty() {
            continue;
        }
        let bad = |error: Error| error.within(format!("bad reference in line {} of {shown}", number + 1));
        let parsed = serde_json::from_str(&line).map_err(|why| {
            Error::usage("it is not an object of `uri` and perhaps `path`, `digest`, `size_bytes` and `etag`")
                .because(why)
                .hint(r#"as in {"uri":"s3://bucket/key","path":"train/a.csv","size_bytes":12}"#)
        });
        references.push(parsed.and_then(given).map_err(bad)?);
    }
    Ok(references)
}

fn given(line: Line) -> Result<GivenReference> {
    let Line { uri, path, digest, size_bytes, etag } = line;
    uri::check(&uri)?;
    let path: Option<EntryPath> = path.map(|path| entry_path(path.as_ref())).transpose()?;
    let digest = digest.map(|digest| digest.parse()).transpose().map_err(|why| {
        Error::usage(format!("bad digest: {why}"))
            .hint("a digest is BLAKE3, as `b3sum` and `art hash-object` print it; a checksum of a server goes into `etag`")
    })?;
    Ok(GivenReference { uri, path, digest, size_bytes, etag })
}

#[cfg(test)]
mod tests {
    use artstore::progress::Silent;

    use super::*;

    #[test]
    fn uri_and_path_are_parted_at_the_last_equals_sign_before_a_query() {
        for (typed, uri, path) in [
            ("s3://b/k", "s3://b/k", None),
            ("s3://b/k=train/x", "s3://b/k", Some("train/x")),
            ("s3://b/year=2024/x.csv=", "s3://b/year=2024/x.csv", None),
            ("s3://b/year=2024/x.csv=x.csv", "s3://b/year=2024/x.csv", Some("x.csv")),
            ("https://h/f?v=3", "https://h/f?v=3", None),
            ("https://h/f?v=3=x", "https://h/f?v=3=x", None),
            ("file:///d=./dir/", "file:///d", Some("dir")),
        ] {
            let given = parse(typed, &Silent).unwrap();
            assert_eq!((&given.uri[..], given.path.map(|path| path.to_string())), (uri, path.map(str::to_owned)), "{typed}");
        }
        assert!(parse("s3://b/k=../x", &Silent).is_err());
    }
}
