//! A lineage as a flowchart of Mermaid, as Markdown pages show it.

use std::fmt::Write;

use super::drawing::Drawing;
use super::label::Sort;
use super::text::cut;

/// Columns of a name before it is cut.
const TITLE_COLUMNS: usize = 48;

/// Writes a flowchart from left to right. But for failed runs it sets no colours, so that
/// the theme of the page holds.
pub(super) fn mermaid(drawing: &Drawing) -> String {
    let mut page = "flowchart LR\n".to_owned();
    let (mut faint, mut failed, mut start) = (Vec::new(), Vec::new(), Vec::new());
    for (at, drawn) in drawing.boxes.iter().enumerate() {
        let label = &drawn.label;
        let lines: Vec<String> =
            std::iter::once(cut(&label.title, TITLE_COLUMNS)).chain(label.second_line()).map(|line| escape(&line)).collect();
        let (open, close) = match label.sort {
            Sort::Version => ("[", "]"),
            Sort::Run => ("([", "])"),
            Sort::Reference => ("[/", "/]"),
        };
        let _ = writeln!(page, "  n{at}{open}\"{}\"{close}", lines.join("<br/>"));
        for (is, class) in [(label.is_faint, &mut faint), (label.is_failed, &mut failed), (drawn.is_start, &mut start)] {
            class.extend(is.then(|| format!("n{at}")));
        }
    }
    for link in &drawing.links {
        let arrow = if link.is_weak { "-.->" } else { "-->" };
        let text = if link.text.is_empty() { String::new() } else { format!("|\"{}\"|", escape(&link.text)) };
        let _ = writeln!(page, "  n{} {arrow}{text} n{}", link.from, link.to);
    }
    let classes = [("faint", "stroke-dasharray: 4 3", faint), ("failed", "stroke: #b3403a", failed), ("start", "stroke-width: 3px", start)];
    for (class, style, members) in classes {
        if !members.is_empty() {
            let _ = writeln!(page, "  classDef {class} {style}\n  class {} {class}", members.join(","));
        }
    }
    page
}

/// Escapes for a quoted string, by the character codes of Mermaid: what would end it, begin a code, be
/// HTML or Markdown.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '#' | '&' | '<' | '>' | '`' | '*' | '_' | '\\' | ';' | '[' | ']' | '{' | '}' => {
                let _ = write!(escaped, "#{};", u32::from(character));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_string_is_a_code() {
        assert_eq!(escape("s3://a-b/c.csv"), "s3://a-b/c.csv");
        assert_eq!(escape("a\"b#quot;<i>"), "a#34;b#35;quot#59;#60;i#62;");
    }
}
