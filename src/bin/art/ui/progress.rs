//! Progress on the terminal: one line, drawn by a thread of its own once the work has lasted a
//! moment. Those who work only count.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use artstore::progress::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{say, show};

/// Work shorter than this is not worth a line.
const PATIENCE: Duration = Duration::from_millis(500);
const REDRAW: Duration = Duration::from_millis(100);

/// Counts what is done and tells of it. Counts go on from phase to phase.
pub(super) struct Meter {
    json: bool,
    draws: bool,
    counts: Arc<Counts>,
    drawing: Mutex<Option<Drawing>>,
}

#[derive(Default)]
struct Counts {
    phase: Mutex<&'static str>,
    files: AtomicU64,
    files_expected: AtomicU64,
    bytes: AtomicU64,
    bytes_expected: AtomicU64,
    all_expected: AtomicBool,
}

/// The thread that draws; it ends when the sender is dropped.
struct Drawing {
    stop: Sender<()>,
    thread: JoinHandle<()>,
    bar: ProgressBar,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("json", &self.json).field("draws", &self.draws).finish_non_exhaustive()
    }
}

impl Meter {
    pub(super) fn new(json: bool, draws: bool) -> Meter {
        Meter { json, draws, counts: Arc::default(), drawing: Mutex::new(None) }
    }

    pub(super) fn end(&self) {
        let drawing = self.drawing().take();
        if let Some(Drawing { stop, thread, bar }) = drawing {
            drop(stop);
            let _ = thread.join();
            bar.finish_and_clear();
        }
    }

    fn begin(&self) {
        let mut drawing = self.drawing();
        if self.draws && drawing.is_none() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(20));
            bar.set_style(ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            let (stop, stopped) = channel();
            let (counts, line) = (Arc::clone(&self.counts), bar.clone());
            let thread = std::thread::spawn(move || {
                let (mut rate, mut wait) = (Rate::new(), PATIENCE);
                while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                    line.set_message(counts.line(&mut rate));
                    line.tick();
                    wait = REDRAW;
                }
            });
            *drawing = Some(Drawing { stop, thread, bar });
        }
    }

    fn drawing(&self) -> MutexGuard<'_, Option<Drawing>> {
        self.drawing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, text: &str) {
        match &*self.drawing() {
            Some(drawing) => drawing.bar.suspend(|| say(text)),
            None => say(text),
        }
    }
}

impl Progress for Meter {
    fn phase(&self, name: &'static str) {
        *self.counts.phase.lock().unwrap_or_else(PoisonError::into_inner) = name;
        self.begin();
    }

    fn expect(&self, files: u64, bytes: u64) {
        self.counts.files_expected.fetch_add(files, Relaxed);
        self.counts.bytes_expected.fetch_add(bytes, Relaxed);
    }

    fn all_expected(&self) {
        self.counts.all_expected.store(true, Relaxed);
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.counts.files.fetch_add(files, Relaxed);
        self.counts.bytes.fetch_add(bytes, Relaxed);
    }

    fn warn(&self, message: &str) {
        if self.json {
            self.line(&serde_json::json!({ "warning": message }).to_string());
        } else {
            self.line(&format!("warning: {message}"));
        }
    }

    fn waiting(&self, lock: &str) {
        if self.json {
            self.line(&serde_json::json!({ "waiting": lock }).to_string());
        } else {
            self.line(&format!("waiting for another process to release {}", artstore::quote::quote(lock.as_bytes())));
        }
    }
}

impl Counts {
    fn line(&self, rate: &mut Rate) -> String {
        let phase = *self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, files) = (self.bytes.load(Relaxed), self.files.load(Relaxed));
        let (of_bytes, of_files) = (self.bytes_expected.load(Relaxed), self.files_expected.load(Relaxed));
        let all = self.all_expected.load(Relaxed);
        let more = if all { "" } else { "+" };
        let mut parts = vec![phase.to_owned()];
        if of_bytes > 0 {
            parts.push(format!("{} of {}{more}", show::size(bytes), show::size(of_bytes)));
        } else if bytes > 0 {
            parts.push(show::size(bytes));
        }
        if of_files > 0 {
            parts.push(format!("{} of {}{more} files", show::count(files), show::count(of_files)));
        } else if files > 0 {
            parts.push(format!("{} files", show::count(files)));
        }
        let per_second = rate.update(bytes);
        if per_second >= 1.0 && (bytes < of_bytes || of_bytes == 0) {
            parts.push(format!("{}/s", show::size(per_second as u64)));
            if all {
                parts.push(format!("{} left", show::duration((of_bytes - bytes.min(of_bytes)) as f64 / per_second)));
            }
        }
        parts.join("  ")
    }
}

/// Bytes per second, smoothed over a few seconds.
struct Rate {
    at: Instant,
    bytes: u64,
    per_second: Option<f64>,
}

impl Rate {
    fn new() -> Rate {
        Rate { at: Instant::now(), bytes: 0, per_second: None }
    }

    fn update(&mut self, bytes: u64) -> f64 {
        let seconds = self.at.elapsed().as_secs_f64().max(1e-3);
        let now = bytes.saturating_sub(self.bytes) as f64 / seconds;
        let weight = (seconds / 3.0).min(1.0);
        let smooth = self.per_second.map_or(now, |before| before + (now - before) * weight);
        *self = Rate { at: Instant::now(), bytes, per_second: Some(smooth) };
        smooth
    }
}
