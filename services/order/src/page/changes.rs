//! "This order has changed, look again": from the consumers, after their commits, to the streams.
//!
//! A hint, no more. One that is lost (a crash, a slow stream, another order service that has the
//! partition) is made up for by the overview's regular look at the tables.

use std::sync::Arc;

use rowpost_outbox::Received;
use tokio::sync::broadcast;

/// A stream that lags so far behind looks at its order anyway.
const HINTS_MAX: usize = 256;

#[derive(Debug, Clone)]
pub(crate) struct Changes {
    hints: broadcast::Sender<Arc<str>>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { hints: broadcast::Sender::new(HINTS_MAX) }
    }
}

impl Changes {
    /// The record key is the order.
    pub(crate) fn tell(&self, event: &Received) {
        if let Some(Ok(order)) = event.key.as_deref().map(str::from_utf8) {
            self.tell_of(order);
        }
    }

    pub(crate) fn tell_of(&self, order: &str) {
        // An error says that nobody listens.
        let _listeners = self.hints.send(Arc::from(order)).unwrap_or(0);
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<str>> {
        self.hints.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_hears_which_order_an_event_is_of() {
        let changes = Changes::default();
        let mut event = Received::at("order", 0, 0);
        event.key = Some(b"a-1".to_vec());
        changes.tell(&event);
        let mut hints = changes.listen();

        changes.tell(&event);

        assert_eq!(&*hints.try_recv().unwrap(), "a-1");
        assert!(hints.try_recv().is_err(), "what was told before it listened is not for it");
    }
}
