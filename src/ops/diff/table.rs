//! How a table differs from another: the rows and columns of CSV and TSV files.
//!
//! Both tables are read side by side, field by field, so that memory is bounded by how far they
//! differ, and by limits, whatever a line or a field is long.

use std::collections::HashMap;
use std::hash::Hasher;

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use serde::Serialize;

use super::content::Content;
use crate::error::Result;

/// The longest table that is read, in bytes.
pub const TABLE_LEN_MAX: u64 = 16 << 30;
/// How many columns a table may have.
pub const COLUMNS_MAX: usize = 1 << 14;
/// How many bytes their names may have together.
pub const COLUMN_NAMES_LEN_MAX: usize = 1 << 20;
/// How many different rows may be on one side only; if they are more, they are not counted.
pub const ROWS_DIFFERENT_MAX: usize = 1 << 20;

/// Rows that are read of one table before the other has its turn.
const TURN_ROWS: usize = 4096;
/// How much is read, and how much of a field is looked at, at a time.
const WINDOW_LEN: usize = 256 << 10;
const FIELD_LEN: usize = 16 << 10;

/// How a table differs from another. The first line names the columns, and is no row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableChange {
    /// The old table, if there is one.
    pub old: Option<TableShape>,
    /// The new table, if there is one.
    pub new: Option<TableShape>,
    /// Columns that only the new table has.
    pub columns_added: Vec<String>,
    /// Columns that only the old table has.
    pub columns_removed: Vec<String>,
    /// Columns of equal fields in the same order under another name.
    pub columns_renamed: Vec<ColumnRename>,
    /// Columns of both tables with fields that differ; told only if both have as many rows.
    pub columns_changed: Vec<String>,
    /// Rows that only the new table has, as far as columns of both go, wherever they stand; none
    /// if they were too many to be counted, or no column is in both.
    pub rows_added: Option<u64>,
    /// Rows that only the old table has.
    pub rows_removed: Option<u64>,
}

/// How large a table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableShape {
    /// Its rows.
    pub rows: u64,
    /// Its columns.
    pub columns: u64,
}

/// A column under its two names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnRename {
    /// The old name.
    pub from: String,
    /// The new one.
    pub to: String,
}

/// Compares two tables, or tells of the one that there is. `tabs` says that tabs separate fields;
/// else the first line tells. What is no table is refused, in words.
pub(super) fn compare(sides: &mut [Option<Content<'_>>; 2], tabs: bool) -> Result<Result<TableChange, String>> {
    let is_alone = sides.iter().any(Option::is_none);
    let mut tables = Vec::new();
    for (content, which) in sides.iter_mut().zip(["old", "new"]) {
        tables.push(match content.as_mut().map(|content| Table::open(content, tabs)).transpose()? {
            Some(Ok(table)) => Some(table),
            Some(Err(why)) if is_alone => return Ok(Err(why.to_owned())),
            Some(Err(why)) => return Ok(Err(format!("{why} (the {which} one)"))),
            None => None,
        });
    }
    let (Some(mut new), Some(mut old)) = (tables.pop(), tables.pop()) else { return Ok(Err("it is not there".to_owned())) };
    let shared = share_columns(old.as_mut(), new.as_mut());
    let mut difference = Difference::default();
    loop {
        let mut read = 0;
        for (table, sign) in [(&mut old, 1), (&mut new, -1)] {
            let Some(table) = table else { continue };
            for _ in 0..TURN_ROWS {
                let Some(row) = table.row()? else { break };
                read += 1;
                if shared > 0 {
                    difference.add(row, sign);
                }
            }
        }
        if read == 0 {
            break;
        }
    }
    Ok(Ok(told(old.as_ref(), new.as_ref(), shared, &difference)))
}

/// Gives a column of one name the same number in both tables; returns how many there are.
fn share_columns(old: Option<&mut Table<'_, '_>>, new: Option<&mut Table<'_, '_>>) -> usize {
    let (Some(old), Some(new)) = (old, new) else { return 0 };
    // Of several columns of one name the first is the first of the other table, and so on.
    let mut numbers: HashMap<(String, usize), usize> = HashMap::new();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (at, column) in old.columns.iter().enumerate() {
        let nth = seen.entry(&column.name).or_default();
        numbers.insert((column.name.clone(), *nth), at);
        *nth += 1;
    }
    let (mut shared, mut seen) = (Vec::new(), HashMap::<String, usize>::new());
    for column in &mut new.columns {
        let nth = seen.entry(column.name.clone()).or_default();
        if let Some(at) = numbers.get(&(column.name.clone(), *nth)) {
            column.shared = Some(*at);
            shared.push(*at);
        }
        *nth += 1;
    }
    shared.iter().for_each(|at| old.columns[*at].shared = Some(*at));
    shared.len()
}

fn told(old: Option<&Table<'_, '_>>, new: Option<&Table<'_, '_>>, shared: usize, difference: &Difference) -> TableChange {
    let shape = |table: &Table<'_, '_>| TableShape { rows: table.rows, columns: table.columns.len() as u64 };
    let mut change = TableChange { old: old.map(shape), new: new.map(shape), ..TableChange::default() };
    let alone = |table: Option<&Table<'_, '_>>| -> Vec<Column> {
        let columns = table.map_or(&[][..], |table| &table.columns).iter();
        columns.filter(|column| column.shared.is_none()).cloned().collect()
    };
    let (removed, mut added) = (alone(old), alone(new));
    let has_rows = |table: Option<&Table<'_, '_>>| table.is_some_and(|table| table.rows > 0);
    for column in removed {
        let same = added.iter().position(|other| other.fields == column.fields).filter(|_| has_rows(old) && has_rows(new));
        match same {
            Some(at) => change.columns_renamed.push(ColumnRename { from: column.name, to: added.remove(at).name }),
            None => change.columns_removed.push(column.name),
        }
    }
    change.columns_added = added.into_iter().map(|column| column.name).collect();
    match (old, new) {
        (Some(old), Some(new)) => {
            if shared > 0 {
                (change.rows_added, change.rows_removed) = difference.counts();
            }
            if old.rows == new.rows && (change.rows_added, change.rows_removed) != (Some(0), Some(0)) {
                let differs = |column: &&Column| column.shared.is_some_and(|at| old.columns[at].fields != column.fields);
                change.columns_changed = new.columns.iter().filter(differs).map(|column| column.name.clone()).collect();
            }
        }
        (old, new) => (change.rows_added, change.rows_removed) = (Some(new.map_or(0, |t| t.rows)), Some(old.map_or(0, |t| t.rows))),
    }
    change
}

/// Rows that one table has more often than the other, by their hashes.
#[derive(Default)]
struct Difference {
    counts: HashMap<u64, i64>,
    is_too_large: bool,
}

impl Difference {
    fn add(&mut self, row: u64, sign: i64) {
        if self.is_too_large {
            return;
        }
        let count = self.counts.entry(row).or_insert(0);
        *count += sign;
        if *count == 0 {
            self.counts.remove(&row);
        } else if self.counts.len() > ROWS_DIFFERENT_MAX + 2 * TURN_ROWS {
            *self = Difference { counts: HashMap::new(), is_too_large: true };
        }
    }

    /// Returns how many rows only the new table has, and how many only the old one.
    fn counts(&self) -> (Option<u64>, Option<u64>) {
        let sum = |sign: i64| self.counts.values().map(|count| (sign * count).max(0) as u64).sum();
        if self.is_too_large { (None, None) } else { (Some(sum(-1)), Some(sum(1))) }
    }
}

/// A column, and all its fields in one number.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// The number of the column in the old table, if both tables have it.
    shared: Option<usize>,
    fields: u64,
}

/// A table that is read from front to back.
struct Table<'c, 's> {
    content: &'c mut Content<'s>,
    parser: Reader,
    window: Vec<u8>,
    /// What of the window is still to be read.
    ahead: std::ops::Range<usize>,
    offset: u64,
    field: Vec<u8>,
    columns: Vec<Column>,
    rows: u64,
}

/// What came of reading on.
enum Read {
    /// The field goes on, of which these bytes were read.
    Part(usize),
    /// A field ends; with it, perhaps, the row.
    Field {
        len: usize,
        ends_row: bool,
    },
    End,
}

impl<'c, 's> Table<'c, 's> {
    fn open(content: &'c mut Content<'s>, tabs: bool) -> Result<Result<Table<'c, 's>, &'static str>> {
        if content.len > TABLE_LEN_MAX {
            return Ok(Err("it is longer than 16 GiB"));
        }
        if content.is_binary()? {
            return Ok(Err("it is no text"));
        }
        let start = content.range(0..WINDOW_LEN as u64)?;
        let delimiter = if tabs { b'\t' } else { delimiter_of(&start) };
        let mut table = Table {
            content,
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            window: vec![0; WINDOW_LEN],
            ahead: 0..0,
            offset: 0,
            field: vec![0; FIELD_LEN],
            columns: Vec::new(),
            rows: 0,
        };
        let (mut name, mut names_len) = (Vec::new(), 0);
        loop {
            let (len, ends) = match table.read()? {
                Read::Part(len) => (len, None),
                Read::Field { len, ends_row } => (len, Some(ends_row)),
                Read::End => break,
            };
            name.extend_from_slice(&table.field[..len]);
            names_len += len;
            if names_len > COLUMN_NAMES_LEN_MAX || table.columns.len() > COLUMNS_MAX {
                return Ok(Err("its first line is too long to name columns"));
            }
            if let Some(ends_row) = ends {
                table.columns.push(Column { name: String::from_utf8_lossy(&name).into_owned(), shared: None, fields: 0 });
                name.clear();
                if ends_row {
                    break;
                }
            }
        }
        Ok(Ok(table))
    }

    /// Reads the next row; returns a hash of its fields in the shared columns, which does not depend
    /// on the order of the columns.
    fn row(&mut self) -> Result<Option<u64>> {
        let (mut at, mut row) = (0, 0u64);
        let mut hasher = std::hash::DefaultHasher::new();
        loop {
            let (len, ends) = match self.read()? {
                Read::Part(len) => (len, None),
                Read::Field { len, ends_row } => (len, Some(ends_row)),
                Read::End => return Ok(None),
            };
            hasher.write(&self.field[..len]);
            let Some(ends_row) = ends else { continue };
            let field = std::mem::take(&mut hasher).finish();
            // Fields beyond the named columns are compared by where they stand.
            let number = match self.columns.get_mut(at) {
                Some(column) => {
                    column.fields = joined(column.fields, field);
                    column.shared
                }
                None => Some(COLUMNS_MAX + at),
            };
            if let Some(number) = number {
                row = row.wrapping_add(joined(number as u64, field));
            }
            at += 1;
            if ends_row {
                break;
            }
        }
        for column in self.columns.iter_mut().skip(at) {
            column.fields = joined(column.fields, 0);
        }
        self.rows += 1;
        Ok(Some(row))
    }

    fn read(&mut self) -> Result<Read> {
        let mut len = 0;
        loop {
            if self.ahead.is_empty() {
                let read = self.content.read_at(self.offset, &mut self.window)?;
                self.offset += read as u64;
                self.ahead = 0..read;
            }
            let (result, read, written) = self.parser.read_field(&self.window[self.ahead.clone()], &mut self.field[len..]);
            self.ahead.start += read;
            len += written;
            match result {
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::OutputFull => return Ok(Read::Part(len)),
                ReadFieldResult::Field { record_end } => return Ok(Read::Field { len, ends_row: record_end }),
                ReadFieldResult::End => return Ok(Read::End),
            }
        }
    }
}

/// Adds a hash to others, in order (FNV-1a's prime, and a mix of SplitMix64's).
fn joined(before: u64, next: u64) -> u64 {
    let mixed = (before ^ next.rotate_left(29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ next
}

/// Tells what separates fields from the first line: what is most often there outside quotes.
fn delimiter_of(start: &[u8]) -> u8 {
    const ALL: [u8; 4] = *b",;\t|";
    let (mut counts, mut is_quoted) = ([0; 4], false);
    for byte in start {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            _ if !is_quoted => {
                if let Some(at) = ALL.iter().position(|delimiter| delimiter == byte) {
                    counts[at] += 1;
                }
            }
            _ => {}
        }
    }
    // Of equal counts the first, which is the comma.
    let most = counts.iter().max().copied().unwrap_or_default();
    counts.iter().position(|count| *count == most).map_or(b',', |at| ALL[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(old: &str, new: &str) -> TableChange {
        compare(&mut [old, new].map(|text| Some(Content::of_bytes(text.into()))), false).unwrap().unwrap()
    }

    #[test]
    fn rows_are_compared_wherever_they_stand() {
        let change = compared("a,b\n1,2\n3,4\n5,6\n5,6\n", "a,b\r\n5,6\r\n\"1\",2\r\n3,5\r\n");
        assert_eq!((change.rows_added, change.rows_removed), (Some(1), Some(2)));
        assert_eq!(change.old, Some(TableShape { rows: 4, columns: 2 }));
        assert_eq!(change.new, Some(TableShape { rows: 3, columns: 2 }));
        assert_eq!(
            compared("a\n1\n2\n", "a\n2\n1"),
            TableChange {
                old: Some(TableShape { rows: 2, columns: 1 }),
                new: Some(TableShape { rows: 2, columns: 1 }),
                rows_added: Some(0),
                rows_removed: Some(0),
                ..TableChange::default()
            }
        );
    }

    #[test]
    fn columns_are_matched_by_name_and_renames_by_their_fields() {
        let change = compared("\u{feff}id;x;y;z\n1;a;b;c\n2;d;e;f\n", "z;id;why;new\nc;1;b;0\nF;2;e;0\n");
        assert_eq!((change.columns_removed, change.columns_added), (vec!["x".to_owned()], vec!["new".to_owned()]));
        assert_eq!(change.columns_renamed, [ColumnRename { from: "y".into(), to: "why".into() }]);
        assert_eq!(change.columns_changed, ["z"]);
        assert_eq!((change.rows_added, change.rows_removed), (Some(1), Some(1)));
        // Columns of one name are told apart by their order.
        let twice = compared("a,a\n1,2\n", "a,a\n1,3\n");
        assert_eq!((twice.columns_changed, twice.rows_added), (vec!["a".to_owned()], Some(1)));
    }

    #[test]
    fn a_field_of_any_length_is_read_in_pieces() {
        let long = "x".repeat(3 * WINDOW_LEN);
        let change = compared(&format!("a,b\n1,{long}y\n2,{long}\n"), &format!("a,b\n2,\"{long}\"\n1,{long}z\n"));
        assert_eq!((change.rows_added, change.rows_removed), (Some(1), Some(1)));
        let ragged = compared("a\n1,2,3\n\n4\n", "a\n1,2\n4\n");
        assert_eq!((ragged.rows_added, ragged.rows_removed), (Some(1), Some(1)));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let refused = |bytes: Vec<u8>| compare(&mut [None, Some(Content::of_bytes(bytes))], false).unwrap().unwrap_err();
        assert_eq!(refused(b"a,b\0".to_vec()), "it is no text");
        assert_eq!(refused(vec![b'x'; COLUMN_NAMES_LEN_MAX + 1]), "its first line is too long to name columns");
        assert_eq!(refused(vec![b','; COLUMNS_MAX + 1]), "its first line is too long to name columns");
    }

    #[test]
    fn too_many_different_rows_are_not_counted() {
        let table = |from: usize| -> String { (from..from + ROWS_DIFFERENT_MAX).fold("n\n".into(), |all, row| all + &format!("{row}\n")) };
        let change = compared(&table(0), &table(ROWS_DIFFERENT_MAX));
        assert_eq!((change.rows_added, change.rows_removed), (None, None));
        assert_eq!(change.columns_changed, ["n"]);
    }
}
