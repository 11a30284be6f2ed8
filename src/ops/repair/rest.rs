//! What damaged packs still give, though nobody asks for it just now. It is saved before they are
//! moved aside: a version that was deleted may be brought back, and the pages of one that lives
//! may have been unreadable for a moment only.

use std::fs;
use std::io::ErrorKind as IoKind;
use std::path::PathBuf;

use crate::error::{ErrorKind, Result};
use crate::format::pack::PackClass;
use crate::id::HASH_LEN;
use crate::ops::fsck::blocks::Blocks;
use crate::ops::fsck::packs::Checked;
use crate::pack::pack_path;
use crate::store::census::Place;

use super::Gathered;
use super::fetch::{CLASSES, Repair};
use super::need::AtHand;
use super::source;

impl Repair<'_> {
    /// Takes what lies in damaged packs and nowhere else. A pack that the disk does not give stays
    /// where it is: it may give it another time, and what it still holds would be less readable.
    pub(super) fn save_rest(&mut self) -> Result<()> {
        let mut unreadable = Vec::new();
        for class in CLASSES {
            self.save_rest_of(class, &mut unreadable)?;
        }
        self.needs.damaged.retain(|damaged| unreadable.iter().all(|(path, _)| *path != damaged.path));
        self.needs.unreadable.extend(unreadable);
        Ok(())
    }

    fn save_rest_of(&mut self, class: PackClass, unreadable: &mut Vec<(PathBuf, String)>) -> Result<()> {
        let Repair { store, needs, at_hand, disk, makers, packs, outcome, .. } = self;
        let (condemned, fetched) = (&needs.condemned, &outcome.fetched);
        let is_moved = |path: &PathBuf| !condemned.contains(path) && fetched.iter().all(|fetched| fetched.path != *path);
        let checked = if class == PackClass::Data { &needs.data } else { &needs.meta };
        for (id, _) in &checked.not_arrived {
            let path = pack_path(class, *id);
            let why = source::read(&store.layout().path(&path)).err().filter(|e| e.kind() != IoKind::NotFound);
            unreadable.extend(why.filter(|_| is_moved(&path)).map(|why| (path, format!("it cannot be read: {why}"))));
        }
        let mut gathered = Gathered { from: "damaged files".to_owned(), chunk_count: 0, page_count: 0, size_bytes: 0 };
        let mut blocks = Blocks::new(&checked.census);
        for &pack in &checked.damaged {
            let path = pack_path(class, checked.census.packs()[pack as usize].id);
            let table = checked.census.table(pack);
            for slot in (0..table.chunk_count()).filter(|_| is_moved(&path)) {
                let hash = *table.hash(slot);
                if is_elsewhere(checked, at_hand, class, &hash) {
                    continue;
                }
                match blocks.at(Place { pack, slot: slot as u32 }) {
                    Ok(bytes) if class.name_of(bytes) == Some(hash) => {
                        at_hand.add(class, hash, bytes);
                        gathered.count(class, bytes.len());
                        if let Some(disk) = disk {
                            let maker = makers.iter_mut().find(|maker| maker.class() == class);
                            packs.extend(maker.map(|maker| maker.add(hash, bytes, &|| disk.draft())).transpose()?.flatten());
                        }
                    }
                    Err(error) if error.kind() != ErrorKind::Damaged && fs::symlink_metadata(store.layout().path(&path)).is_ok() => {
                        unreadable.push((path.clone(), error.to_string()));
                        break;
                    }
                    _ => {}
                }
            }
        }
        self.note_gathered(gathered);
        Ok(())
    }
}

fn is_elsewhere(checked: &Checked, at_hand: &AtHand, class: PackClass, hash: &[u8; HASH_LEN]) -> bool {
    let mut good = checked.census.find(hash).filter(|place| !checked.damaged.contains(&place.pack));
    good.next().is_some() || at_hand.has(class, hash)
}
