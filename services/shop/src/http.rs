//! What every service answers alike: errors as JSON, `/healthz`, `/readyz`, and nothing too large.
//!
//! `{"error": "inventory.quantity is missing", "field": "inventory.quantity"}`

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use rowpost_outbox::{AppendError, MySqlPool};
use serde_json::{Map, Value, json};

use crate::{InvalidField, traces};

/// Longest body of a request; an order has some 300 bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// SERVER: MySQL's JSON type takes 100 levels. Far less is enough for an order, and far more than
/// what an event adds.
const JSON_LEVELS_MAX: usize = 32;

/// A database that takes longer is not there.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// An answer that is no success.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    error: String,
    field: Option<String>,
}

impl ApiError {
    /// Any other than those below.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), field: None }
    }
}

impl From<InvalidField> for ApiError {
    fn from(invalid: InvalidField) -> Self {
        let error = invalid.to_string();
        Self { status: StatusCode::BAD_REQUEST, error, field: Some(invalid.field) }
    }
}

impl From<sqlx::Error> for ApiError {
    /// What the database says is for the log, not for the client.
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "the database refuses a request's statement, or is gone");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer; try again")
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Database(error) => error.into(),
            AppendError::Invalid(_)
            | AppendError::PayloadTooLarge { .. }
            | AppendError::NoJson(_) => {
                tracing::error!(%error, "a request's event cannot be appended");
                Self::new(StatusCode::BAD_REQUEST, error.to_string())
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = match self.field {
            Some(field) => json!({ "error": self.error, "field": field }),
            None => json!({ "error": self.error }),
        };
        (self.status, Json(body)).into_response()
    }
}

/// A body that is a JSON object. What the client calls its content type does not matter, as in the
/// reference's sample.
#[derive(Debug)]
pub struct JsonObject(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            let status = rejection.status();
            let error = match status {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    format!("the body is too large; at most {BODY_BYTES_MAX} bytes are allowed")
                }
                _ => rejection.body_text(),
            };
            ApiError::new(status, error)
        })?;
        let invalid = |error: String| ApiError::new(StatusCode::BAD_REQUEST, error);
        let value: Value = serde_json::from_slice(&body)
            .map_err(|error| invalid(format!("the body is not JSON: {error}")))?;
        if levels(&value) > JSON_LEVELS_MAX {
            return Err(invalid(format!("the body has more than {JSON_LEVELS_MAX} levels")));
        }
        let Value::Object(object) = value else {
            return Err(invalid("the body must be a JSON object".to_owned()));
        };
        Ok(Self(object))
    }
}

/// `serde_json` itself stops at 128.
fn levels(value: &Value) -> usize {
    match value {
        Value::Object(object) => 1 + object.values().map(levels).max().unwrap_or(0),
        Value::Array(array) => 1 + array.iter().map(levels).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// A service's routes with what all have. `pool` is what readiness asks; a service without a database
/// is ready as soon as it listens.
pub fn with_defaults(router: Router, pool: Option<MySqlPool>) -> Router {
    with_defaults_and(router, pool, async || Map::new())
}

/// The same, and what else `/readyz` says of a ready service: how that stands which it does without.
pub fn with_defaults_and<F>(
    router: Router,
    pool: Option<MySqlPool>,
    also: impl Fn() -> F + Clone + Send + Sync + 'static,
) -> Router
where
    F: Future<Output = Map<String, Value>> + Send,
{
    let ready = async move || {
        is_ready(pool.clone()).await?;
        let mut said = also().await;
        said.insert("status".to_owned(), "ready".into());
        Ok::<_, ApiError>(Json(said))
    };
    let router = router
        .route("/healthz", get(async || Json(json!({ "status": "ok" }))))
        .route("/readyz", get(ready))
        .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    if traces::is_on() { router.layer(middleware::from_fn(traces::serve)) } else { router }
}

async fn is_ready(pool: Option<MySqlPool>) -> Result<(), ApiError> {
    if let Some(pool) = pool {
        let asked = sqlx::query("select 1").execute(&pool);
        match tokio::time::timeout(READY_WITHIN, asked).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {
                let error = format!("the database has not answered within {READY_WITHIN:?}");
                return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_at_the_deepest_place() {
        assert_eq!(levels(&json!({"a": 1, "b": [[], {"c": [1]}]})), 4);
        assert_eq!(levels(&json!("flat")), 0);
    }
}
