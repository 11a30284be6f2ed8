//! A lineage as a picture: one SVG, with no font or file from elsewhere, light or dark as its viewer is.

use std::fmt::Write;

use super::drawing::{Drawing, DrawnBox};
use super::label::Sort;
use super::layout::{BOX_HEIGHT, BOX_WIDTH, layout};
use super::text::cut_by;

/// Where text begins in a box.
const PADDING: f64 = 14.0;
/// Sizes of the two lines in a box, and of what is written at a link.
const FONT_SIZES: [f64; 3] = [12.5, 10.5, 10.0];
/// Room for what is written at a link.
const LINK_TEXT_WIDTH: f64 = 60.0;

/// Colours and lines, for a picture by itself and within a page.
pub(super) const STYLE: &str = include_str!("page/graph.css");

/// Draws a picture by itself.
pub(super) fn svg(drawing: &Drawing, start: &str) -> String {
    let head = format!("<style>{STYLE}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n");
    picture(drawing, start, &head) + "\n"
}

/// Draws a picture; `head` comes first in it, such as its style where it stands by itself.
pub(super) fn picture(drawing: &Drawing, start: &str, head: &str) -> String {
    let layout = layout(drawing);
    let (width, height) = (layout.width.ceil(), layout.height.ceil());
    let mut page = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lineage\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>\n{head}",
        escape(&format!("The lineage of {start}"))
    );
    page.push_str(ARROW);
    page.push_str("<g class=\"links\">\n");
    for (link, route) in drawing.links.iter().zip(&layout.routes) {
        let weak = if link.is_weak { " weak" } else { "" };
        let _ = writeln!(
            page,
            "<path class=\"link{weak}\" data-from=\"{}\" data-to=\"{}\" d=\"{}\" marker-end=\"url(#arrow)\"/>",
            link.from, link.to, route.path
        );
    }
    page.push_str("</g>\n<g class=\"boxes\">\n");
    for (at, (drawn, &corner)) in drawing.boxes.iter().zip(&layout.corners).enumerate() {
        page.push_str(&one_box(at, drawn, corner));
    }
    page.push_str("</g>\n");
    for (link, route) in drawing.links.iter().zip(&layout.routes).filter(|(link, _)| !link.text.is_empty()) {
        let shown = cut_by(&link.text, LINK_TEXT_WIDTH, |c| width_of(c) * FONT_SIZES[2]);
        let (x, y) = (route.text_at.0, route.text_at.1 + 3.5);
        let _ = writeln!(
            page,
            "<text class=\"role\" data-from=\"{}\" data-to=\"{}\" x=\"{x:.0}\" y=\"{y:.1}\"><title>{}</title>{}</text>",
            link.from,
            link.to,
            escape(&link.text),
            escape(&shown)
        );
    }
    page.push_str("</svg>");
    page
}

const ARROW: &str = "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerUnits=\"userSpaceOnUse\" markerWidth=\"9\" \
                     markerHeight=\"9\" orient=\"auto-start-reverse\"><path class=\"head\" d=\"M0 0.5L8 4L0 7.5z\"/></marker></defs>\n";

fn one_box(at: usize, drawn: &DrawnBox, (x, y): (f64, f64)) -> String {
    let label = &drawn.label;
    let sort = match label.sort {
        Sort::Version => "version",
        Sort::Run => "run",
        Sort::Reference => "reference",
    };
    let flags = [(label.is_faint, " faint"), (label.is_failed, " failed"), (drawn.is_start, " start"), (drawn.node.is_none(), " folded")];
    let class: String = flags.iter().filter(|(is, _)| *is).map(|(_, class)| *class).collect();
    let node = drawn.node.map(|node| format!(" data-node=\"{node}\"")).unwrap_or_default();
    let radius = if label.sort == Sort::Run { BOX_HEIGHT / 2.0 } else { 6.0 };
    let room = BOX_WIDTH - 2.0 * PADDING;
    let second = label.second_line();
    let whole: Vec<String> = std::iter::once(label.name()).chain(second.clone()).map(|line| escape(&line)).collect();
    let mut drawn = format!(
        "<g class=\"box {sort}{class}\" data-box=\"{at}\"{node} transform=\"translate({x:.0} {y:.1})\"><title>{}</title>\
         <rect width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"{radius}\"/>",
        whole.join("\n")
    );
    // The name is bold, which is wider.
    let lines = [(Some(&label.title), "name", 1.1 * FONT_SIZES[0]), (second.as_ref(), "more", FONT_SIZES[1])];
    let tops = if second.is_some() { [18.5, 34.0] } else { [26.5, 0.0] };
    for ((text, class, size), top) in lines.into_iter().zip(tops) {
        if let Some(text) = text {
            let shown = cut_by(text, room, |c| width_of(c) * size);
            let _ = write!(drawn, "<text class=\"{class}\" x=\"{PADDING}\" y=\"{top}\">{}</text>", escape(&shown));
        }
    }
    drawn + "</g>\n"
}

/// Guesses how wide a character is in a common sans-serif font of size 1: rather too wide.
fn width_of(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')' | '[' | ']' | ' ' | 'f' | 't' | 'r' | '/' | '-' | '·' => {
            0.37
        }
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.95,
        'A'..='Z' => 0.73,
        c if c.is_ascii() => 0.6,
        c => unicode_width::UnicodeWidthChar::width(c).unwrap_or(1) as f64 * if c < '\u{1100}' { 0.65 } else { 0.55 },
    }
}

/// Escapes for XML; what XML cannot hold at all is replaced.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
