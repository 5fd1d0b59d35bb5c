//! `GET /v1/inventory` and `GET /v1/inventory_history`: arrays of rows.

use axum::{Json, Router, extract::State, routing::get};
use rowpost_outbox::MySqlPool;
use serde::Serialize;
use shop::ApiError;

#[derive(Debug, Serialize, sqlx::FromRow)]
struct Item {
    id: i32,
    name: String,
    price: i32,
    quantity: i32,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
struct Movement {
    id: i32,
    transaction_id: String,
    inventory_id: i32,
    quantity: i32,
}

pub(crate) fn router(pool: MySqlPool) -> Router {
    Router::new()
        .route("/v1/inventory", get(inventory))
        .route("/v1/inventory_history", get(history))
        .with_state(pool)
}

async fn inventory(State(pool): State<MySqlPool>) -> Result<Json<Vec<Item>>, ApiError> {
    let query = sqlx::query_as("select id, name, price, quantity from inventory order by id");
    Ok(Json(query.fetch_all(&pool).await?))
}

async fn history(State(pool): State<MySqlPool>) -> Result<Json<Vec<Movement>>, ApiError> {
    let query = sqlx::query_as(
        "select id, transaction_id, inventory_id, quantity from inventory_history order by id",
    );
    Ok(Json(query.fetch_all(&pool).await?))
}
