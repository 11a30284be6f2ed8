//! Stands between the two sides, as a process of its own that can die at a chosen byte: a script for ssh
//! runs this test program again, with what it passes on at file descriptor 3.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Way;

const COMMAND: &str = "ART_TEST_RELAY";
const CUT_UP: &str = "ART_TEST_CUT_UP";
const CUT_DOWN: &str = "ART_TEST_CUT_DOWN";
const RECORD: &str = "ART_TEST_RECORD";

/// Where a relay dies: after so many bytes to the far side, or from it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    Up(u64),
    Down(u64),
}

/// A way through a relay that dies.
pub(super) fn cut(at: Cut) -> Way {
    match at {
        Cut::Up(bytes) => through(&format!("{CUT_UP}={bytes}")),
        Cut::Down(bytes) => through(&format!("{CUT_DOWN}={bytes}")),
    }
}

/// A way through a relay that writes what is said to `up` and `down` in a directory.
pub(super) fn record(dir: &Path) -> Way {
    through(&format!("{RECORD}='{}'", dir.display()))
}

fn through(setting: &str) -> Way {
    let this = std::env::current_exe().unwrap();
    let args = "--exact far::relay::pass --nocapture";
    Way::Pipe(format!("export {COMMAND}=\"$*\" {setting}\nexec 3>&1\nexec '{}' {args} >/dev/null", this.display()))
}

/// The lengths of what was said up to the end of each message, from a recorded stream.
pub(super) fn ends(recorded: &Path) -> Vec<u64> {
    let bytes = std::fs::read(recorded).unwrap();
    assert_eq!(bytes[..12], *b"artstore\x01\0\0\0");
    let (mut at, mut ends) = (12, vec![12]);
    while at < bytes.len() {
        at += 5 + u32::from_le_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
        ends.push(at as u64);
    }
    assert_eq!(at, bytes.len());
    ends
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Copies until the end, or until the cut, where the process dies.
fn pass_on(mut from: impl Read, mut to: impl Write, cut: Option<u64>, record: Option<PathBuf>) {
    let mut record = record.map(|path| File::create(path).unwrap());
    let (mut left, mut bytes) = (cut.unwrap_or(u64::MAX), vec![0; 64 << 10]);
    loop {
        let wanted = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if wanted == 0 {
            std::process::exit(9);
        }
        let count = from.read(&mut bytes[..wanted]).unwrap_or(0);
        left -= count as u64;
        // Before it is passed on: what it brings about may end this process.
        if let Some(record) = &mut record {
            record.write_all(&bytes[..count]).unwrap();
        }
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// The relay; without a command it is none.
#[test]
fn pass() {
    let Some(command) = std::env::var_os(COMMAND) else { return };
    let recorded = |name: &str| std::env::var_os(RECORD).map(|dir| Path::new(&dir).join(name));
    let mut far = Command::new("sh").arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (up, down) = (far.stdin.take().unwrap(), far.stdout.take().unwrap());
    // Not waited for: the near side may have nothing more to say and yet listen.
    let record_up = recorded("up");
    std::thread::spawn(move || pass_on(std::io::stdin(), up, setting(CUT_UP), record_up));
    pass_on(down, File::options().write(true).open("/dev/fd/3").unwrap(), setting(CUT_DOWN), recorded("down"));
    far.wait().unwrap();
    std::process::exit(0);
}
