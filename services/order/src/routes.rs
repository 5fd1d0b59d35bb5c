//! `POST` and `GET /v1/order`, as in the reference.

use std::collections::HashMap;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use rowpost_outbox::{Headers, MySqlPool, TraceContext, headers};
use serde_json::{Value, json};
use shop::{ApiError, InvalidField, JsonObject, Style};
use uuid::Uuid;

use crate::{
    orders::{self, Order},
    request,
    saga::{self, Deadlines},
    view::{self, View},
};

/// What is needed to take an order.
#[derive(Debug, Clone)]
pub(crate) struct Taking {
    pub(crate) pool: MySqlPool,
    pub(crate) style: Style,
    pub(crate) deadlines: Deadlines,
    /// Where orders are read, if there is one.
    pub(crate) view: Option<View>,
}

pub(crate) fn router(taking: Taking) -> Router {
    Router::new().route("/v1/order", get(show).post(take)).with_state(taking)
}

/// Order, saga and event: all of them, or none.
async fn take(
    State(Taking { pool, style, deadlines, .. }): State<Taking>,
    request_headers: HeaderMap,
    JsonObject(body): JsonObject,
) -> Result<Json<Value>, ApiError> {
    let message = request::message(body, Uuid::now_v7().to_string())?;
    let mut transaction = pool.begin().await?;
    let item = message.inventory.id;
    if !orders::is_known(&mut transaction, item).await? {
        let unknown = format!("names no item: there is no {item}");
        return Err(InvalidField::new("inventory.id", unknown).into());
    }
    orders::insert(&mut transaction, &message).await?;
    saga::store::insert(&mut transaction, style, &message, deadlines).await?;
    let (topic, first) = saga::first(style, &message);
    // In the client's trace, if it has one.
    let trace = request_headers.get(headers::TRACEPARENT).and_then(|header| header.to_str().ok());
    let mut headers = Headers::of_process(&message.transaction_id);
    if let Some(trace) = trace.and_then(TraceContext::parse) {
        headers = headers.with_trace(trace.child());
    }
    shop::consume::append_with(&mut transaction, topic, &first, &headers).await?;
    view::tell(&mut transaction, &message.transaction_id, &headers).await?;
    transaction.commit().await?;
    let (order, item, quantity) = (&message.transaction_id, item, message.inventory.quantity);
    tracing::info!(order, item, quantity, "order taken");
    Ok(Json(json!({
        "status": message.status,
        "user_id": message.customer("user_id"),
        "transaction_id": message.transaction_id,
    })))
}

async fn show(
    State(taking): State<Taking>,
    Query(mut query): Query<HashMap<String, String>>,
) -> Result<Json<Order>, ApiError> {
    let mut given = |field: &str| {
        query
            .remove(field)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| InvalidField::new(field, "is missing in the query"))
    };
    let (transaction_id, user_id) = (given("transaction_id")?, given("user_id")?);
    let in_view = match &taking.view {
        Some(view) => view.find(&transaction_id, &user_id).await,
        None => None,
    };
    let order = match in_view {
        Some(order) => Some(order),
        None => orders::find(&taking.pool, &transaction_id, &user_id).await?,
    };
    order.map(Json).ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "data not found"))
}
