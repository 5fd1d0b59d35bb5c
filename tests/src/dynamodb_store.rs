//! A real DynamoDB-compatible store for a test.
//!
//! The test speaks to it in plain JSON over HTTP, not through the SDK that the services use: a second
//! pair of eyes. Nothing is signed, so it must be one that does not check, as DynamoDB Local.

use std::{collections::BTreeMap, env, time::Duration};

use anyhow::{Context, Result, bail};
use rowpost_servers::ports;
#[cfg(not(feature = "containers"))]
use rowpost_servers::{dynamodb, process::Lifetime, server::Server};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

#[cfg(not(feature = "containers"))]
use crate::control;
use crate::{control::Control, http};

/// Names a store that is there already; none is started then.
const DYNAMODB_VARIABLE: &str = "ROWPOST_TEST_DYNAMODB";

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/local/dynamodb/aws4_request, \
                             SignedHeaders=host, Signature=0";

/// A store that goes with the test.
#[derive(Debug)]
pub struct DynamodbStore {
    endpoint: String,
    http: reqwest::Client,
    control: Control,
}

/// Attribute → its value as text; numbers too.
pub type Attributes = BTreeMap<String, String>;

impl DynamodbStore {
    /// One store per test process, for tests that do not kill it. Each takes tables of its own.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<DynamodbStore> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// A store of the test's own.
    pub async fn start() -> Result<Self> {
        let http = http::shared_client(Duration::from_secs(30))?;
        if let Ok(endpoint) = env::var(DYNAMODB_VARIABLE) {
            let endpoint = endpoint.trim_end_matches('/').to_owned();
            let control = Control::Address { variable: DYNAMODB_VARIABLE };
            return Ok(Self { endpoint, http, control });
        }
        let port = ports::free()?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let control = start(port).await?;
        Ok(Self { endpoint, http, control })
    }

    /// The URL.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What a service needs to know: where, which table, and who it is.
    pub fn variables(&self, table: &str) -> Vec<(&'static str, String)> {
        vec![
            ("SHOP_DYNAMODB_ENDPOINT", self.endpoint.clone()),
            ("SHOP_DYNAMODB_TABLE", table.to_owned()),
            ("AWS_REGION", "local".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    /// One request, such as `("PutItem", {"TableName": …})`.
    pub async fn ask(&self, operation: &str, request: &Value) -> Result<Value> {
        let answer = self
            .http
            .post(&self.endpoint)
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", AUTHORIZATION)
            .body(request.to_string())
            .send()
            .await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("{operation}: {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{operation} answers {text}"))
    }

    /// `None`: there is no such item.
    pub async fn item(
        &self,
        table: &str,
        transaction_id: &str,
        user_id: &str,
    ) -> Result<Option<Attributes>> {
        let key = json!({ "transaction_id": { "S": transaction_id }, "user_id": { "S": user_id } });
        let request = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        let answer = self.ask("GetItem", &request).await?;
        let Some(item) = answer["Item"].as_object() else { return Ok(None) };
        let text = |value: &Value| {
            let text = value["S"].as_str().or(value["N"].as_str()).unwrap_or("no text, no number");
            text.to_owned()
        };
        Ok(Some(item.iter().map(|(name, value)| (name.clone(), text(value))).collect()))
    }

    /// Overwrites one attribute, behind the service's back.
    pub async fn set(
        &self,
        table: &str,
        transaction_id: &str,
        attribute: &str,
        value: &str,
    ) -> Result<()> {
        let request = json!({
            "TableName": table,
            "Key": { "transaction_id": { "S": transaction_id }, "user_id": { "S": "user" } },
            "UpdateExpression": "set #a = :v",
            "ExpressionAttributeNames": { "#a": attribute },
            "ExpressionAttributeValues": { ":v": { "S": value } },
        });
        self.ask("UpdateItem", &request).await.map(drop)
    }

    pub async fn delete_table(&self, table: &str) -> Result<()> {
        self.ask("DeleteTable", &json!({ "TableName": table })).await.map(drop)
    }

    /// SIGKILL, in the middle of whatever it does.
    pub async fn kill9(&self) -> Result<()> {
        self.control.kill9().await
    }

    /// After `kill9`: with its tables, on its port.
    pub async fn start_again(&self) -> Result<()> {
        self.control.start().await
    }

    /// As a network that swallows every packet, until `resume`.
    pub async fn pause(&self) -> Result<()> {
        self.control.pause().await
    }

    pub async fn resume(&self) -> Result<()> {
        self.control.resume().await
    }
}

#[cfg(not(feature = "containers"))]
async fn start(port: u16) -> Result<Control> {
    let native = control::start_native("dynamodb", move |cache, directory| {
        Server::start(dynamodb::plan(cache, directory, port)?, Lifetime::Tied)
    });
    Ok(Control::Native(native.await?))
}

#[cfg(feature = "containers")]
async fn start(port: u16) -> Result<Control> {
    crate::containers::dynamodb(port).await
}
