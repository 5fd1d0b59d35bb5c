//! The payment gateway's answers → what they mean for a payment.
//!
//! Promises: an answer counts as an outcome only if it says for sure what has become of the charge.
//! After anything else (no connection, no answer in time, a fault of the gateway) the charge may have
//! been made, and the same key is to be asked again.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    context::FutureExt as _,
    trace::{SpanKind, TraceContextExt as _},
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;
use shop::{Failure, Message, traces};

/// What the gateway has said about a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Charged {
    Yes,
    /// And never will be.
    No {
        reason: String,
    },
    /// It was given back before.
    Reversed,
    /// The gateway will never take the request as it is; whether there is a charge is unknown.
    Impossible {
        reason: String,
    },
}

/// Nothing is known for sure; the same again, later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unclear {
    #[error("the gateway has not answered: {0}")]
    NoAnswer(#[from] reqwest::Error),
    #[error("the gateway answers {status}")]
    Fault { status: StatusCode },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    reason: String,
    error: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    client: Client,
    charges: Url,
    timeout: Duration,
}

impl Gateway {
    pub(crate) fn new(base: &str, timeout: Duration) -> Result<Self, Failure> {
        let charges =
            Url::parse(base).and_then(|base| base.join("/v1/charges")).map_err(|error| {
                Failure::Service(format!("--gateway is not of the form http://host:port: {error}"))
            })?;
        let client = Client::builder().timeout(timeout).build().map_err(|error| {
            Failure::Service(format!("the HTTP client cannot be set up: {error}"))
        })?;
        Ok(Self { client, charges, timeout })
    }

    /// Longest time that a call takes.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) async fn charge(&self, order: &Message, amount: i64) -> Result<Charged, Unclear> {
        let body = json!({
            "amount": amount,
            "name": order.customer("name"),
            "email": order.customer("email"),
        });
        let request = self
            .client
            .post(self.charges.clone())
            .header("Idempotency-Key", &order.transaction_id)
            .json(&body);
        judge(self.send("/v1/charges", request).await?).await
    }

    /// Gives back what was charged under the key, or makes sure that nothing ever is.
    pub(crate) async fn refund(&self, order: &Message) -> Result<(), Unclear> {
        let url = format!("{}/{}/refund", self.charges, order.transaction_id);
        let response = self.send("/v1/charges/{key}/refund", self.client.post(url)).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(Unclear::Fault { status }),
        }
    }

    /// A POST, with a span of its own that the gateway goes on from.
    async fn send(
        &self,
        template: &'static str,
        request: RequestBuilder,
    ) -> reqwest::Result<Response> {
        let mut attributes = vec![
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("url.template", template),
            KeyValue::new("server.address", self.charges.host_str().unwrap_or_default().to_owned()),
        ];
        let port = self.charges.port_or_known_default().map(i64::from);
        attributes.extend(port.map(|port| KeyValue::new("server.port", port)));
        let span = traces::span(format!("POST {template}"), SpanKind::Client, None, attributes);
        let sending = async {
            match traces::traceparent() {
                Some((name, value)) => request.header(name, value).send().await,
                None => request.send().await,
            }
        };
        let sent = sending.with_context(span.clone()).await;
        match &sent {
            Ok(response) => {
                let status = response.status();
                let code = i64::from(status.as_u16());
                span.span().set_attribute(KeyValue::new("http.response.status_code", code));
                if status.is_client_error() || status.is_server_error() {
                    traces::fail(&span, status.as_str());
                }
            }
            Err(error) if error.is_timeout() => traces::fail(&span, "timeout"),
            Err(_) => traces::fail(&span, "no answer"),
        }
        span.span().end();
        sent
    }
}

async fn judge(response: Response) -> Result<Charged, Unclear> {
    let status = response.status();
    match status {
        StatusCode::OK => return Ok(Charged::Yes),
        StatusCode::CONFLICT => return Ok(Charged::Reversed),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            return Err(Unclear::Fault { status });
        }
        status if !status.is_client_error() => return Err(Unclear::Fault { status }),
        _ => {}
    }
    // What it says is for people; the status has said it all.
    let Answer { reason, error } = response.json().await.unwrap_or_default();
    Ok(match status {
        StatusCode::PAYMENT_REQUIRED => Charged::No { reason },
        _ => Charged::Impossible { reason: format!("the gateway answers {status}: {error}") },
    })
}
