//! The shop's topics: the three of the reference for the choreography, and three for orchestration.

use rowpost_outbox::Event;
use serde::Serialize;

use crate::Message;

/// A topic without the prefix that a shared cluster may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// To the inventory.
    Inventory,
    /// To the payment service.
    Payment,
    /// To the order service.
    Order,
    /// From the orchestrator to the inventory.
    InventoryCommands,
    /// From the orchestrator to the payment service.
    PaymentCommands,
    /// To the orchestrator.
    OrderReplies,
}

/// Who leads a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Each service tells the next what has happened.
    Choreography,
    /// The order service tells each what to do.
    Orchestration,
}

impl Style {
    /// As the databases have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Choreography => "choreography",
            Self::Orchestration => "orchestration",
        }
    }

    /// The way back.
    pub fn of_column(text: &str) -> Result<Self, sqlx::Error> {
        match text {
            "choreography" => Ok(Self::Choreography),
            "orchestration" => Ok(Self::Orchestration),
            other => Err(sqlx::Error::Decode(format!("`{other}` is no style of saga").into())),
        }
    }
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Inventory,
        Self::Payment,
        Self::Order,
        Self::InventoryCommands,
        Self::PaymentCommands,
        Self::OrderReplies,
    ];

    /// The outbox rows' aggregate type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Payment => "payment",
            Self::Order => "order",
            Self::InventoryCommands => "shop.inventory.commands",
            Self::PaymentCommands => "shop.payment.commands",
            Self::OrderReplies => "shop.order.replies",
        }
    }

    /// Of the sagas whose messages it has: none has both events and commands.
    pub fn style(self) -> Style {
        match self {
            Self::Inventory | Self::Payment | Self::Order => Style::Choreography,
            Self::InventoryCommands | Self::PaymentCommands | Self::OrderReplies => {
                Style::Orchestration
            }
        }
    }

    /// Of a record's topic.
    pub fn of(topic: &str, prefix: &str) -> Option<Self> {
        let name = topic.strip_prefix(prefix)?;
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

/// A message on its way out: what the outbox takes.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Outgoing<'m> {
    /// Where to.
    #[serde(skip)]
    pub topic: Topic,
    /// What.
    pub message: &'m Message,
}

impl Event for Outgoing<'_> {
    fn aggregate_type(&self) -> &str {
        self.topic.name()
    }
    fn aggregate_id(&self) -> &str {
        &self.message.transaction_id
    }
    fn event_type(&self) -> &str {
        self.message.status.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_is_known_by_its_name_behind_the_prefix() {
        for topic in Topic::ALL {
            assert_eq!(Topic::of(&format!("eu.{}", topic.name()), "eu."), Some(topic));
        }
        assert_eq!(Topic::of("order", "eu."), None);
        assert_eq!(Topic::of("orders", ""), None);
    }
}
