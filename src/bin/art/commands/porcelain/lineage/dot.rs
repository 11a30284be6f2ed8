//! A lineage in the language of Graphviz.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::drawing::Drawing;
use super::label::Sort;
use super::text::cut;

/// Columns of a name before it is cut; the whole is in the tooltip.
const TITLE_COLUMNS: usize = 48;

const HEAD: &str = "\
digraph lineage {
  rankdir=LR;
  node [shape=box, fillcolor=\"#e8f0fe\", color=\"#4a6fa5\", fontname=\"sans-serif\", fontsize=11];
  edge [color=\"#6b7280\", fontname=\"sans-serif\", fontsize=9];
";

/// Writes a graph from left to right.
pub(super) fn dot(drawing: &Drawing) -> String {
    let mut page = HEAD.to_owned();
    for (at, drawn) in drawing.boxes.iter().enumerate() {
        let label = &drawn.label;
        let lines: Vec<String> =
            std::iter::once(cut(&label.title, TITLE_COLUMNS)).chain(label.second_line()).map(|line| escape(&line)).collect();
        let mut line = format!("  n{at} [label=\"{}\"", lines.join("\\n"));
        if label.title.width() > TITLE_COLUMNS {
            let _ = write!(line, ", tooltip=\"{}\"", escape(&label.title));
        }
        let dashed = if label.is_faint { ",dashed" } else { "" };
        let style = match label.sort {
            Sort::Version => format!(", style=\"rounded,filled{dashed}\""),
            Sort::Run if label.is_failed => format!(", shape=ellipse, style=\"filled{dashed}\", fillcolor=\"#fdecea\", color=\"#b3403a\""),
            Sort::Run => format!(", shape=ellipse, style=\"filled{dashed}\", fillcolor=\"#e6f4ea\", color=\"#3c7d54\""),
            Sort::Reference => format!(", style=\"filled{dashed}\", fillcolor=\"#f3f4f6\", color=\"#6b7280\""),
        };
        line.push_str(&style);
        if drawn.is_start {
            line.push_str(", penwidth=2.5");
        }
        let _ = writeln!(page, "{line}];");
    }
    for link in &drawing.links {
        let label = if link.text.is_empty() { String::new() } else { format!("label=\"{}\"", escape(&link.text)) };
        let style = if link.is_weak { "style=dashed" } else { "" };
        // What closes a cycle must not decide where anything stands.
        let free = if link.closes_cycle { "constraint=false" } else { "" };
        let attributes: Vec<&str> = [label.as_str(), style, free].into_iter().filter(|text| !text.is_empty()).collect();
        let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        let _ = writeln!(page, "  n{} -> n{}{attributes};", link.from, link.to);
    }
    page.push_str("}\n");
    page
}

/// Escapes for a quoted string: the backslash begins an escape there, the ampersand an entity.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_string_is_escaped() {
        assert_eq!(escape(r#"a"b\N&lt;"#), r#"a\"b\\N&amp;lt;"#);
    }
}
