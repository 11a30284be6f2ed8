//! `docs/cli.md` and the help name the same commands and options.

use std::collections::{BTreeMap, BTreeSet};

use crate::env::Env;

/// The sections of the page by their command, whose headings are ``## `art NAME` ``.
fn sections() -> BTreeMap<String, String> {
    let page = include_str!("../../docs/cli.md");
    let parts = page.split("\n## ").skip(1).filter_map(|part| part.strip_prefix("`art ")?.split_once('`'));
    parts.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// The commands that `art help` names: those it lists, and plumbing in a sentence below.
fn commands(env: &Env) -> BTreeSet<String> {
    let help = env.art(["help"]).done();
    let listed = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    let listed = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    let plumbing = help.split("Plumbing, for scripts:").nth(1).unwrap().split('.').next().unwrap().split(',').map(str::trim);
    listed.chain(plumbing).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.split("Commands:\n").nth(1).into_iter().flat_map(str::lines).take_while(|line| !line.is_empty());
    let words = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    words.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The options that a help text lists.
fn options_of_help(help: &str) -> BTreeSet<String> {
    let own = help.split("Global options:").next().unwrap();
    let lines = own.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split("  ").next().unwrap().split(", "));
    words
        .filter_map(|word| word.split([' ', '=', '[']).next())
        .filter(|word| !matches!(*word, "-h" | "--help" | "-V" | "--version"))
        .map(str::to_owned)
        .collect()
}

/// The options that a section lists, a line beginning with ``- `-`` for each.
fn options_of_section(section: &str) -> BTreeSet<String> {
    let lines = section.lines().filter(|line| line.starts_with("- `-")).map(|line| line.split(':').next().unwrap());
    let quoted = lines.flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter_map(|word| word.split([' ', '=']).next()).map(str::to_owned).collect()
}

#[test]
fn every_command_has_a_heading_and_every_heading_a_command() {
    let env = Env::bare();
    assert_eq!(sections().into_keys().collect::<BTreeSet<_>>(), commands(&env));
}

#[test]
fn every_option_is_documented_and_every_documented_option_is_there() {
    let env = Env::bare();
    for (command, section) in sections() {
        let help = env.art(["help", &command]).done();
        let mut options = options_of_help(&help);
        for sub in subcommands(&help) {
            options.extend(options_of_help(&env.art(["help", &command, &sub]).done()));
        }
        assert_eq!(options_of_section(&section), options, "art {command}");
    }
}

#[test]
fn global_options_are_documented() {
    let env = Env::bare();
    let help = env.art(["--help"]).done();
    let global = help.split("Global options:").nth(1).unwrap();
    let page = include_str!("../../docs/cli.md");
    let section = page.split("## For all commands").nth(1).unwrap().split("\n## ").next().unwrap();
    for option in options_of_help(global) {
        assert!(section.contains(&format!("`{option}")), "{option}");
    }
}

#[test]
fn examples_in_the_help_name_commands_that_are_there() {
    let env = Env::bare();
    let all = commands(&env);
    for command in &all {
        let help = env.art(["help", command]).done();
        let (_, examples) = help.split_once("Example").unwrap_or_else(|| panic!("art help {command} has no example"));
        assert!(examples.contains(&format!("art {command}")), "art help {command}");
    }
}
