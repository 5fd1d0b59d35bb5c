//! The table: there, with the key that the view needs, or made.
//!
//! Several order services may start at once: one makes it, the others find it.

use std::error::Error;

use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        create_table::CreateTableError,
        describe_table::{DescribeTableError, DescribeTableOutput},
    },
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        TableDescription, TableStatus,
    },
};
use rowpost_outbox::Disposition;

use super::{
    client,
    item::{HASH_KEY, RANGE_KEY},
};

/// How a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Missing,
    Making,
    Deleting,
    Ready,
}

impl Standing {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Making => "being made",
            Self::Deleting => "being deleted",
            Self::Ready => "ready",
        }
    }
}

/// Why the table cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    /// It may come back.
    #[error("DynamoDB does not answer at --dynamodb-endpoint: {words}")]
    Away { words: String },
    /// It answers, and will answer the same again.
    #[error(
        "DynamoDB at --dynamodb-endpoint refuses to {doing} the table `{table}`; look at \
         AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they allow: {words}"
    )]
    Refused { doing: &'static str, table: String, words: String },
    /// Somebody else's table.
    #[error(
        "the DynamoDB table `{table}` has the key {actual}, and the view of orders needs \
         {HASH_KEY} (S, HASH), {RANGE_KEY} (S, RANGE): choose another with --dynamodb-table, or delete it"
    )]
    WrongKey { table: String, actual: String },
}

impl TableError {
    pub(super) fn disposition(&self) -> Disposition {
        match self {
            Self::Away { .. } => Disposition::Retry,
            Self::Refused { .. } | Self::WrongKey { .. } => Disposition::Halt,
        }
    }
}

/// Begins to make it where it is missing.
pub(super) async fn make(client: &Client, table: &str) -> Result<Standing, TableError> {
    let standing = look(client, table).await?;
    if standing != Standing::Missing {
        return Ok(standing);
    }
    let mut request = client
        .create_table()
        .table_name(table)
        // Nobody has to guess how much is read and written.
        .billing_mode(BillingMode::PayPerRequest);
    for (name, key_type) in [(HASH_KEY, KeyType::Hash), (RANGE_KEY, KeyType::Range)] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S);
        let element = KeySchemaElement::builder().attribute_name(name).key_type(key_type);
        request = request
            .attribute_definitions(attribute.build().expect("name and type are set"))
            .key_schema(element.build().expect("name and type are set"));
    }
    match request.send().await {
        Ok(_) => {
            tracing::info!(table, "view's table made");
            Ok(Standing::Making)
        }
        Err(error) if is_made_by_another(&error) => Ok(Standing::Making),
        Err(error) => Err(judged("create", table, &error)),
    }
}

/// How it stands, and that its key is the right one.
pub(super) async fn look(client: &Client, table: &str) -> Result<Standing, TableError> {
    match client.describe_table().table_name(table).send().await {
        Ok(DescribeTableOutput { table: Some(description), .. }) => standing(table, &description),
        Ok(_) => Err(TableError::Away { words: "an answer without a description".to_owned() }),
        Err(error) if is_missing(&error) => Ok(Standing::Missing),
        Err(error) => Err(judged("describe", table, &error)),
    }
}

fn standing(table: &str, description: &TableDescription) -> Result<Standing, TableError> {
    let actual = key_in_words(description);
    if actual != format!("{HASH_KEY} (S, HASH), {RANGE_KEY} (S, RANGE)") {
        return Err(TableError::WrongKey { table: table.to_owned(), actual });
    }
    Ok(match description.table_status() {
        Some(TableStatus::Creating) => Standing::Making,
        Some(TableStatus::Deleting) => Standing::Deleting,
        // Of the others none keeps items from being written and read for long.
        _ => Standing::Ready,
    })
}

fn key_in_words(description: &TableDescription) -> String {
    let type_of = |name: &str| {
        let mut attributes = description.attribute_definitions().iter();
        attributes
            .find(|attribute| attribute.attribute_name() == name)
            .map_or("?", |attribute| attribute.attribute_type().as_str())
    };
    let parts = description.key_schema().iter().map(|element| {
        let name = element.attribute_name();
        format!("{name} ({}, {})", type_of(name), element.key_type().as_str())
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn is_missing<R>(error: &SdkError<DescribeTableError, R>) -> bool {
    error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception)
}

fn is_made_by_another<R>(error: &SdkError<CreateTableError, R>) -> bool {
    error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception)
}

/// Network, time and the store's own trouble pass; what it answers about the request does not.
fn judged<E>(doing: &'static str, table: &str, error: &SdkError<E, HttpResponse>) -> TableError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let words = client::in_words(error);
    let status = error.raw_response().map(|response| response.status());
    if status.is_some_and(|status| status.is_client_error()) && !is_throttling(error.code()) {
        return TableError::Refused { doing, table: table.to_owned(), words };
    }
    TableError::Away { words }
}

fn is_throttling(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "ThrottlingException"
                | "LimitExceededException"
                | "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
        )
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{config::http::HttpResponse, error::ErrorMetadata};

    use super::*;

    fn answered(status: u16, code: &str) -> Disposition {
        let metadata = ErrorMetadata::builder().code(code).build();
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        let error = SdkError::service_error(DescribeTableError::generic(metadata), response);
        judged("describe", "order", &error).disposition()
    }

    #[test]
    fn refusals_stop_the_service_and_trouble_is_waited_for() {
        for code in ["AccessDeniedException", "UnrecognizedClientException", "NotDynamodb"] {
            assert_eq!(answered(400, code), Disposition::Halt, "{code}");
        }
        assert_eq!(answered(400, "ThrottlingException"), Disposition::Retry);
        assert_eq!(answered(503, "ServiceUnavailable"), Disposition::Retry);
        let slow = SdkError::<DescribeTableError, HttpResponse>::timeout_error("slow");
        assert_eq!(judged("describe", "order", &slow).disposition(), Disposition::Retry);
    }

    #[test]
    fn table_with_another_key_is_refused_in_words() {
        let attribute = AttributeDefinition::builder()
            .attribute_name(HASH_KEY)
            .attribute_type(ScalarAttributeType::N);
        let element = KeySchemaElement::builder().attribute_name(HASH_KEY).key_type(KeyType::Hash);
        let other = TableDescription::builder()
            .attribute_definitions(attribute.build().unwrap())
            .key_schema(element.build().unwrap())
            .build();

        let error = standing("order", &other).unwrap_err();

        assert_eq!(error.disposition(), Disposition::Halt);
        let error = error.to_string();
        assert!(error.contains("`order` has the key transaction_id (N, HASH), and"), "{error}");
    }
}
