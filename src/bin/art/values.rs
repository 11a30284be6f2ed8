//! Values as people type them: `K=V` and files with a JSON object, for metadata and runs.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use artstore::Error;
use artstore::format::record::Metadata;
use artstore::quote::quote;
use serde_json::Value;

/// Collects values from a file with a JSON object and from pairs `K=V`, which win over it. `what` they
/// are and which `option` takes a pair is for messages.
pub(crate) fn collect(what: &str, option: &str, file: Option<&Path>, pairs: &[String]) -> artstore::Result<Metadata> {
    let mut all = Metadata::new();
    if let Some(file) = file {
        let text = std::fs::read(file).map_err(|e| Error::io("read", file, e))?;
        let object: Metadata = serde_json::from_slice(&text)
            .map_err(|e| Error::usage(format!("{} does not hold a JSON object", quote(file.as_os_str().as_bytes()))).because(e))?;
        all.extend(object);
    }
    for pair in pairs {
        let (key, value) = pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            Error::usage(format!("bad {what} {}: KEY=VALUE is expected", quote(pair.as_bytes()))).hint(format!("as in `{option} lr=0.001`"))
        })?;
        all.insert(key.to_owned(), value_of(what, option, key, value)?);
    }
    Ok(all)
}

fn value_of(what: &str, option: &str, key: &str, text: &str) -> artstore::Result<Value> {
    let number = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    if matches!(&number[..], "nan" | "inf" | "infinity") {
        return Err(Error::usage(format!("bad {what} {}: JSON has no {text}", quote(key.as_bytes())))
            .hint(format!("to keep the word, give it as text: `{option} '{key}=\"{text}\"'`")));
    }
    Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}
