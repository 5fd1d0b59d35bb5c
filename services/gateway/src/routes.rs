//! The provider's HTTP interface, and the one that sets its behaviour.
//!
//! | request | answers |
//! | --- | --- |
//! | `POST /v1/charges`, header `Idempotency-Key`, `{"amount", "name", "email"}` | 200 charged; 402 refused; 409 refunded or void; 422 the key belongs to another charge |
//! | `POST /v1/charges/{key}/refund` | 200 with what the key has come to |
//! | `GET /v1/charges`, `GET /v1/charges/{key}` | what was charged, how often it was asked for |
//! | `GET`, `PUT /v1/behaviour` | how it misbehaves |

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Map, Value};
use shop::{ApiError, Fields, JsonObject};

use crate::{
    behaviour::{Behaviour, Fate},
    ledger::{self, Charge, Entry, Ledger},
};

const TEXT_CHARS_MAX: usize = 255;

#[derive(Debug, Default)]
struct Provider {
    ledger: Ledger,
    behaviour: Behaviour,
}

type Shared = Arc<Mutex<Provider>>;

pub(crate) fn router() -> Router {
    Router::new()
        .route("/v1/charges", get(list).post(charge))
        .route("/v1/charges/{key}", get(show))
        .route("/v1/charges/{key}/refund", post(refund))
        .route("/v1/behaviour", get(behaviour).put(behave))
        .with_state(Shared::default())
}

async fn charge(
    State(provider): State<Shared>,
    headers: HeaderMap,
    JsonObject(body): JsonObject,
) -> Result<Response, ApiError> {
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
        .filter(|key| (1..=TEXT_CHARS_MAX).contains(&key.len()))
        .ok_or_else(|| {
            let error = "the header Idempotency-Key is missing, or longer than 255 characters";
            ApiError::new(StatusCode::BAD_REQUEST, error)
        })?;
    let charge = charge_of(&body)?;
    misbehave(&provider, |Provider { ledger, behaviour }| {
        match ledger.charge(key, charge, |charge| behaviour.refusal(charge)) {
            Ok(state) => {
                let status = match state {
                    ledger::State::Charged => StatusCode::OK,
                    ledger::State::Refused { .. } => StatusCode::PAYMENT_REQUIRED,
                    ledger::State::Refunded | ledger::State::Void => StatusCode::CONFLICT,
                };
                (status, Json(state)).into_response()
            }
            Err(ledger::OtherCharge) => {
                let error = "the key belongs to a charge of another amount or customer";
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error).into_response()
            }
        }
    })
    .await
}

fn charge_of(body: &Map<String, Value>) -> Result<Charge, ApiError> {
    let amount = Fields::of_body(body).integer("amount", 1..=i64::MAX)?;
    let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Charge { amount, name: text("name"), email: text("email") })
}

async fn refund(
    State(provider): State<Shared>,
    Path(key): Path<String>,
) -> Result<Response, ApiError> {
    misbehave(&provider, |provider| Json(provider.ledger.refund(&key)).into_response()).await
}

/// Does the work, unless or although the answer does not come.
async fn misbehave(
    provider: &Shared,
    work: impl FnOnce(&mut Provider) -> Response,
) -> Result<Response, ApiError> {
    let (fate, delay) = {
        let mut provider = lock(provider);
        (provider.behaviour.next_fate(), provider.behaviour.delay())
    };
    tokio::time::sleep(delay).await;
    if fate == Fate::Refused {
        let error = "the provider is down, and nothing was done";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error));
    }
    let answer = work(&mut lock(provider));
    match fate {
        Fate::Answered | Fate::Refused => Ok(answer),
        Fate::AnswerLost => {
            let error = "something broke, perhaps after the work";
            Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error))
        }
        // Until the client hangs up.
        Fate::NeverAnswered => std::future::pending().await,
    }
}

async fn list(State(provider): State<Shared>) -> Json<BTreeMap<String, Entry>> {
    Json(lock(&provider).ledger.entries().clone())
}

async fn show(
    State(provider): State<Shared>,
    Path(key): Path<String>,
) -> Result<Json<Entry>, ApiError> {
    let entry = lock(&provider).ledger.entries().get(&key).cloned();
    entry.map(Json).ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "no such key"))
}

async fn behaviour(State(provider): State<Shared>) -> Json<Behaviour> {
    Json(lock(&provider).behaviour.clone())
}

async fn behave(
    State(provider): State<Shared>,
    JsonObject(body): JsonObject,
) -> Result<Json<Behaviour>, ApiError> {
    let behaviour: Behaviour = serde_json::from_value(Value::Object(body))
        .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    tracing::info!(?behaviour, "behaves from now on");
    lock(&provider).behaviour = behaviour.clone();
    Ok(Json(behaviour))
}

fn lock(provider: &Shared) -> MutexGuard<'_, Provider> {
    provider.lock().unwrap_or_else(PoisonError::into_inner)
}
