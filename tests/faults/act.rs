//! Commands run through the library, without a process: for the many images of a disk.

use std::path::Path;

use artstore::format::path::EntryPath;
use artstore::ops::alias;
use artstore::ops::init::{InitOptions, init};
use artstore::ops::put::{PutOptions, put};
use artstore::ops::repair::{self, RepairOptions, repair};
use artstore::progress::Silent;
use artstore::{Error, Store};

use crate::oracle::context;
use crate::place::Place;

/// Options with which a put is run as a process.
const AS_PROCESS: [&str; 2] = ["--run", "--ttl"];

/// Runs a command; one that is not known here as a process.
pub(crate) fn act(place: &Place, command: &[&str]) -> Result<(), String> {
    let words: Vec<String> = command.iter().map(|arg| place.argument(arg)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match &words[..] {
        ["init"] => make(&place.store()),
        ["put", rest @ ..] if rest.iter().any(|word| AS_PROCESS.contains(word)) => return run(place, command),
        ["put", "--init", rest @ ..] => make(&place.store()).and_then(|()| store(&place.store(), rest)),
        ["put", rest @ ..] => store(&place.store(), rest),
        ["alias", "set", of, names @ ..] => parse_all(names).and_then(|names| {
            let store = Store::open(&place.store())?;
            alias::set(&store, &context(), &of.parse()?, &names).map(drop)
        }),
        ["repair", rest @ ..] => mend(place, rest),
        _ => return run(place, command),
    };
    done.map_err(|error| format!("{error:?}"))
}

fn run(place: &Place, command: &[&str]) -> Result<(), String> {
    let ran = place.art(command);
    if ran.code == Some(0) { Ok(()) } else { Err(ran.stderr) }
}

fn make(root: &Path) -> Result<(), Error> {
    init(root, &InitOptions::default(), &Silent).map(drop)
}

fn mend(place: &Place, words: &[&str]) -> Result<(), Error> {
    let from = words.iter().filter(|word| **word != "--from").map(|dir| place.project().join(dir)).collect();
    let store = repair::open(&place.store(), &Silent)?;
    repair(&store, &context(), &RepairOptions { from, ..RepairOptions::default() }).map(drop)
}

fn store(root: &Path, words: &[&str]) -> Result<(), Error> {
    let mut options = PutOptions::new(words[0].parse()?);
    let mut words = words[1..].iter();
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            options.sources.push(word.into());
            continue;
        }
        let value = *words.next().unwrap();
        match *word {
            "--alias" => options.aliases.push(value.parse()?),
            "--tag" => options.tags.push(value.parse()?),
            "-m" => options.description = Some(value.to_owned()),
            "--meta-file" => options.metadata = serde_json::from_slice(&std::fs::read(value).unwrap()).unwrap(),
            "--onto" => options.onto = Some(value.parse()?),
            "--at" => options.at = Some(entry(value)),
            "--remove" => options.remove.push(entry(value)),
            other => panic!("{other} is not known here"),
        }
    }
    let store = Store::open(root)?;
    put(&store, &context(), &options, None).map(drop)
}

fn entry(path: &str) -> EntryPath {
    EntryPath::new(path.as_bytes()).unwrap()
}

fn parse_all<T: std::str::FromStr<Err = Error>>(words: &[&str]) -> Result<Vec<T>, Error> {
    words.iter().map(|word| word.parse()).collect()
}
