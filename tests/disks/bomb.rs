//! A file of which a few bytes say that it is longer than the disk has room: the disk is not filled
//! to find that out.

use std::fs;
use std::path::Path;

use artstore::format::manifest::{ChunkList, ChunkRun, Entry};

use crate::enemy::{Enemy, body, manifest, path};
use crate::support::{has_strace, noise, run};
use crate::{in_own_namespace, mount};

#[test]
fn a_chunk_repeated_beyond_the_disk_is_refused_before_it_is_filled() {
    in_own_namespace("bomb::a_chunk_repeated_beyond_the_disk_is_refused_before_it_is_filled", || {
        if !has_strace() {
            println!("skipped: strace cannot be used here");
            return;
        }
        for count in [1 << 8, 1 << 20, 1 << 40] {
            let enemy = Enemy::new();
            let run_of = ChunkRun { chunk: enemy.chunk(&noise(1, 200_000)), len: 200_000, count };
            let kind = body(ChunkList::Runs(vec![run_of]), 200_000 * count);
            enemy.version(enemy.page(&manifest(vec![Entry { path: path("huge"), kind }])));
            let project = &enemy.project;
            mount(&["-t", "tmpfs", "-o", "size=16m"], Path::new("tmpfs"), &project.path("small"));
            fs::create_dir(project.path("small/there")).unwrap();
            for dest in ["small/new", "small/there"] {
                let log = project.outside().join("strace.log");
                let traced = ["-f", "-qq", "-e", "trace=write,pwrite64,fallocate", "-o", log.to_str().unwrap(), env!("CARGO_BIN_EXE_art")];
                let ran = run(&mut project.program("strace", traced.iter().chain(&["get", "evil", dest])));
                assert!(ran.fails(7).contains("hint: "), "{}", ran.stderr);
                let written: u64 =
                    fs::read_to_string(&log).unwrap().lines().filter_map(|line| line.rsplit("= ").next()?.parse::<u64>().ok()).sum();
                assert!(written < 1 << 20, "{written} bytes were written before {count} chunks were refused");
            }
            let left: Vec<_> =
                fs::read_dir(project.path("small")).unwrap().chain(fs::read_dir(project.path("small/there")).unwrap()).collect();
            assert_eq!(left.len(), 1, "{left:?}");
        }
    });
}
