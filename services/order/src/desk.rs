//! A person's way to a saga.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /v1/sagas/stuck` | those that have missed a deadline and not moved since |
//! | `GET /v1/sagas/{id}` | one |
//! | `POST /v1/sagas/{id}/retry` | asks again for what is in progress; 409 if it has ended |
//! | `POST /v1/sagas/{id}/compensate` | gives the order up; 409 past the pivot |

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use rowpost_outbox::MySqlPool;
use shop::ApiError;

use crate::saga::{
    Deadlines, STEPS, drive,
    store::{self, Saga, Shown},
};

/// As many as a person looks at.
const STUCK_MAX: u32 = 1_000;

#[derive(Debug, Clone)]
struct Desk {
    pool: MySqlPool,
    deadlines: Deadlines,
}

pub(crate) fn router(pool: MySqlPool, deadlines: Deadlines) -> Router {
    Router::new()
        .route("/v1/sagas/stuck", get(stuck))
        .route("/v1/sagas/{id}", get(show))
        .route("/v1/sagas/{id}/retry", post(retry))
        .route("/v1/sagas/{id}/compensate", post(compensate))
        .with_state(Desk { pool, deadlines })
}

async fn stuck(State(desk): State<Desk>) -> Result<Json<Vec<Shown>>, ApiError> {
    Ok(Json(store::stuck(&desk.pool, STUCK_MAX).await?))
}

async fn show(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Shown>, ApiError> {
    store::show(&desk.pool, &id).await?.map(Json).ok_or_else(not_found)
}

async fn retry(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Shown>, ApiError> {
    let mut transaction = desk.pool.begin().await?;
    let saga = store::locked(&mut transaction, &id).await?.ok_or_else(not_found)?;
    if saga.progress.has_ended() {
        return Err(conflict("the saga has ended; there is nothing to retry"));
    }
    drive::retry(&mut transaction, saga, desk.deadlines).await?;
    transaction.commit().await?;
    show(State(desk), Path(id)).await
}

async fn compensate(
    State(desk): State<Desk>,
    Path(id): Path<String>,
) -> Result<Json<Shown>, ApiError> {
    let mut transaction = desk.pool.begin().await?;
    let saga = store::locked(&mut transaction, &id).await?.ok_or_else(not_found)?;
    let Some(progress) = saga.progress.turned_back() else {
        let pivot = STEPS.get(crate::saga::PIVOT).map_or("", |step| step.name);
        let error = format!(
            "the saga has ended, is being compensated already, or is past its pivot `{pivot}`"
        );
        return Err(conflict(error));
    };
    let saga = Saga { progress, ..saga };
    drive::compensate(&mut transaction, saga, "cancelled by hand", desk.deadlines).await?;
    transaction.commit().await?;
    show(State(desk), Path(id)).await
}

fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "data not found")
}

fn conflict(error: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, error)
}
