//! Errors, with the place at which they were met.

use super::{
    super::{
        EventFault, SourceError,
        error::{Place, TransactionFault},
        event::{EventError, EventType},
        tables::TableError,
    },
    Assembler,
};

impl Assembler {
    pub(super) fn boxed_place(&self) -> Box<Place> {
        Box::new(self.place())
    }

    pub(super) fn fault(&self, fault: TransactionFault) -> SourceError {
        SourceError::Transaction { place: self.boxed_place(), fault }
    }

    pub(super) fn headless(&self, found: EventType) -> SourceError {
        self.fault(TransactionFault::Headless { found })
    }

    pub(super) fn malformed(&self, event_type: EventType, error: EventError) -> SourceError {
        let fault = EventFault::Malformed { event_type, error };
        SourceError::Event { place: self.boxed_place(), fault }
    }

    pub(super) fn table_error(&self, error: TableError) -> SourceError {
        error.at(self.boxed_place())
    }
}
