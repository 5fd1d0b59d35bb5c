//! Charges by their idempotency keys.
//!
//! Promises: a key is charged at most once, whatever comes how often in what order; asked again, it
//! answers as before; a key that was refunded before it was charged never will be.

use std::collections::BTreeMap;

use serde::Serialize;

/// What is to be paid, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Charge {
    pub(crate) amount: i64,
    pub(crate) name: String,
    pub(crate) email: String,
}

/// What a key has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum State {
    Charged,
    Refused {
        reason: String,
    },
    /// Charged, and given back.
    Refunded,
    /// Given back before it was charged: it cannot be charged any more.
    Void,
}

/// A key's story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// `None` for a key that was only refunded.
    #[serde(flatten)]
    pub(crate) charge: Option<Charge>,
    #[serde(flatten)]
    pub(crate) state: State,
    /// How often money was taken: once, or never. Counted, not derived, so that a test can see it.
    pub(crate) times_charged: u32,
    /// Requests to charge, all of them.
    pub(crate) requests: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger(BTreeMap<String, Entry>);

/// The key belongs to another charge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OtherCharge;

impl Ledger {
    /// `refusal` is asked for a new key only: the first answer stands.
    pub(crate) fn charge(
        &mut self,
        key: &str,
        charge: Charge,
        refusal: impl FnOnce(&Charge) -> Option<String>,
    ) -> Result<State, OtherCharge> {
        let entry = self.0.entry(key.to_owned()).or_insert_with(|| {
            let (state, times_charged) = match refusal(&charge) {
                Some(reason) => (State::Refused { reason }, 0),
                None => (State::Charged, 1),
            };
            Entry { charge: Some(charge.clone()), state, times_charged, requests: 0 }
        });
        entry.requests += 1;
        match &entry.charge {
            Some(first) if *first != charge => Err(OtherCharge),
            Some(_) | None => Ok(entry.state.clone()),
        }
    }

    pub(crate) fn refund(&mut self, key: &str) -> State {
        let entry = self.0.entry(key.to_owned()).or_insert_with(|| Entry {
            charge: None,
            state: State::Void,
            times_charged: 0,
            requests: 0,
        });
        if entry.state == State::Charged {
            entry.state = State::Refunded;
        }
        entry.state.clone()
    }

    pub(crate) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(amount: i64) -> Charge {
        Charge { amount, name: "Kim".to_owned(), email: "kim@x".to_owned() }
    }

    fn never(_: &Charge) -> Option<String> {
        None
    }

    #[test]
    fn same_key_is_charged_once_and_answered_alike() {
        let mut ledger = Ledger::default();

        for _ in 0..3 {
            assert_eq!(ledger.charge("a", charge(5), never), Ok(State::Charged));
        }

        assert_eq!((ledger.0["a"].times_charged, ledger.0["a"].requests), (1, 3));
        assert_eq!(ledger.charge("a", charge(6), never), Err(OtherCharge));
    }

    #[test]
    fn refusal_stands_when_the_rule_has_changed() {
        let mut ledger = Ledger::default();
        let refused = State::Refused { reason: "no".to_owned() };

        let first = ledger.charge("a", charge(5), |_| Some("no".to_owned()));
        assert_eq!(first, Ok(refused.clone()));
        assert_eq!(ledger.charge("a", charge(5), never), Ok(refused.clone()));
        assert_eq!(ledger.refund("a"), refused);
    }

    #[test]
    fn key_that_was_refunded_first_is_never_charged() {
        let mut ledger = Ledger::default();

        assert_eq!(ledger.refund("a"), State::Void);
        assert_eq!(ledger.charge("a", charge(5), never), Ok(State::Void));
        assert_eq!(ledger.0["a"].times_charged, 0);
    }

    #[test]
    fn refund_happens_once() {
        let mut ledger = Ledger::default();
        ledger.charge("a", charge(5), never).unwrap();

        assert_eq!(ledger.refund("a"), State::Refunded);
        assert_eq!(ledger.refund("a"), State::Refunded);
        assert_eq!(ledger.charge("a", charge(5), never), Ok(State::Refunded));
        assert_eq!(ledger.0["a"].times_charged, 1);
    }
}
