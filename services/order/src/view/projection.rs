//! Events about orders → items.
//!
//! Promises: an item is written if there is none, or one of a lower version; what is refused for being
//! old is done. Only what says that the event itself is at fault makes a dead letter of it; all else,
//! be it a broken network, throttling or credentials that have expired, is waited for.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata as _, SdkError},
    operation::put_item::PutItemError,
    types::AttributeValue,
};
use rowpost_outbox::{
    CancellationToken, Consumer, ConsumerConfig, Disposition, HandlerError, Projection, Received,
};
use shop::{Failure, Settings};

use super::{
    View, client,
    item::{self, HASH_KEY, VERSION},
    status,
    table::{self, Standing},
};
use crate::orders::Versioned;

/// Behind the prefix: the consumer group, whose offsets say how far the view is.
const GROUP: &str = "order-view";

/// A store that is back should be noticed soon.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// While the table is made, or the store is away at the start.
const TABLE_POLL_INTERVAL: Duration = Duration::from_millis(500);
const TROUBLE_INTERVAL: Duration = Duration::from_secs(2);

/// First the table, then the events, until `stop`.
pub(super) async fn run(
    view: View,
    settings: &Settings,
    stop: CancellationToken,
) -> Result<(), Failure> {
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        made = have_table(&view) => made?,
    }
    let prefix = &settings.topic_prefix;
    let topic = format!("{prefix}{}", status::TOPIC);
    let config = ConsumerConfig {
        backoff_max: BACKOFF_MAX,
        ..ConsumerConfig::new(format!("{prefix}{GROUP}"), [topic])
    };
    Ok(Consumer::projecting(&settings.kafka_client(), config, view)?.run(stop).await?)
}

async fn have_table(view: &View) -> Result<(), Failure> {
    let View { client, table } = view;
    loop {
        let pause = match table::make(client, table).await {
            Ok(Standing::Ready) => return Ok(()),
            Ok(standing) => {
                tracing::info!(table, standing = standing.as_str(), "waiting for the view's table");
                TABLE_POLL_INTERVAL
            }
            Err(error) => match error.disposition() {
                Disposition::Halt => return Err(Failure::Service(error.to_string())),
                Disposition::Retry => {
                    tracing::warn!(table, %error, "the view's store does not answer yet");
                    TROUBLE_INTERVAL
                }
            },
        };
        tokio::time::sleep(pause).await;
    }
}

impl Projection for View {
    async fn project(&self, event: &Received) -> Result<(), HandlerError> {
        let versioned: Versioned = event.json()?;
        let (order, version) = (versioned.order.transaction_id.clone(), versioned.version);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::item(versioned)))
            .condition_expression("attribute_not_exists(#key) or #version < :version")
            .expression_attribute_names("#key", HASH_KEY)
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":version", AttributeValue::N(version.to_string()));
        match put.send().await {
            Ok(_) => {
                tracing::debug!(order, version, "view follows");
                Ok(())
            }
            Err(error) if is_of_older_event(&error) => {
                tracing::debug!(order, version, "view has it already");
                Ok(())
            }
            Err(error) if is_events_fault(&error) => {
                Err(HandlerError::permanent(client::in_words(&error)))
            }
            Err(error) => Err(HandlerError::unavailable(client::in_words(&error))),
        }
    }
}

fn is_of_older_event<R>(error: &SdkError<PutItemError, R>) -> bool {
    error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception)
}

/// An empty key, an item of more than 400 KB. The table's own form was looked at before.
fn is_events_fault<R>(error: &SdkError<PutItemError, R>) -> bool {
    error.code() == Some("ValidationException")
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        error::ErrorMetadata,
        types::error::{ConditionalCheckFailedException, ThrottlingException},
    };

    use super::*;

    fn of_service(error: PutItemError) -> SdkError<PutItemError, ()> {
        SdkError::service_error(error, ())
    }

    fn with_code(code: &str) -> SdkError<PutItemError, ()> {
        of_service(PutItemError::generic(ErrorMetadata::builder().code(code).build()))
    }

    #[test]
    fn only_an_event_that_can_never_be_an_item_is_at_fault() {
        assert!(is_events_fault(&with_code("ValidationException")));
        for code in ["ThrottlingException", "ExpiredTokenException", "AccessDeniedException"] {
            assert!(!is_events_fault(&with_code(code)), "{code}");
        }
        let throttled = ThrottlingException::builder().build();
        let throttled = of_service(PutItemError::ThrottlingException(throttled));
        assert!(!is_events_fault(&throttled) && !is_of_older_event(&throttled));
        let slow: SdkError<PutItemError, ()> = SdkError::timeout_error("slow");
        assert!(!is_events_fault(&slow) && !is_of_older_event(&slow));
    }

    #[test]
    fn refused_condition_is_an_older_event() {
        let refused = ConditionalCheckFailedException::builder().build();
        let refused = of_service(PutItemError::ConditionalCheckFailedException(refused));

        assert!(is_of_older_event(&refused) && !is_events_fault(&refused));
    }
}
