//! What no source has, told by version and path.

use std::borrow::Cow;
use std::path::Path;

use super::Lost;
use super::fetch::Repair;
use super::need::Tell;

impl Repair<'_> {
    /// Lists what no source has.
    pub(super) fn tell_lost(&mut self) {
        let (_, versions) = self.needs.look(self.context, &self.at_hand, Tell::All);
        for (subject, lacks) in versions {
            for lack in lacks.first {
                match self.outcome.lost.last_mut() {
                    Some(last) if last.subject == subject && last.path == lack.path => last.count += 1,
                    _ => self.outcome.lost.push(Lost { subject: subject.clone(), path: lack.path, count: 1, message: lack.message }),
                }
            }
        }
        let unreplaced = self.unreplaced();
        for path in &unreplaced {
            let message = format!("{} is damaged, and no copy has it", about(path));
            self.outcome.lost.push(Lost { subject: path.display().to_string(), path: None, count: 1, message });
        }
        if !self.drop_records {
            self.outcome.kept = unreplaced;
        }
        for (subject, id) in self.needs.lost_versions() {
            let message = format!("it names version {}, whose record no copy has", id.short(16));
            self.outcome.lost.push(Lost { subject, path: None, count: 1, message });
        }
        for (path, why) in &self.needs.unreadable {
            self.outcome.lost.push(Lost { subject: path.display().to_string(), path: None, count: 1, message: why.clone() });
        }
    }
}

/// Tells what a record was about, as far as its path does.
fn about(path: &Path) -> String {
    let parts: Vec<Cow<'_, str>> = path.iter().map(|part| part.to_string_lossy()).collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let number = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    match parts[..] {
        ["refs", artifact, "versions", name] => format!("the record of version {artifact}:v{}", number(name)),
        ["refs", artifact, "aliases", alias, name] => format!("record {} of alias {artifact}:{alias}", number(name)),
        ["runs", run, name] => format!("record {} of run {run}", number(name)),
        ["refs", artifact, "edits", name] => {
            format!("edit {} of artifact {artifact} (a deletion, an undeletion, a tag, ...)", number(name))
        }
        ["packs", "keep", name] => format!("what was kept of {name} from `git clean`"),
        _ => "a record of which packs are condemned".to_owned(),
    }
}
