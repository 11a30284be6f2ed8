//! What is inside of an entry, summed up in a few lines.

use artstore::ops::diff::summary::Summary;
use artstore::ops::diff::table::{ROWS_DIFFERENT_MAX, TableChange, TableShape};
use artstore::ops::diff::tensors::{Layout, TensorsChange, TensorsShape};
use artstore::quote::escape;

use crate::ui::show::{count, plural};

/// How many columns or tensors are named.
const NAMED_MAX: usize = 20;

/// How many characters of a name are shown.
const NAME_LEN_MAX: usize = 60;

/// Returns a summary as lines.
pub(super) fn lines(summary: &Summary) -> Vec<String> {
    match summary {
        Summary::Table(table) => table_lines(table),
        Summary::Safetensors(tensors) => tensors_lines(tensors),
        Summary::Text { added_lines, removed_lines } => {
            vec![format!("lines: {} added, {} removed", count(*added_lines), count(*removed_lines))]
        }
        Summary::Unreadable { why } => vec![why.clone()],
    }
}

fn table_lines(table: &TableChange) -> Vec<String> {
    let names = |all: &[String]| all.iter().map(|name| shown(name)).collect::<Vec<_>>();
    let (Some(old), Some(new)) = (table.old, table.new) else {
        let TableShape { rows, columns } = table.new.or(table.old).unwrap_or_default();
        let all = if table.new.is_some() { &table.columns_added } else { &table.columns_removed };
        return vec![format!("{}, {}: {}", plural(rows, "row"), plural(columns, "column"), listed(names(all)))];
    };
    let rows = from_to(old.rows, new.rows);
    let rows = match (table.rows_added, table.rows_removed) {
        (Some(added), Some(removed)) => format!("rows {rows}: {} added, {} removed", count(added), count(removed)),
        _ if table.columns_removed.len() as u64 == old.columns => format!("rows {rows}"),
        _ => format!("rows {rows}: more than {} differ", count(ROWS_DIFFERENT_MAX as u64)),
    };
    let mut columns: Vec<String> = names(&table.columns_added).iter().map(|name| format!("+ {name}")).collect();
    columns.extend(names(&table.columns_removed).iter().map(|name| format!("- {name}")));
    columns.extend(table.columns_renamed.iter().map(|name| format!("{} => {}", shown(&name.from), shown(&name.to))));
    columns.extend(names(&table.columns_changed).iter().map(|name| format!("~ {name}")));
    let shape = from_to(old.columns, new.columns);
    vec![rows, if columns.is_empty() { format!("columns {shape}") } else { format!("columns {shape}: {}", listed(columns)) }]
}

fn tensors_lines(tensors: &TensorsChange) -> Vec<String> {
    let laid_out = |layout: &Layout| format!("{} {:?}", shown(&layout.dtype), layout.shape);
    let line = |mark: char, name: &str, rest: String| format!("{mark} {} {rest}", shown(name));
    let mut lines: Vec<String> = tensors.added.iter().map(|tensor| line('+', &tensor.name, laid_out(&tensor.layout))).collect();
    lines.extend(tensors.removed.iter().map(|tensor| line('-', &tensor.name, laid_out(&tensor.layout))));
    lines.extend(tensors.changed.iter().map(|tensor| {
        let layout = if tensor.old == tensor.new {
            laid_out(&tensor.old)
        } else {
            format!("{} -> {}", laid_out(&tensor.old), laid_out(&tensor.new))
        };
        line('~', &tensor.name, layout)
    }));
    let (Some(old), Some(new)) = (tensors.old, tensors.new) else {
        let TensorsShape { tensors: all, parameters } = tensors.new.or(tensors.old).unwrap_or_default();
        return vec![format!("{}, {}", plural(all, "tensor"), plural(parameters, "parameter"))];
    };
    let counts = [("added", &tensors.added.len()), ("removed", &tensors.removed.len()), ("changed", &tensors.changed.len())];
    let counts: Vec<String> = counts.iter().map(|(name, number)| format!("{} {name}", count(**number as u64))).collect();
    let mut head = format!("tensors {}: {}", from_to(old.tensors, new.tensors), counts.join(", "));
    if tensors.metadata_changed {
        head.push_str("; metadata differs");
    }
    let more = lines.len().saturating_sub(NAMED_MAX);
    lines.truncate(NAMED_MAX);
    if more > 0 {
        lines.push(format!("and {} more; `--json` names them all", count(more as u64)));
    }
    [vec![head, format!("parameters {}", from_to(old.parameters, new.parameters))], lines].concat()
}

fn shown(name: &str) -> String {
    match name.char_indices().nth(NAME_LEN_MAX) {
        Some((end, _)) => format!("{}…", escape(&name.as_bytes()[..end])),
        None => escape(name.as_bytes()),
    }
}

fn from_to(old: u64, new: u64) -> String {
    if old == new { count(old) } else { format!("{} -> {}", count(old), count(new)) }
}

fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    if more > 0 {
        names.push(format!("and {} more", count(more as u64)));
    }
    names.join(", ")
}
