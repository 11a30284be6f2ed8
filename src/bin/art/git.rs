//! The state of the git repo round a directory, asked of `git` itself, by one process.

use std::path::Path;
use std::process::{Command, Stdio};

use artstore::format::record::GitState;
use artstore::store::STORE_DIR;

/// Returns commit, branch and whether tracked files outside the store differ from the commit;
/// none where there is no repo, or no git.
pub(crate) fn state(dir: &Path) -> Option<GitState> {
    if !is_in_repo(dir)? {
        return None;
    }
    let output = git(dir)
        .args(["--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no", "-z", "--", ":(top)"])
        .arg(format!(":(top,exclude,glob)**/{STORE_DIR}/**"))
        .output()
        .ok()?;
    output.status.success().then(|| parse(&output.stdout))
}

/// Whether the repo round a store ignores it as a whole.
pub(crate) fn is_ignored(root: &Path) -> bool {
    let Some(parent) = root.parent() else { return false };
    git(parent).args(["check-ignore", "-q", "--no-index", "--"]).arg(root).status().is_ok_and(|status| status.success())
}

/// Returns where the repo round a directory is pushed to (`origin`), without credentials.
pub(crate) fn remote(dir: &Path) -> Option<String> {
    if !is_in_repo(dir)? {
        return None;
    }
    let output = git(dir).args(["config", "--get", "remote.origin.url"]).output().ok()?;
    let url = String::from_utf8(output.stdout).ok()?;
    Some(without_credentials(url.trim_end())).filter(|url| !url.is_empty())
}

/// Takes user, password and query out of a URL: tokens stand in any of them. Of `ssh` the user stays,
/// who is no secret and part of the address.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let user = authority.rsplit_once('@').and_then(|(user, _)| user.split(':').next()).filter(|_| scheme.contains("ssh"));
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    format!("{scheme}://{user}{host}{path}")
}

/// Most projects without a repo need no process to tell so.
fn is_in_repo(dir: &Path) -> Option<bool> {
    let dir = std::path::absolute(dir).ok()?;
    Some(dir.ancestors().any(|above| above.join(".git").exists()) || std::env::var_os("GIT_DIR").is_some())
}

fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// Reads the records of `git status --porcelain=v2 --branch -z`.
fn parse(output: &[u8]) -> GitState {
    let mut state = GitState { branch: None, commit: None, dirty: false };
    for record in output.split(|&b| b == 0).filter(|record| !record.is_empty()) {
        let text = String::from_utf8_lossy(record);
        if let Some(commit) = text.strip_prefix("# branch.oid ") {
            state.commit = Some(commit.to_owned()).filter(|commit| commit != "(initial)");
        } else if let Some(branch) = text.strip_prefix("# branch.head ") {
            state.branch = Some(branch.to_owned()).filter(|branch| branch != "(detached)");
        } else if !text.starts_with('#') {
            state.dirty = true;
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_lose_what_may_be_secret() {
        let cases = [
            ("https://user:token@example.org/a/b.git", "https://example.org/a/b.git"),
            ("https://ghp_token@example.org/a", "https://example.org/a"),
            ("https://example.org/a?access_token=x#y", "https://example.org/a"),
            ("ssh://git:secret@example.org:22/a", "ssh://git@example.org:22/a"),
            ("git@example.org:a/b.git", "git@example.org:a/b.git"),
            ("/srv/a@b.git", "/srv/a@b.git"),
            ("https://example.org/~u/a@b", "https://example.org/~u/a@b"),
        ];
        for (url, shown) in cases {
            assert_eq!(without_credentials(url), shown);
        }
    }

    #[test]
    fn clean_dirty_detached_and_newborn_are_told_apart() {
        let clean = parse(b"# branch.oid 0123abcd\0# branch.head main\0# branch.upstream origin/main\0");
        assert_eq!(clean, GitState { branch: Some("main".into()), commit: Some("0123abcd".into()), dirty: false });
        let dirty = parse(b"# branch.oid 0123abcd\0# branch.head (detached)\x001 .M N... 100644 100644 100644 a a f\0");
        assert_eq!(dirty, GitState { branch: None, commit: Some("0123abcd".into()), dirty: true });
        assert_eq!(parse(b"# branch.oid (initial)\0# branch.head main\0").commit, None);
    }
}
