//! A publisher in a process of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, ensure};
use rowpost::config::Delivery;
use rowpost_tests::numbers::Options;

pub(crate) struct Instance {
    child: Child,
    told: Arc<Told>,
    reader: JoinHandle<()>,
}

/// What the process has printed.
#[derive(Default)]
struct Told {
    committed: AtomicU64,
    lives: AtomicU64,
    done: AtomicBool,
}

impl Instance {
    pub(crate) fn start(options: &Options, seed: u64) -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_publish_numbers"))
            .args([&options.bootstrap, &options.source, &options.topic])
            .args([options.pace.end, options.pace.rate].map(|number| number.to_string()))
            .arg(options.pace.chunk_max.to_string())
            .arg(match options.delivery {
                Delivery::ExactlyOnce => "exactly-once",
                Delivery::AtLeastOnce => "at-least-once",
            })
            .arg(seed.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let told = Arc::new(Told::default());
        let reader = {
            let told = Arc::clone(&told);
            thread::spawn(move || output.lines().map_while(Result::ok).for_each(|l| told.hear(&l)))
        };
        Ok(Self { child, told, reader })
    }

    /// The number below which everything is committed, as far as the process said.
    pub(crate) fn committed(&self) -> u64 {
        self.told.committed.load(Ordering::Relaxed)
    }

    /// Fences that this process has won.
    pub(crate) fn lives(&self) -> u64 {
        self.told.lives.load(Ordering::Relaxed)
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.reader.join().expect("the reader does not panic");
        Ok(())
    }

    /// Waits until it has published everything.
    pub(crate) fn finish(mut self) -> Result<()> {
        let status = self.child.wait()?;
        self.reader.join().expect("the reader does not panic");
        ensure!(status.success(), "the publisher ended with {status}");
        ensure!(
            self.told.done.load(Ordering::Relaxed),
            "the publisher did not say that it is done"
        );
        Ok(())
    }
}

impl Told {
    fn hear(&self, line: &str) {
        match line.split_once(' ') {
            Some(("resume", _)) => {
                self.lives.fetch_add(1, Ordering::Relaxed);
            }
            Some(("committed", number)) => {
                let number = number.parse().expect("a number");
                self.committed.fetch_max(number, Ordering::Relaxed);
            }
            _ if line == "done" => self.done.store(true, Ordering::Relaxed),
            _ => {}
        }
    }
}
