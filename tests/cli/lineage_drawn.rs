//! `art lineage` as a drawing: dot, mermaid, svg and html

#![allow(clippy::print_stderr, reason = "what is skipped is said")]

use std::collections::HashMap;
use std::fs;

use serde_json::{Value, json};

use crate::env::Env;
use crate::lineage::{Lab, lab, used_by_hand, write_record};

const FORMATS: [&str; 4] = ["dot", "mermaid", "svg", "html"];

/// A run's name that has something of every language in which it is written.
const HOSTILE: &str =
    "</script><script>alert(1)</script>]]>--> \"'`$&amp;#x;{{nonce}}%n\\N|[x](y)\u{1b}[31m\u{0}\u{202e}gpj\u{2028}\n数据é";

fn drawn(lab: &Lab, args: &[&str], format: &str) -> String {
    lab.0.art([&["lineage"], args, &["--format", format]].concat()).done()
}

/// Leaves out what differs from run to run: ids and dates.
fn plain(text: &str) -> String {
    let is_id = |at: usize| {
        let part = text.as_bytes().get(at..at + 13);
        part.is_some_and(|part| part[8] == b'-' && part.iter().enumerate().all(|(at, c)| at == 8 || c.is_ascii_hexdigit()))
    };
    let is_date =
        |at: usize| text.as_bytes().get(at..at + 10).is_some_and(|part| part.starts_with(b"20") && part[4] == b'-' && part[7] == b'-');
    let (mut plain, mut at) = (String::new(), 0);
    while let Some(next) = text[at..].chars().next() {
        let (shown, len) = if is_id(at) {
            ("ID", 13)
        } else if is_date(at) {
            ("DATE", 10)
        } else {
            ("", next.len_utf8())
        };
        plain.push_str(if shown.is_empty() { &text[at..at + len] } else { shown });
        at += len;
    }
    plain
}

/// A diamond from a reference to a model, whose data is deleted, and a run that failed.
fn diamond() -> Lab {
    let lab = Lab::new();
    let fetch = lab.0.art(["run", "start", "--name", "fetch"]).done().trim().to_owned();
    lab.within(&fetch, &["use", "--ref", "s3://b/raw.csv", "--size", "1500"]).done();
    lab.0.write("raw", "0");
    assert_eq!(lab.within(&fetch, &["put", "raw", "raw"]).code, Some(0));
    lab.within(&fetch, &["run", "finish"]).done();
    lab.play("prepare", &["raw"], &["data=1", "val=2"]);
    lab.play("train", &["data=train", "val=test"], &["model=3"]);
    let failed = lab.0.art(["run", "start", "--name", "serve"]).done().trim().to_owned();
    lab.within(&failed, &["use", "model"]).done();
    lab.within(&failed, &["run", "finish", "--exit", "3"]).done();
    lab.0.art(["rm", "data:v0"]).done();
    lab
}

#[test]
fn dot_draws_a_diamond() {
    assert_eq!(
        plain(&drawn(&diamond(), &["model"], "dot")),
        r##"digraph lineage {
  rankdir=LR;
  node [shape=box, fillcolor="#e8f0fe", color="#4a6fa5", fontname="sans-serif", fontsize=11];
  edge [color="#6b7280", fontname="sans-serif", fontsize=9];
  n0 [label="s3://b/raw.csv\nnot stored, 1.5 kB", style="filled", fillcolor="#f3f4f6", color="#6b7280"];
  n1 [label="fetch\nID · finished DATE", shape=ellipse, style="filled", fillcolor="#e6f4ea", color="#3c7d54"];
  n2 [label="raw:v0\nlatest", style="rounded,filled"];
  n3 [label="prepare\nID · finished DATE", shape=ellipse, style="filled", fillcolor="#e6f4ea", color="#3c7d54"];
  n4 [label="data:v0\ndeleted", style="rounded,filled,dashed"];
  n5 [label="val:v0\nlatest", style="rounded,filled"];
  n6 [label="train\nID · finished DATE", shape=ellipse, style="filled", fillcolor="#e6f4ea", color="#3c7d54"];
  n7 [label="model:v0\nlatest", style="rounded,filled", penwidth=2.5];
  n8 [label="serve\nID · failed DATE", shape=ellipse, style="filled", fillcolor="#fdecea", color="#b3403a"];
  n0 -> n1;
  n1 -> n2;
  n2 -> n3;
  n3 -> n4;
  n3 -> n5;
  n4 -> n6 [label="train"];
  n5 -> n6 [label="test"];
  n6 -> n7;
  n7 -> n8;
}
"##
    );
}

#[test]
fn mermaid_draws_a_diamond() {
    assert_eq!(
        plain(&drawn(&diamond(), &["model"], "mermaid")),
        r#"flowchart LR
  n0[/"s3://b/raw.csv<br/>not stored, 1.5 kB"/]
  n1(["fetch<br/>ID · finished DATE"])
  n2["raw:v0<br/>latest"]
  n3(["prepare<br/>ID · finished DATE"])
  n4["data:v0<br/>deleted"]
  n5["val:v0<br/>latest"]
  n6(["train<br/>ID · finished DATE"])
  n7["model:v0<br/>latest"]
  n8(["serve<br/>ID · failed DATE"])
  n0 --> n1
  n1 --> n2
  n2 --> n3
  n3 --> n4
  n3 --> n5
  n4 -->|"train"| n6
  n5 -->|"test"| n6
  n6 --> n7
  n7 --> n8
  classDef faint stroke-dasharray: 4 3
  class n4 faint
  classDef failed stroke: #b3403a
  class n8 failed
  classDef start stroke-width: 3px
  class n7 start
"#
    );
}

/// A box in a picture: its classes, what is written in it, and its left upper corner.
type Drawn<'a> = (&'a str, String, f64, f64);

/// Reads the boxes of a picture, by the attributes that it is known to have.
fn boxes(svg: &str) -> Vec<Drawn<'_>> {
    let read = |part| {
        let part = between(part, "", "</g>");
        let texts: Vec<&str> = part.split("<text").skip(1).map(|text| between(text, ">", "</text>")).collect();
        let (x, y) = between(part, "translate(", ")").split_once(' ').unwrap();
        (between(part, "", "\""), texts.join(" | "), x.parse().unwrap(), y.parse().unwrap())
    };
    svg.split("<g class=\"box ").skip(1).map(read).collect()
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = text.split_once(from).unwrap_or_else(|| panic!("no {from} in {text}")).1;
    rest.split_once(to).unwrap_or_else(|| panic!("no {to} after {from} in {text}")).0
}

/// Runs a script of Python's own library on a text; none where Python is not here.
fn python(script: &str, text: &str) -> Option<Value> {
    let env = Env::bare();
    env.write("text", text);
    let ran = match env.command("python3").args(["-c", script, "text"]).output() {
        Err(_) if std::env::var_os("ART_REQUIRE_PYTHON").is_none() => {
            eprintln!("skipped: python3 is not here");
            return None;
        }
        output => crate::env::Ran::from(output.unwrap()),
    };
    assert_eq!((ran.code, &ran.stderr[..]), (Some(0), ""), "{text}");
    Some(ran.json())
}

/// Returns what is said of each box, as a parser of XML reads it.
fn titles(svg: &str) -> Option<Vec<String>> {
    let found = python(
        "import json, sys, xml.etree.ElementTree as tree\n\
         name = '{http://www.w3.org/2000/svg}'\n\
         groups = tree.parse(sys.argv[1]).iter(name + 'g')\n\
         print(json.dumps([group.find(name + 'title').text for group in groups if 'data-box' in group.attrib]))",
        svg,
    );
    found.map(|titles| titles.as_array().unwrap().iter().map(|title| title.as_str().unwrap().to_owned()).collect())
}

#[test]
fn svg_draws_a_diamond_in_layers_about_one_line() {
    let svg = plain(&drawn(&diamond(), &["model"], "svg"));
    let (left, middle) = (|layer: usize| 24.0 + layer as f64 * 336.0, 54.0);
    assert_eq!(
        boxes(&svg),
        [
            ("reference", "s3://b/raw.csv | not stored, 1.5 kB".to_owned(), left(0), middle),
            ("run", "fetch | ID · finished DATE".to_owned(), left(1), middle),
            ("version", "raw:v0 | latest".to_owned(), left(2), middle),
            ("run", "prepare | ID · finished DATE".to_owned(), left(3), middle),
            ("version faint", "data:v0 | deleted".to_owned(), left(4), 24.0),
            ("version", "val:v0 | latest".to_owned(), left(4), 84.0),
            ("run", "train | ID · finished DATE".to_owned(), left(5), middle),
            ("version start", "model:v0 | latest".to_owned(), left(6), middle),
            ("run failed", "serve | ID · failed DATE".to_owned(), left(7), middle),
        ]
    );
    // From the right of the data to the left of the run, a little above its middle.
    assert!(svg.contains("data-from=\"4\" data-to=\"6\" d=\"M1608 46.0C1656 46.0 1656 71.5 1704 71.5\""), "{svg}");
    assert_eq!(svg.matches("<path class=\"link\"").count(), 9);
    let roles: Vec<&str> = svg.split("<text class=\"role\"").skip(1).map(|text| between(text, "</title>", "</text>")).collect();
    assert_eq!(roles, ["train", "test"]);
    let Some(titles) = titles(&svg) else { return };
    assert_eq!(
        (&titles[0][..], &titles[4][..], &titles[6][..]),
        ("s3://b/raw.csv\nnot stored, 1.5 kB", "data:v0\ndeleted", "run train\nID · finished DATE")
    );
}

#[test]
fn what_is_many_is_folded_with_a_count() {
    let lab = Lab::new();
    lab.put("d", "0");
    let id = lab.0.art(["rev-parse", "d"]).done();
    let digest = lab.0.art(["rev-parse", "--digest", "d"]).done();
    for at in 0..300 {
        used_by_hand(&lab.0, at, "d", id.trim(), digest.trim());
    }
    for format in ["dot", "mermaid", "svg"] {
        let (folded, all) = (drawn(&lab, &["d"], format), drawn(&lab, &["d", "--all"], format));
        assert!(folded.contains("… 290 more runs"), "{folded}");
        assert_eq!((size(&folded, format), size(&all, format)), ((12, 11), (301, 300)), "{format}");
    }
}

/// Counts the boxes and the links of a drawing.
fn size(drawing: &str, format: &str) -> (usize, usize) {
    if format == "svg" || format == "html" {
        return (drawing.matches(" data-box=").count(), drawing.matches("<path class=\"link").count());
    }
    let is_link =
        |line: &&str| line.split(' ').nth(3).is_some_and(|word| ["->", "-->", "-.->"].iter().any(|arrow| word.starts_with(arrow)));
    let lines = drawing.lines().filter(|line| line.starts_with("  n") && line.as_bytes()[3].is_ascii_digit());
    let (links, boxes): (Vec<&str>, Vec<&str>) = lines.partition(is_link);
    (boxes.len(), links.len())
}

#[test]
fn merged_copies_are_one_drawing() {
    let (lab, other) = (lab(), Lab::new());
    let copy = |from: &Lab, to: &Lab| {
        assert_eq!(to.0.run(to.0.command("cp").arg("-rn").arg(from.0.store().join(".")).arg(to.0.store())).code, Some(0));
    };
    copy(&lab, &other);
    fs::remove_dir_all(other.0.store().join("local")).ok();
    // Both make the same, each under the same number.
    lab.play("here", &["data"], &["model=4"]);
    other.play("there", &["data"], &["model=4"]);
    copy(&other, &lab);
    let found = lab.0.art(["lineage", "data", "--json"]).json();
    let wanted = ["nodes", "edges"].map(|part| found[part].as_array().unwrap().len());
    for (format, before, after) in [("dot", "\"", "\\n"), ("mermaid", "\"", "<br/>"), ("svg", ">", "</text>")] {
        let drawing = drawn(&lab, &["data"], format);
        assert_eq!(size(&drawing, format), (wanted[0], wanted[1]), "{format}");
        for name in ["here", "there", "model:v1"] {
            assert_eq!(drawing.matches(&format!("{before}{name}{after}")).count(), 1, "{name} in {drawing}");
        }
    }
}

#[test]
fn what_is_deleted_or_not_here_is_marked() {
    let lab = lab();
    lab.0.art(["rm", "data:v0"]).done();
    fs::remove_dir_all(lab.0.store().join("refs/val")).unwrap();
    for (format, faint, count) in [("dot", ",dashed", 2), ("mermaid", "class n1,n2 faint", 1), ("svg", "box version faint", 2)] {
        let drawing = drawn(&lab, &["model", "--up", "--depth", "3"], format);
        assert_eq!(drawing.matches(faint).count(), count, "{drawing}");
        assert!(drawing.contains("deleted") && drawing.contains("its record is not here"), "{drawing}");
    }
}

#[test]
fn a_circle_is_drawn_with_a_step_that_leads_back() {
    let lab = Lab::new();
    lab.put("d", "0");
    let first = lab.play("first", &["d"], &["e=1"]);
    let (id, digest) = (lab.0.art(["rev-parse", "e"]).done(), lab.0.art(["rev-parse", "--digest", "e"]).done());
    let input = json!({"artifact": "e", "digest": digest.trim(), "version": id.trim()});
    let record = json!({"created_at": "2026-11-03T09:15:00Z", "input": input, "kind": "run", "run": first, "seq": 9});
    write_record(&lab.0, &format!("runs/{first}"), 9, &record);
    let weak = HashMap::from([
        ("dot", "  n2 -> n1 [style=dashed, constraint=false];\n"),
        ("mermaid", "  n2 -.-> n1\n"),
        // Below the middles, and from right to left.
        ("svg", "<path class=\"link weak\" data-from=\"2\" data-to=\"1\" d=\"M696 59.0H600\""),
        ("html", "<path class=\"link weak\" data-from=\"2\" data-to=\"1\""),
    ]);
    for format in FORMATS {
        let ran = lab.0.art(["lineage", "d", "--format", format]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stderr.starts_with("warning: the records go in a circle: "), "{ran:?}");
        assert_eq!(ran.text().matches(weak[format]).count(), 1, "{ran:?}");
    }
}

/// A lab in which a run has a hostile name, and a version hostile metadata.
fn hostile() -> Lab {
    let lab = Lab::new();
    lab.0.write("meta.json", json!({"</script>": HOSTILE, "exact": 1, "deep": {"<!--": ["<script>"]}}).to_string());
    lab.put("d", "0");
    let name = HOSTILE.replace('\u{0}', "");
    let run = lab.0.art(["run", "start", "--name", &name]).done().trim().to_owned();
    lab.within(&run, &["use", "d"]).done();
    lab.within(&run, &["use", "--ref", &format!("x://{}", "long\"<'".repeat(400))]).done();
    lab.0.write("e", "1");
    assert_eq!(lab.within(&run, &["put", "e", "e", "--meta-file", "meta.json", "-m", HOSTILE.replace('\u{0}', "").trim()]).code, Some(0));
    lab
}

#[test]
fn hostile_names_stay_text() {
    let lab = hostile();
    let shown = "</script><script>alert(1)</script>]]>--> \"'`$&amp;#x;{{nonce}}%n\\\\N|[x](y)\\u{1b}[31m\\u{202e}gpj\\u{2028}\\n数据é";
    for format in FORMATS {
        let drawing = drawn(&lab, &["e"], format);
        let control = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!drawing.contains(control), "{format}: {drawing}");
    }
    let dot = drawn(&lab, &["e"], "dot");
    let open_quotes = |line: &str| line.matches('"').count() - line.matches("\\\"").count();
    assert!(dot.lines().all(|line| open_quotes(line).is_multiple_of(2)), "{dot}");
    let mermaid = drawn(&lab, &["e"], "mermaid");
    assert!(!mermaid.contains("<s") && !mermaid.contains("]]") && mermaid.contains("#60;/script"), "{mermaid}");
    let svg = drawn(&lab, &["e"], "svg");
    assert!(!svg.contains("<script") && svg.len() < 20_000, "{svg}");
    let Some(titles) = titles(&svg) else { return };
    assert!(titles.iter().any(|title| title.starts_with(&format!("run {shown}\n"))), "{titles:?}");
}

#[test]
fn a_page_is_one_file_with_its_own_script_and_the_data_of_json() {
    let lab = hostile();
    let page = drawn(&lab, &["e"], "html");
    let nonce = between(&page, "script-src 'nonce-", "'");
    let policy = format!("default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'");
    assert_eq!(between(&page, "<meta http-equiv=\"Content-Security-Policy\" content=\"", "\""), policy);
    let data: Value = serde_json::from_str(between(&page, "id=\"data\">", "</script>")).unwrap();
    assert_eq!(data, lab.0.art(["lineage", "e", "--json"]).json());
    // The data, and the script.
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (2, 2));
    let found = python(
        "import json, sys, html.parser\n\
         found = []\n\
         class Reader(html.parser.HTMLParser):\n\
         \x20   def handle_starttag(self, tag, attributes):\n\
         \x20       found.extend([tag, name, value] for name, value in attributes if name in ('src', 'href', 'style') or name[:2] == 'on')\n\
         reader = Reader()\n\
         reader.feed(open(sys.argv[1], encoding='utf-8').read())\n\
         print(json.dumps(found))",
        &page,
    );
    assert!(found.is_none_or(|found| found == json!([])), "nothing is loaded, and nothing runs from an attribute");
}
