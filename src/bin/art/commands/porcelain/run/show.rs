//! `art run show`

use artstore::format::record::Metadata;
use artstore::ops::run::{RunDetails, RunInfo, RunVersionInfo, show};
use artstore::quote::escape;

use crate::commands::porcelain::runs::lasted;
use crate::commands::porcelain::show::git_line;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{size, time};

pub(super) fn run(typed: &str, setup: &Setup) -> Result<Exit> {
    let store = setup.store_to_read()?;
    let details = show(&store, typed, setup.context()?.threads)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&details)?;
    } else {
        for line in lines(&details) {
            out.line(line)?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

fn lines(details: &RunDetails) -> Vec<String> {
    let info = &details.info;
    let mut lines = vec![match &info.name {
        Some(name) => format!("{} ({})", escape(name.as_bytes()), info.id),
        None => info.id.to_string(),
    }];
    let mut field = |name: &str, value: String| lines.push(format!("  {name:<12} {value}"));
    field("state", state(info));
    field("started", time(info.started_at));
    if let Some(at) = info.finished_at {
        field("finished", format!("{} (after {})", time(at), lasted(info).unwrap_or_default()));
    }
    for (what, value) in [("project", &info.project), ("job type", &info.job_type)] {
        value.iter().for_each(|value| field(what, value.to_string()));
    }
    if let Some(argv) = &details.argv {
        field("command", argv.iter().map(|arg| shell_word(arg)).collect::<Vec<_>>().join(" "));
    }
    details.git.iter().for_each(|git| field("git", git_line(git)));
    for (what, value) in [("remote", &details.remote), ("host", &details.host), ("user", &details.user)] {
        value.iter().for_each(|value| field(what, escape(value.as_bytes())));
    }
    info.inputs.iter().for_each(|input| field("used", version(input)));
    for reference in &info.references {
        let role = reference.role.as_ref().map(|role| format!(" as {role}")).unwrap_or_default();
        let length = reference.size_bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
        field("used", format!("{}{role} (not stored{length})", escape(reference.uri.as_bytes())));
    }
    info.outputs.iter().for_each(|output| field("produced", version(output)));
    values(&info.config).for_each(|value| field("config", value));
    values(&info.summary).for_each(|value| field("summary", value));
    lines
}

fn state(info: &RunInfo) -> String {
    let word = info.state.as_str();
    match (info.exit_code, info.signal) {
        (Some(code), _) if code > 0 => format!("{word} (exit code {code})"),
        (_, Some(signal)) => format!("{word} (signal {signal})"),
        _ => word.to_owned(),
    }
}

fn version(version: &RunVersionInfo) -> String {
    let label = version.version.clone().unwrap_or_else(|| format!("@{} (its record is not here)", version.id.short(16)));
    let separator = if version.version.is_some() { ":" } else { "" };
    let role = version.role.as_ref().map(|role| format!(" as {role}")).unwrap_or_default();
    let deleted = if version.deleted { " (deleted)" } else { "" };
    format!("{}{separator}{label}{role}{deleted}", version.artifact)
}

fn values(values: &Metadata) -> impl Iterator<Item = String> {
    values.iter().map(|(key, value)| format!("{}: {}", escape(key.as_bytes()), escape(value.to_string().as_bytes())))
}

/// Shows an argument so that a shell reads it back.
fn shell_word(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let shown = if arg.chars().any(char::is_control) { escape(arg.as_bytes()) } else { arg.to_owned() };
    if !arg.is_empty() && arg.chars().all(plain) { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) }
}
