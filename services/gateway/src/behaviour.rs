//! How the gateway misbehaves. Set over HTTP at run time, by tests and by the page.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ledger::Charge;

/// `PUT /v1/behaviour` replaces all of it: what is not named is at its default, which is to behave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Behaviour {
    /// Amounts above are refused.
    pub(crate) refuse_above: Option<i64>,
    /// Customers whose name contains this are refused.
    pub(crate) refuse_name: Option<String>,
    /// Customers whose address contains this are refused.
    pub(crate) refuse_email: Option<String>,
    /// Before every answer.
    pub(crate) delay_ms: u64,
    /// Every request is answered 503, and nothing is done.
    pub(crate) is_down: bool,
    /// So many requests are answered 503, and nothing is done.
    pub(crate) errors: u32,
    /// So many requests are done, and answered 500.
    pub(crate) lost_answers: u32,
    /// So many requests are done, and never answered.
    pub(crate) timeouts: u32,
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// Not done.
    Refused,
    /// Done.
    AnswerLost,
    /// Done.
    NeverAnswered,
}

impl Behaviour {
    /// The next request's; counts down.
    pub(crate) fn next_fate(&mut self) -> Fate {
        if self.is_down {
            return Fate::Refused;
        }
        for (count, fate) in [
            (&mut self.errors, Fate::Refused),
            (&mut self.lost_answers, Fate::AnswerLost),
            (&mut self.timeouts, Fate::NeverAnswered),
        ] {
            if let Some(less) = count.checked_sub(1) {
                *count = less;
                return fate;
            }
        }
        Fate::Answered
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// Why this charge is refused, if it is.
    pub(crate) fn refusal(&self, charge: &Charge) -> Option<String> {
        let has = |text: &str, part: &Option<String>| {
            part.as_deref().is_some_and(|part| !part.is_empty() && text.contains(part))
        };
        if let Some(limit) = self.refuse_above.filter(|limit| charge.amount > *limit) {
            return Some(format!("the amount {} is above the limit of {limit}", charge.amount));
        }
        if has(&charge.name, &self.refuse_name) {
            return Some("the card of this name is refused".to_owned());
        }
        has(&charge.email, &self.refuse_email)
            .then(|| "the account of this address is refused".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_down_and_then_it_behaves() {
        let mut behaviour =
            Behaviour { errors: 1, lost_answers: 1, timeouts: 1, ..Behaviour::default() };

        let fates: Vec<Fate> = (0..4).map(|_| behaviour.next_fate()).collect();

        assert_eq!(fates, [Fate::Refused, Fate::AnswerLost, Fate::NeverAnswered, Fate::Answered]);
        assert_eq!(behaviour, Behaviour::default());
    }

    #[test]
    fn empty_rule_refuses_nobody() {
        let charge = Charge { amount: 5, name: "Kim".to_owned(), email: "kim@x".to_owned() };
        let refuse = |rule: Behaviour| rule.refusal(&charge).is_some();

        assert!(!refuse(Behaviour { refuse_name: Some(String::new()), ..Behaviour::default() }));
        assert!(!refuse(Behaviour { refuse_above: Some(5), ..Behaviour::default() }));
        assert!(refuse(Behaviour { refuse_above: Some(4), ..Behaviour::default() }));
        assert!(refuse(Behaviour { refuse_email: Some("@x".to_owned()), ..Behaviour::default() }));
    }
}
