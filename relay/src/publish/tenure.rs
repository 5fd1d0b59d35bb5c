//! Whether this process may fence again, or another relay has taken over.
//!
//! The broker reports a transaction that was open for too long (a stopped machine) exactly like another
//! relay's take-over, and to a relay that lost its connection it reports nothing. The checkpoint knows:
//! every relay stores one under its own name before it publishes, so the newest names whoever took over
//! last.
//!
//! Promises:
//! - a relay that another one has replaced does not fence it;
//! - of relays that replace each other one stays: the one that stored a checkpoint last is not replaced
//!   by those that began before it.
//!
//! Not promised: that always the newest stays. One that needs longer than [`PATIENCE`] from its fence to
//! its first checkpoint is fenced by the one before, and then ends itself.

use std::{thread, time::Duration};

use super::PublishError;
use crate::checkpoint::{Checkpoint, CheckpointError, Role, Writer};

/// How long a fenced relay waits for a sign of the one that fenced it. With transactions open the
/// other one needs about a second: the broker aborts them first.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Kept by whoever starts publishers again after errors.
#[derive(Debug, Clone)]
pub struct Tenure {
    writer: Writer,
    /// Sequence of the checkpoint that was the newest when this process had first fenced the others;
    /// 0 where there was none.
    began_after: Option<u64>,
    fenced: bool,
}

impl Tenure {
    pub fn new(writer: Writer) -> Self {
        Self { writer, began_after: None, fenced: false }
    }

    /// The publisher of this tenure ended with [`PublishError::Fenced`].
    pub fn fenced(&mut self) {
        self.fenced = true;
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Returns when this process may fence; an error when another one has taken over. `newest` reads
    /// the newest checkpoint.
    pub(super) fn wait(
        &mut self,
        source_name: &str,
        newest: impl Fn() -> Result<Option<Checkpoint>, CheckpointError>,
    ) -> Result<(), PublishError> {
        if self.began_after.is_none() {
            return Ok(());
        }
        let patience = if self.fenced { PATIENCE } else { Duration::ZERO };
        let mut waited = Duration::ZERO;
        loop {
            self.check(source_name, newest()?.as_ref())?;
            if waited >= patience {
                self.fenced = false;
                return Ok(());
            }
            thread::sleep(LOOK);
            waited += LOOK;
        }
    }

    /// This process has fenced the others, and then found `newest`.
    pub(super) fn begin(&mut self, newest: Option<&Checkpoint>) {
        self.began_after.get_or_insert(newest.map_or(0, |newest| newest.sequence));
    }

    /// An error when `newest` was written by another one since this process began.
    pub(super) fn check(
        &self,
        source_name: &str,
        newest: Option<&Checkpoint>,
    ) -> Result<(), PublishError> {
        let (Some(began_after), Some(newest)) = (self.began_after, newest) else { return Ok(()) };
        if newest.sequence <= began_after || newest.writer.instance == self.writer.instance {
            return Ok(());
        }
        let source_name = source_name.to_owned();
        let (writer, committed_at) = (Box::new(newest.writer.clone()), newest.committed_at);
        Err(match writer.role {
            Role::Relay | Role::Unknown => {
                PublishError::AnotherRelay { source_name, writer, committed_at }
            }
            Role::PositionSet => PublishError::PositionSet { source_name, writer, committed_at },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::batch::tests::position, *};

    fn checkpoint(sequence: u64, writer: &Writer) -> Checkpoint {
        Checkpoint::new(sequence, position(), writer.clone())
    }

    fn begun(newest: Option<&Checkpoint>) -> Tenure {
        let mut tenure = Tenure::new(Writer::here());
        tenure.begin(newest);
        tenure
    }

    fn passes(tenure: &Tenure, newest: Option<&Checkpoint>) -> bool {
        tenure.check("shop", newest).is_ok()
    }

    #[test]
    fn process_that_has_not_fenced_yet_may_replace_anybody() {
        let tenure = Tenure::new(Writer::here());

        assert!(passes(&tenure, Some(&checkpoint(7, &Writer::here()))));
    }

    #[test]
    fn checkpoint_of_another_one_since_then_is_a_take_over() {
        let predecessor = checkpoint(7, &Writer::here());
        let tenure = begun(Some(&predecessor));
        let successor = checkpoint(8, &Writer::here());

        let error = tenure.check("shop", Some(&successor)).unwrap_err().to_string();

        for part in ["`shop`", &successor.writer.host, &format!("process {}", successor.writer.pid)]
        {
            assert!(error.contains(part), "`{part}` is missing in: {error}");
        }
    }

    #[test]
    fn position_that_was_set_is_told_from_another_relay() {
        let tenure = begun(Some(&checkpoint(7, &Writer::here())));
        let setter = Writer::new(Role::PositionSet);

        let error = tenure.check("shop", Some(&checkpoint(8, &setter))).unwrap_err().to_string();

        for part in ["`shop`", "was set by `rowpost position set`", "start it again"] {
            assert!(error.contains(part), "`{part}` is missing in: {error}");
        }
    }

    #[test]
    fn own_checkpoints_and_those_before_are_not() {
        let predecessor = checkpoint(7, &Writer::here());
        let tenure = begun(Some(&predecessor));

        assert!(passes(&tenure, Some(&predecessor)));
        assert!(passes(&tenure, Some(&checkpoint(8, tenure.writer()))));
        assert!(passes(&tenure, None));
    }

    #[test]
    fn first_checkpoint_of_all_counts_too() {
        let tenure = begun(None);

        assert!(!passes(&tenure, Some(&checkpoint(1, &Writer::here()))));
        assert!(passes(&tenure, Some(&checkpoint(1, tenure.writer()))));
    }

    #[test]
    fn begins_once() {
        let mut tenure = begun(Some(&checkpoint(7, &Writer::here())));
        let successor = checkpoint(9, &Writer::here());

        tenure.begin(Some(&successor));

        assert!(!passes(&tenure, Some(&successor)));
    }
}
