//! What no source has, told by version and path.

use super::Lost;
use super::fetch::Repair;
use super::need::{DamagedFile, Tell};

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
        for damaged in self.needs.damaged.iter().filter(|damaged| damaged.what == DamagedFile::Record) {
            if !self.outcome.fetched.iter().any(|fetched| fetched.path.file_name() == damaged.path.file_name()) {
                let subject = damaged.path.display().to_string();
                self.outcome.lost.push(Lost {
                    subject,
                    path: None,
                    count: 1,
                    message: "the record is damaged, and no copy has it".to_owned(),
                });
            }
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
