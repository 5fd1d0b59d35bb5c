//! What the page needs of the inventory and the gateway, passed on under this service's own origin.
//!
//! Not by letting the browser ask them across origins: then every page in the world that the shop's
//! owner opens could set the gateway's behaviour. Only these three requests are passed on, and nothing
//! of the browser's but the body.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use reqwest::{Client, RequestBuilder, Url};
use shop::{ApiError, Failure, JsonObject};

use super::Page;

/// Neither takes longer when it is well, and a person waits.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A thousand times the five items of the reference.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Where the others are. For the page only; orders do not need it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Elsewhere {
    /// The inventory service, whose stock the page shows.
    #[arg(long, env = "SHOP_INVENTORY_URL", value_name = "URL")]
    inventory_url: Option<Url>,
    /// The payment gateway, whose behaviour the page sets.
    #[arg(long, env = "SHOP_GATEWAY_URL", value_name = "URL")]
    gateway_url: Option<Url>,
}

#[derive(Debug, Clone)]
pub(super) struct Upstream {
    client: Client,
    inventory: Option<Url>,
    behaviour: Option<Url>,
}

impl Upstream {
    pub(super) fn new(elsewhere: &Elsewhere) -> Result<Self, Failure> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                Failure::Service(format!("the HTTP client cannot be set up: {error}"))
            })?;
        let Elsewhere { inventory_url, gateway_url } = elsewhere;
        let inventory = resource(inventory_url.as_ref(), "--inventory-url", "/v1/inventory")?;
        let behaviour = resource(gateway_url.as_ref(), "--gateway-url", "/v1/behaviour")?;
        Ok(Self { client, inventory, behaviour })
    }

    /// The inventory, the gateway.
    pub(super) fn is_configured(&self) -> (bool, bool) {
        (self.inventory.is_some(), self.behaviour.is_some())
    }
}

fn resource(base: Option<&Url>, flag: &str, path: &str) -> Result<Option<Url>, Failure> {
    let Some(base) = base else { return Ok(None) };
    if !matches!(base.scheme(), "http" | "https") {
        let error = format!("{flag} is not of the form http://host:port: it is {base}");
        return Err(Failure::Service(error));
    }
    base.join(path).map(Some).map_err(|error| {
        Failure::Service(format!("{flag} is not of the form http://host:port: {error}"))
    })
}

pub(super) async fn inventory(State(page): State<Page>) -> Result<Response, ApiError> {
    let Upstream { client, inventory, .. } = page.upstream;
    let url = inventory.ok_or_else(|| not_configured("SHOP_INVENTORY_URL"))?;
    pass_on("inventory", client.get(url)).await
}

pub(super) async fn behaviour(State(page): State<Page>) -> Result<Response, ApiError> {
    let Upstream { client, behaviour, .. } = page.upstream;
    let url = behaviour.ok_or_else(|| not_configured("SHOP_GATEWAY_URL"))?;
    pass_on("payment gateway", client.get(url)).await
}

pub(super) async fn behave(
    State(page): State<Page>,
    JsonObject(body): JsonObject,
) -> Result<Response, ApiError> {
    let Upstream { client, behaviour, .. } = page.upstream;
    let url = behaviour.ok_or_else(|| not_configured("SHOP_GATEWAY_URL"))?;
    pass_on("payment gateway", client.put(url).json(&body)).await
}

fn not_configured(variable: &str) -> ApiError {
    let error = format!("not configured: the order service has no {variable}");
    ApiError::new(StatusCode::NOT_FOUND, error)
}

async fn pass_on(name: &str, request: RequestBuilder) -> Result<Response, ApiError> {
    let silent = |error: reqwest::Error| {
        tracing::warn!(error = %error.without_url(), name, "no answer for the page");
        ApiError::new(StatusCode::BAD_GATEWAY, format!("the {name} does not answer"))
    };
    let mut answer = request.send().await.map_err(silent)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(silent)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let error = format!("the {name} answers more than {ANSWER_BYTES_MAX} bytes");
            return Err(ApiError::new(StatusCode::BAD_GATEWAY, error));
        }
        body.extend_from_slice(&chunk);
    }
    // Whatever else was said of it: only JSON comes from here.
    if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
        let error = format!("the {name} does not answer with JSON");
        return Err(ApiError::new(StatusCode::BAD_GATEWAY, error));
    }
    Ok((status, [(CONTENT_TYPE, "application/json")], Bytes::from(body)).into_response())
}
