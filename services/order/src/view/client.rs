//! Settings → a client of the store, or the name of what is missing.
//!
//! Region and credentials come from the variables that every AWS tool knows. Profiles, roles of a
//! machine and single sign-on are not looked for: the crate that does it (aws-config) doubles what
//! there is to build. A service that runs on AWS adds it here, and nowhere else.

use std::{env, error::Error, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, Config, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::DisplayErrorContext,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use axum::http::Uri;

use super::View;

/// One request with its repetitions: long enough for a store that throttles, and far below the time
/// that a consumer's attempt may take.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
const ATTEMPT_WITHIN: Duration = Duration::from_secs(2);
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// More are the consumer's business, which waits longer between them.
const ATTEMPTS_MAX: u32 = 3;

/// What DynamoDB allows in the name of a table.
const TABLE_CHARS: std::ops::RangeInclusive<usize> = 3..=255;

/// Flags and variables of the view.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ViewSettings {
    /// Where DynamoDB answers, or a store compatible with it, such as
    /// https://dynamodb.eu-central-1.amazonaws.com. With it orders are read from there; without it
    /// from MySQL. Needs AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN
    /// where the credentials are temporary.
    #[arg(long, env = "SHOP_DYNAMODB_ENDPOINT", value_name = "URL")]
    dynamodb_endpoint: Option<String>,
    /// The table of orders; created if it is missing.
    #[arg(long, env = "SHOP_DYNAMODB_TABLE", value_name = "NAME", default_value = "order")]
    dynamodb_table: String,
}

/// What an operator has to repair.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidSettings {
    #[error(
        "--dynamodb-endpoint is `{endpoint}`, which is no URL of the form http://host:port or \
         https://host"
    )]
    Endpoint { endpoint: String },
    #[error(
        "--dynamodb-table is `{table}`, which cannot name a table: 3 to 255 ASCII letters, digits, \
         `.`, `_` and `-` can"
    )]
    Table { table: String },
    #[error(
        "--dynamodb-endpoint is set, but the variable {variable} is not; requests are signed with it \
         (DynamoDB Local takes any value)"
    )]
    Missing { variable: &'static str },
}

impl ViewSettings {
    /// `None`: orders are read from MySQL.
    pub(super) fn open(&self) -> Result<Option<View>, InvalidSettings> {
        self.open_with(|variable| env::var(variable).ok())
    }

    fn open_with(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<View>, InvalidSettings> {
        let Some(endpoint) = &self.dynamodb_endpoint else { return Ok(None) };
        if !is_endpoint(endpoint) {
            return Err(InvalidSettings::Endpoint { endpoint: endpoint.clone() });
        }
        let table = self.dynamodb_table.clone();
        if !is_table_name(&table) {
            return Err(InvalidSettings::Table { table });
        }
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let needed =
            |variable: &'static str| given(variable).ok_or(InvalidSettings::Missing { variable });
        let region = given("AWS_REGION").or_else(|| given("AWS_DEFAULT_REGION"));
        let region = region.ok_or(InvalidSettings::Missing { variable: "AWS_REGION" })?;
        let credentials = Credentials::new(
            needed("AWS_ACCESS_KEY_ID")?,
            needed("AWS_SECRET_ACCESS_KEY")?,
            given("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        // The TLS of everything else here: a second one in the program would have to be chosen from.
        let tls = Provider::Rustls(CryptoMode::Ring);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_WITHIN)
            .operation_attempt_timeout(ATTEMPT_WITHIN)
            .operation_timeout(REQUEST_WITHIN);
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().tls_provider(tls).build_https())
            .endpoint_url(endpoint)
            .region(Region::new(region))
            .credentials_provider(credentials)
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .build();
        Ok(Some(View { client: Client::from_conf(config), table }))
    }
}

fn is_endpoint(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    })
}

fn is_table_name(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    TABLE_CHARS.contains(&text.len()) && text.bytes().all(is_legal)
}

/// The SDK's errors say what has happened only further down.
pub(super) fn in_words(error: &impl Error) -> String {
    DisplayErrorContext(error).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: [&str; 3] = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

    fn settings(endpoint: Option<&str>, table: &str) -> ViewSettings {
        ViewSettings {
            dynamodb_endpoint: endpoint.map(str::to_owned),
            dynamodb_table: table.to_owned(),
        }
    }

    fn all(_: &str) -> Option<String> {
        Some("set".to_owned())
    }

    #[tokio::test]
    async fn view_is_there_only_with_an_endpoint() {
        let without = settings(None, "").open_with(all).unwrap();
        let with = settings(Some("http://127.0.0.1:8000"), "order").open_with(all).unwrap();

        assert!(without.is_none());
        assert_eq!(with.unwrap().table, "order");
    }

    #[test]
    fn every_missing_variable_is_named() {
        let settings = settings(Some("https://dynamodb.eu-central-1.amazonaws.com"), "order");
        for missing in VARIABLES {
            for empty in [None, Some(String::new())] {
                let given = |name: &str| {
                    let is_missing = name == missing
                        || (missing == "AWS_REGION" && name == "AWS_DEFAULT_REGION");
                    if is_missing { empty.clone() } else { all(name) }
                };

                let error = settings.open_with(given).unwrap_err();

                assert_eq!(error, InvalidSettings::Missing { variable: missing });
            }
        }
    }

    #[test]
    fn endpoint_that_is_no_url_and_impossible_table_are_refused_by_name() {
        for endpoint in ["", "localhost:8000", "127.0.0.1", "ftp://host", "http://", "/path"] {
            let error = settings(Some(endpoint), "order").open_with(all).unwrap_err();
            assert!(error.to_string().starts_with("--dynamodb-endpoint is"), "{endpoint}: {error}");
        }
        for table in ["", "or", "an order", "주문-주문"] {
            let error = settings(Some("http://host"), table).open_with(all).unwrap_err();
            assert_eq!(error, InvalidSettings::Table { table: table.to_owned() });
        }
    }
}
