//! A lineage as a page: one file that needs nothing from elsewhere, with the picture and all that is
//! known of each node. The script and the style lie in `page/`.
//!
//! Names and metadata may be anybody's. They stand in the picture escaped for XML, and in the data, where
//! no `<` is left that could end the element; the script puts them into the page as text; and the page
//! forbids by its policy every script but its own, and every connection.

use std::fmt::Write;

use artstore::id::FileDigest;
use artstore::ops::lineage::LineageOutcome;
use artstore::quote::is_unseen;

use super::drawing::Drawing;
use super::svg::{self, STYLE, escape};

const PAGE: &str = include_str!("page/page.html");
const PAGE_STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(include_str!("page/view.js"), include_str!("page/details.js"), include_str!("page/page.js"));

/// Writes the page; the picture of all is left out where nothing is folded.
pub(super) fn html(outcome: &LineageOutcome, folded: &Drawing, all: &Drawing, start: &str) -> serde_json::Result<String> {
    let data = inert(&serde_json::to_string(outcome)?);
    let is_folded = folded.boxes.iter().any(|drawn| drawn.node.is_none());
    let parts = [
        ("nonce", FileDigest::of(data.as_bytes()).short(32)),
        ("title", escape(&format!("Lineage of {start}"))),
        ("style", format!("{STYLE}{PAGE_STYLE}")),
        ("picture", svg::picture(folded, start, "")),
        ("all", if is_folded { svg::picture(all, start, "") } else { String::new() }),
        ("data", data),
        ("script", SCRIPT.to_owned()),
    ];
    // In one pass: what a part holds is no place for another.
    let mut page = String::new();
    let mut pieces = PAGE.split("{{");
    page.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or(("", piece));
        page.extend(parts.iter().filter(|(part, _)| *part == name).map(|(_, text)| text.as_str()));
        page.push_str(rest);
    }
    Ok(page)
}

/// Escapes in JSON, within whose strings alone they can be, what could end the element and what hides.
fn inert(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '<' || is_unseen(character) {
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}
