//! The saga of an order: its steps, and what follows from a reply. No database, no clock.
//!
//! Promises:
//! - a refusal compensates the steps before it, the last one first;
//! - past the [`PIVOT`] it only goes forward;
//! - a reply that does not belong to what is in progress (late, doubled, out of order) changes
//!   nothing.
//!
//! Both styles have the same steps and the same progress. In the choreography the services pass the
//! order on among themselves, and this is how the order service follows it; in the orchestration it
//! decides.

pub(crate) mod drive; // progress → messages, in one transaction

pub(crate) mod store; // the table

use std::time::Duration;

use shop::{Message, Status, Style, Topic};

/// What may take how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadlines {
    pub(crate) step: Duration,
    pub(crate) saga: Duration,
}

/// What is asked of a participant, and what undoes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) participant: Topic,
    pub(crate) command: Status,
    pub(crate) done: Status,
    pub(crate) refused: Status,
    pub(crate) compensation: Compensation,
}

/// Never refused: it is asked for until it is done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Compensation {
    pub(crate) command: Status,
    pub(crate) done: Status,
}

pub(crate) const STEPS: [Step; 2] = [
    Step {
        name: "reserve inventory",
        participant: Topic::InventoryCommands,
        command: Status::ReserveInventory,
        done: Status::InventoryReserved,
        refused: Status::InventoryRefused,
        compensation: Compensation {
            command: Status::ReleaseInventory,
            done: Status::InventoryReleased,
        },
    },
    Step {
        name: "charge payment",
        participant: Topic::PaymentCommands,
        command: Status::ChargePayment,
        done: Status::PaymentComplete,
        refused: Status::PaymentRefused,
        compensation: Compensation {
            command: Status::RefundPayment,
            done: Status::PaymentRefunded,
        },
    },
];

/// Charging the payment. Once it is known to be done the order is complete, and nothing turns it back.
/// Until then it is not known, and its compensation makes sure that there is no charge.
pub(crate) const PIVOT: usize = 1;

const _: () = assert!(PIVOT < STEPS.len(), "the pivot is a step");

/// Where a saga stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// This step is in progress.
    Forward(usize),
    /// This step is being compensated.
    Backward(usize),
    /// All steps are done.
    Complete,
    /// Nothing has stayed of it.
    Cancelled,
}

impl Progress {
    pub(crate) const START: Self = Self::Forward(0);

    fn done(step: usize) -> Self {
        if step >= PIVOT { Self::Complete } else { Self::Forward(step + 1) }
    }

    fn undone(step: usize) -> Self {
        step.checked_sub(1).map_or(Self::Cancelled, Self::Backward)
    }

    /// `None`: the reply belongs to nothing that is in progress.
    pub(crate) fn after(self, reply: Status) -> Option<Self> {
        match self {
            Self::Forward(index) => {
                let step = STEPS.get(index)?;
                if reply == step.done {
                    Some(Self::done(index))
                } else if reply == step.refused {
                    Some(Self::undone(index))
                } else {
                    None
                }
            }
            Self::Backward(index) => {
                (reply == STEPS.get(index)?.compensation.done).then(|| Self::undone(index))
            }
            Self::Complete | Self::Cancelled => None,
        }
    }

    /// Gives up: what is in progress may or may not be done, so it is compensated too. `None` if
    /// there is nothing to give up.
    pub(crate) fn turned_back(self) -> Option<Self> {
        match self {
            Self::Forward(index) => Some(Self::Backward(index)),
            Self::Backward(_) | Self::Complete | Self::Cancelled => None,
        }
    }

    pub(crate) fn has_ended(self) -> bool {
        match self {
            Self::Forward(_) | Self::Backward(_) => false,
            Self::Complete | Self::Cancelled => true,
        }
    }

    /// The order's status, once it is known.
    pub(crate) fn order_status(self) -> Option<Status> {
        match self {
            Self::Forward(_) | Self::Backward(_) => None,
            Self::Complete => Some(Status::OrderComplete),
            Self::Cancelled => Some(Status::OrderCancel),
        }
    }

    /// What the orchestrator asks for now.
    fn command(self) -> Option<(Topic, Status)> {
        match self {
            Self::Forward(index) => STEPS.get(index).map(|step| (step.participant, step.command)),
            Self::Backward(index) => {
                STEPS.get(index).map(|step| (step.participant, step.compensation.command))
            }
            Self::Complete | Self::Cancelled => None,
        }
    }

    /// What starts the chain of the choreography again, or turns it back. Whoever has done his part
    /// does not do it again, but tells it again: so the message comes to where the order was lost.
    fn nudge(self) -> Option<(Topic, Status)> {
        match self {
            Self::Forward(_) => Some((Topic::Inventory, Status::OrderCreated)),
            // Payment gives back, and tells the inventory, which tells the order service: in reverse.
            Self::Backward(_) => Some((Topic::Payment, Status::OrderCancel)),
            Self::Complete | Self::Cancelled => None,
        }
    }

    /// What is sent when a saga is to go on: after a step, after a deadline, by hand.
    pub(crate) fn outgoing(self, style: Style, message: &Message) -> Option<(Topic, Message)> {
        let (topic, status) = match style {
            Style::Choreography => self.nudge(),
            Style::Orchestration => self.command(),
        }?;
        Some((topic, message.clone().with_status(status)))
    }
}

/// What begins a saga.
pub(crate) fn first(style: Style, message: &Message) -> (Topic, Message) {
    Progress::START.outgoing(style, message).expect("a saga begins with a step")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(replies: &[Status]) -> Vec<Progress> {
        let mut progress = Progress::START;
        replies
            .iter()
            .filter_map(|reply| {
                progress = progress.after(*reply)?;
                Some(progress)
            })
            .collect()
    }

    #[test]
    fn all_steps_done_is_complete() {
        let path = run(&[Status::InventoryReserved, Status::PaymentComplete]);

        assert_eq!(path, [Progress::Forward(1), Progress::Complete]);
    }

    #[test]
    fn refusal_compensates_the_steps_before_it_and_not_itself() {
        let refused_first = run(&[Status::InventoryRefused]);
        let refused_second =
            run(&[Status::InventoryReserved, Status::PaymentRefused, Status::InventoryReleased]);

        assert_eq!(refused_first, [Progress::Cancelled]);
        assert_eq!(
            refused_second,
            [Progress::Forward(1), Progress::Backward(0), Progress::Cancelled]
        );
    }

    #[test]
    fn saga_that_is_given_up_compensates_in_reverse_order_beginning_with_the_step_in_progress() {
        let mut progress = Progress::Forward(1).turned_back().unwrap();
        let mut commands = Vec::new();
        for reply in [Status::PaymentRefunded, Status::InventoryReleased] {
            commands.push(progress.command().unwrap().1);
            progress = progress.after(reply).unwrap();
        }

        assert_eq!(commands, [Status::RefundPayment, Status::ReleaseInventory]);
        assert_eq!(progress, Progress::Cancelled);
    }

    #[test]
    fn late_doubled_and_foreign_replies_change_nothing() {
        let replies = STEPS
            .iter()
            .flat_map(|step| [step.done, step.refused, step.compensation.done, step.command]);
        for reply in replies {
            for ended in [Progress::Complete, Progress::Cancelled] {
                assert_eq!(ended.after(reply), None, "{reply:?}");
            }
            let moves = [
                Progress::Forward(0),
                Progress::Forward(1),
                Progress::Backward(0),
                Progress::Backward(1),
            ]
            .map(|progress| progress.after(reply).is_some());
            let belongs_to = moves.iter().filter(|moves| **moves).count();
            assert!(belongs_to <= 1, "{reply:?} is taken in {belongs_to} places");
        }
        assert_eq!(Progress::Backward(1).after(Status::PaymentComplete), None);
    }

    #[test]
    fn past_the_pivot_nothing_turns_back() {
        assert_eq!(Progress::Complete.turned_back(), None);
        assert_eq!(Progress::done(PIVOT), Progress::Complete);
    }
}
