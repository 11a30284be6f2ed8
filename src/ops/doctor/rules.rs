//! What the rules of the repo do to a store's files, and whether what guards them from git stands.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{FindingKind, Patient};
use crate::error::{Error, Result};
use crate::format::pack::PackClass;
use crate::layout::Layout;
use crate::ops::init::ATTRIBUTES;
use crate::ops::wording::{count, some_paths};
use crate::pack::reader;
use crate::quote::{escape, quote, quote_path, shell_word};
use crate::store::files::{self, FileClass};
use crate::store::git::around::Around;
use crate::store::git::rules::{Attribute, IgnoreRule, attributes, ignored, setting};
use crate::store::git::tree::{Difference, Place, is_sparse};
use crate::store::guard::{GitMode, Guard, IGNORE_FILE, is_guarded, read};
use crate::store::worktrees::layout_of;

/// The file of a store that says what git must not do to its bytes.
const ATTRIBUTES_FILE: &str = ".gitattributes";

/// What may change the bytes of a file.
const ATTRIBUTE_NAMES: [&str; 5] = ["text", "eol", "filter", "ident", "working-tree-encoding"];

/// What keeps all of them off.
const UNTOUCHED: &str = "-text -filter -ident !working-tree-encoding";

/// Files as they may come to be, of which some may not be there yet. The first is a data pack.
pub(in crate::ops) const TO_COME: [&str; 8] = [
    "packs/00/0000000000000000000000000000000000000000000000000000000000000000",
    "meta/00/0000000000000000000000000000000000000000000000000000000000000000",
    "refs/a/versions/0.0000000000000000",
    "refs/a/edits/0.0000000000000000",
    "refs/a/aliases/a/0.0000000000000000",
    "runs/00000000-0000-7000-8000-000000000000/0.0000000000000000",
    "gc/0000000000000000",
    "features/write-condemn",
];

impl Patient<'_> {
    /// Looks at the files of the store that git goes by, and at what git makes of them.
    pub(super) fn look_at_rules(&mut self, place: &Place, guard: Option<&Guard>) -> Result<()> {
        self.look_at_own_rules(guard);
        let mode = guard.map_or_else(|| GitMode::of_guard(self.root), |guard| Ok(Some(guard.mode())))?.unwrap_or_default();
        if mode == GitMode::None {
            return Ok(());
        }
        let classes: Vec<FileClass> =
            FileClass::ALL.into_iter().filter(|class| mode == GitMode::All || *class != FileClass::Data).collect();
        let mut paths: Vec<PathBuf> = ["format", IGNORE_FILE, ATTRIBUTES_FILE].iter().map(|name| self.name.join(name)).collect();
        paths.extend(files::list(&layout_of(self.root)?, &classes)?.iter().map(|file| self.name.join(file.path.as_path())));
        let to_come = if mode == GitMode::All { &TO_COME[..] } else { &TO_COME[1..] };
        paths.extend(to_come.iter().map(|path| self.name.join(path)));
        self.look_at_ignored(place, mode, &paths)?;
        self.look_at_altered(place, &paths)
    }

    /// Tells of rules that cannot be read.
    pub(super) fn tell_unread_rules(&mut self, error: &Error) {
        let mode = GitMode::of_guard(self.root).ok().flatten().unwrap_or_default();
        // What is a file may hold rules of the user's, and be read again some day.
        let is_none = fs::symlink_metadata(self.root.join(IGNORE_FILE)).is_ok_and(|meta| !meta.is_file());
        let mend = is_none.then(|| format!("rm -r {} && {}", self.word(IGNORE_FILE), init_as(mode)));
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let message = match is_none {
            true => format!("nothing can be stored: {} is no file", quote_path(&self.name.join(IGNORE_FILE))),
            false => format!("nothing can be stored: {error}{cause}"),
        };
        self.problem(FindingKind::RulesChanged, message, mend);
    }

    fn look_at_own_rules(&mut self, guard: Option<&Guard>) {
        for name in [IGNORE_FILE, ATTRIBUTES_FILE] {
            let path = self.name.join(name);
            let is_ours = match read(&self.root.join(name)) {
                Err(_) if fs::symlink_metadata(self.root.join(name)).is_err() => {
                    let message = format!("{} is missing: git does as the rules of the repo say", quote_path(&path));
                    self.problem(FindingKind::RulesMissing, message, Some("art init".to_owned()));
                    continue;
                }
                Err(_) => false,
                Ok(text) if name == ATTRIBUTES_FILE => text == ATTRIBUTES.as_bytes(),
                Ok(text) => GitMode::ALL.iter().any(|mode| text == mode.rules().as_bytes()),
            };
            let message = format!("{} is not as `art init` writes it", quote_path(&path));
            match (is_ours, guard) {
                (true, _) => {}
                // What it does to files is told for itself.
                _ if name == ATTRIBUTES_FILE => {
                    self.advice(FindingKind::RulesChanged, message, Some(format!("rm {} && art init", shell_word(&path))));
                }
                (_, Some(guard)) => self.advice(FindingKind::RulesChanged, message, Some(init_as(guard.mode()))),
                (_, None) => {
                    let message = format!("{message}, and leaves no room for what keeps `git clean` off");
                    let mode = GitMode::of_guard(self.root).ok().flatten().unwrap_or_default();
                    self.problem(FindingKind::RulesChanged, message, Some(init_as(mode)));
                }
            }
        }
    }

    fn look_at_ignored(&mut self, place: &Place, mode: GitMode, paths: &[PathBuf]) -> Result<()> {
        let mut by_rule = BTreeMap::<IgnoreRule, Vec<PathBuf>>::new();
        for (path, rule) in ignored(self.project, paths)? {
            by_rule.entry(rule).or_default().push(path);
        }
        for (rule, paths) in by_rule {
            let there: Vec<&PathBuf> = paths.iter().filter(|path| self.project.join(path).exists()).collect();
            let what = match there.first() {
                Some(first) => {
                    format!("{} of the store that are to be committed, such as {}", count(there.len(), "file"), quote_path(first))
                }
                None => "files of the store that are to come".to_owned(),
            };
            let file = place.relative(&rule.file);
            let message = format!("git ignores {what}: {} in {}, line {}", quote(rule.pattern.as_bytes()), quote_path(&file), rule.line);
            let mend = self.mend_ignored(place, mode, &rule, &file)?;
            self.problem(FindingKind::IgnoredFiles, message, Some(mend));
        }
        Ok(())
    }

    fn mend_ignored(&self, place: &Place, mode: GitMode, rule: &IgnoreRule, file: &Path) -> Result<String> {
        let own = place.prefix.join(&self.name);
        if rule.file == own.join(IGNORE_FILE) {
            return Ok(init_as(mode));
        }
        if rule.file.starts_with(&own) {
            return Ok(format!("rm {}", shell_word(&place.relative(&rule.file))));
        }
        let project = &place.prefix;
        if !project.as_os_str().is_empty() && !ignored(&self.project.join(&place.to_top), &[Path::new(".").join(project)])?.is_empty() {
            // Nothing below an ignored directory can be taken back.
            return Ok(format!("sed -i.bak {}d {}", rule.line, shell_word(file)));
        }
        Ok(format!("printf '\\n!/{}/\\n' >> {IGNORE_FILE}", escape(self.name.as_os_str().as_encoded_bytes())))
    }

    fn look_at_altered(&mut self, place: &Place, paths: &[PathBuf]) -> Result<()> {
        let line_ends = setting(self.project, "core.autocrlf")?.is_some_and(|value| value.as_os_str() != "false");
        let mut altered = BTreeMap::<String, Vec<PathBuf>>::new();
        for some in attributes(self.project, &ATTRIBUTE_NAMES, paths)?.chunks(ATTRIBUTE_NAMES.len()) {
            for why in reasons(some, line_ends) {
                altered.entry(why).or_default().push(some[0].path.clone());
            }
        }
        let is_own = read(&self.root.join(ATTRIBUTES_FILE)).is_ok_and(|text| text == ATTRIBUTES.as_bytes());
        for (why, paths) in altered {
            let message = format!("git may alter bytes of the store, such as of {}: {why}", some_paths(&paths[..1]));
            let mend = match is_own {
                true => {
                    let name = escape(self.name.as_os_str().as_encoded_bytes());
                    format!("printf '\\n**/{name}/** {UNTOUCHED}\\n' >> {}", shell_word(&place.attributes_file))
                }
                false => format!("rm -f {} && art init", self.word(ATTRIBUTES_FILE)),
            };
            self.problem(FindingKind::AlteredFiles, message, Some(mend));
        }
        Ok(())
    }

    /// Looks whether git may remove the folder as a whole, or a link in it.
    pub(super) fn look_at_folder(&mut self, repo: &Around, guard: Option<&Guard>) {
        if let Some(link) = guard.and_then(Guard::link_in_its_place) {
            let message = format!("`git clean` removes {}, which is a link: let it be a folder", quote_path(&link));
            self.problem(FindingKind::Unguarded, message, None);
        }
        let folder = quote_path(&self.name);
        let removes = |by: &str| format!("{by} removes the folder {folder} with all that git ignores there");
        if is_sparse(self.project) {
            let message = removes("`git sparse-checkout`, where it leaves out the project,");
            self.advice(FindingKind::FolderAtStake, message, None);
        }
        if repo.is_apart() {
            let message = removes("this is a submodule, or has git's directory elsewhere: `git submodule deinit` of it, or `git rm`,");
            self.advice(FindingKind::FolderAtStake, message, None);
        }
    }

    /// Looks at what keeps `git clean` off.
    pub(super) fn look_at_guard(&mut self, guard: Option<&Guard>, differences: &[Difference]) -> Result<()> {
        let Some(guard) = guard else { return Ok(()) };
        if let Some(place) = guard.strays_in()?.filter(|_| guard.mode() != GitMode::None) {
            let shown = quote_path(&self.name.join(place));
            let message = format!("`git add` would fail at {shown}: what keeps `git clean` off stands there, as in another mode");
            self.problem(FindingKind::MisplacedGuard, message, Some("art init".to_owned()));
            return Ok(());
        }
        let is_uncommitted = differences.iter().any(Difference::is_new);
        // A linked worktree has its packs where the main one guards them.
        let layout = layout_of(self.root)?;
        let has_packs = || {
            layout.bases(Path::new("packs")).try_fold(false, |has, base| -> Result<bool> {
                Ok(has || !is_guarded(&base.join("packs"))? && !reader::list(&Layout::of_one(base), PackClass::Data)?.is_empty())
            })
        };
        let is_at_stake = match guard.mode() {
            GitMode::Split => is_uncommitted || has_packs()?,
            GitMode::All => is_uncommitted,
            GitMode::None => true,
        };
        if !guard.keeps_off()? {
            if !is_at_stake {
                return Ok(());
            }
            let (why, mend) = match guard.repo_in_its_place()? {
                Some(git) => (
                    format!(": {} is a repo of its own", quote_path(&self.name.join(&git))),
                    format!("mv {} DIR && art init", self.word(&git)),
                ),
                None => (String::new(), "art init".to_owned()),
            };
            let message = format!("`git clean -x` would destroy what was stored: nothing keeps it off{why}");
            self.problem(FindingKind::Unguarded, message, Some(mend));
        } else if !guard.is_excluded()? {
            let message = "on a branch without the store git does not ignore its data: `.git/info/exclude` has no lines for it".to_owned();
            self.problem(FindingKind::NotExcluded, message, Some("art init".to_owned()));
        }
        Ok(())
    }
}

/// Says by which of a file's attributes git would alter it.
fn reasons(all: &[Attribute], line_ends: bool) -> Vec<String> {
    let value = |name: &str| all.iter().find(|attribute| attribute.name == name).map_or("unspecified", |attribute| &attribute.value);
    let is_free = |name: &str| matches!(value(name), "unset" | "unspecified");
    let mut reasons = Vec::new();
    match value("text") {
        "unset" => {}
        "unspecified" if !is_free("eol") => reasons.push(format!("its attribute `eol` is {}", escape(value("eol").as_bytes()))),
        "unspecified" if line_ends => reasons.push("the setting `core.autocrlf` holds for it".to_owned()),
        "unspecified" => {}
        text => reasons.push(format!("its attribute `text` is {}", escape(text.as_bytes()))),
    }
    for name in ["filter", "ident", "working-tree-encoding"] {
        if !is_free(name) {
            reasons.push(format!("its attribute `{name}` is {}", escape(value(name).as_bytes())));
        }
    }
    reasons
}

/// The command that writes the rules of a mode.
fn init_as(mode: GitMode) -> String {
    format!("art init --git={}", mode.as_str())
}
