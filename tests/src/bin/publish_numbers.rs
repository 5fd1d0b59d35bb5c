//! Publishes the numbers until all are out, in a process of its own that a test can kill.
//!
//! Arguments: bootstrap, source, topic, end, rate, chunk_max, `exactly-once|at-least-once`, seed.
//! Prints `resume N`, `committed N`, `fenced`, `done`.

#![expect(clippy::print_stdout, reason = "the test reads what this prints")]

use std::{env, process, thread, time::Duration};

use anyhow::{Context, Result, bail};
use rowpost::{config::Delivery, error::Disposition, publish::PublishError};
use rowpost_tests::{
    Random,
    numbers::{self, Options, Pace},
};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut argument = |name: &str| arguments.next().with_context(|| format!("no {name}"));
    let (bootstrap, source, topic) =
        (argument("bootstrap")?, argument("source")?, argument("topic")?);
    let pace = Pace {
        end: argument("end")?.parse()?,
        rate: argument("rate")?.parse()?,
        chunk_max: argument("chunk_max")?.parse()?,
    };
    let delivery = match argument("delivery")?.as_str() {
        "exactly-once" => Delivery::ExactlyOnce,
        "at-least-once" => Delivery::AtLeastOnce,
        other => bail!("no such delivery: {other}"),
    };
    let mut random = Random::new(argument("seed")?.parse()?);
    let options = Options { delivery, ..Options::new(&bootstrap, &source, &topic, pace) };

    loop {
        let told = |committed: &rowpost::publish::Committed| {
            println!("committed {}", committed.position.coordinates.position);
        };
        let resumed = |number| println!("resume {number}");
        match numbers::publish(&options, random.fork(), resumed, told) {
            Ok(()) => break,
            // Competing instances fence each other on and on; the test wants them to.
            Err(PublishError::Fenced { .. }) => println!("fenced"),
            Err(error) => {
                eprintln!("{}: {error}", process::id());
                if error.disposition() == Disposition::Halt {
                    bail!("halt");
                }
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
    println!("done");
    Ok(())
}
