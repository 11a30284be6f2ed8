//! Tables of packs that are held in memory: the ones used of late, within a bound.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::format::pack::Table;

/// Bytes of tables that are held; the newest is held whatever its length. A million chunks fit.
pub(super) const TABLES_LEN_MAX: usize = 48 << 20;

/// Bytes of a table that are read for each row that was read alone before: reading rows never
/// costs much more than reading the table would have, nor the other way round.
const TABLE_BYTES_PER_ROW: u64 = 16 << 10;

/// The tables by the number of their pack.
#[derive(Debug, Default)]
pub(super) struct Tables {
    slots: Vec<Slot>,
    /// The numbers of those that are held, each once.
    held: VecDeque<usize>,
    len: usize,
}

#[derive(Debug, Default)]
struct Slot {
    table: Option<Arc<Table>>,
    used: bool,
    rows_read: u32,
}

/// How to read a row of a table.
pub(super) enum Way {
    /// From this table.
    Held(Arc<Table>),
    /// From the whole table, which is worth loading by now.
    Load,
    /// From the file, alone.
    Alone,
}

impl Tables {
    /// Says how to read one more row of a pack whose table has a length.
    pub(super) fn way(&mut self, number: u32, table_len: u64) -> Way {
        let slot = self.slot(number);
        if let Some(table) = &slot.table {
            slot.used = true;
            return Way::Held(Arc::clone(table));
        }
        slot.rows_read += 1;
        if u64::from(slot.rows_read) * TABLE_BYTES_PER_ROW > table_len { Way::Load } else { Way::Alone }
    }

    /// Holds a table; others that were not used of late are let go for it.
    pub(super) fn hold(&mut self, number: u32, table: Arc<Table>) {
        let slot = self.slot(number);
        if slot.table.is_some() {
            return;
        }
        let len = table.as_bytes().len();
        *slot = Slot { table: Some(table), used: false, rows_read: 0 };
        self.held.push_back(number as usize);
        self.len += len;
        while self.len > TABLES_LEN_MAX && self.held.len() > 1 {
            let Some(oldest) = self.held.pop_front() else { break };
            let slot = &mut self.slots[oldest];
            if std::mem::take(&mut slot.used) {
                self.held.push_back(oldest);
            } else if let Some(table) = slot.table.take() {
                self.len -= table.as_bytes().len();
            }
        }
    }

    fn slot(&mut self, number: u32) -> &mut Slot {
        let number = number as usize;
        if self.slots.len() <= number {
            self.slots.resize_with(number + 1, Slot::default);
        }
        &mut self.slots[number]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::pack::ChunkRow;

    fn table(rows: usize) -> Arc<Table> {
        let mut rows = vec![ChunkRow { hash: [0; 32], block: 0, offset: 0, len: 1 }; rows];
        Arc::new(Table::build(&[], &mut rows))
    }

    #[test]
    fn tables_stay_within_the_bound_and_a_used_one_outlives_others() {
        let mut tables = Tables::default();
        let one = table(100_000);
        for number in 0..40 {
            tables.hold(number, Arc::clone(&one));
            assert!(matches!(tables.way(0, 1 << 20), Way::Held(_)));
            assert!(tables.len <= TABLES_LEN_MAX);
        }
        assert!(matches!(tables.way(1, 1 << 20), Way::Alone) && matches!(tables.way(39, 1 << 20), Way::Held(_)));
    }

    #[test]
    fn a_table_is_loaded_when_its_rows_alone_would_cost_as_much() {
        let mut tables = Tables::default();
        let alone = (0..1000).take_while(|_| matches!(tables.way(3, 1 << 20), Way::Alone)).count();
        assert_eq!(alone, 64);
        assert!(matches!(tables.way(4, 100), Way::Load));
    }
}
