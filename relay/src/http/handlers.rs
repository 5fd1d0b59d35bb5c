//! One function for each path.

use axum::{
    Json,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use prometheus_client::encoding::text::encode;
use serde::{Deserialize, Serialize};

use super::Shown;

/// The body of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    pub ready: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

pub(super) async fn page() -> Response {
    // Everything is in the page itself; nothing from elsewhere may be loaded into it.
    const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                          connect-src 'self'; img-src data:";
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    (headers, include_str!("page.html")).into_response()
}

pub(super) async fn metrics(State(shown): State<Shown>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &shown.registry) {
        Ok(()) => {
            let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, format)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The process runs and its runtime schedules. Whether it gets on is `/readyz`: a relay that waits
/// for its servers must not be restarted for it.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(shown): State<Shown>) -> Response {
    let (code, body) = match shown.status.readiness() {
        Ok(()) => (StatusCode::OK, Readiness { ready: true, reason: None }),
        Err(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, Readiness { ready: false, reason: Some(reason) })
        }
    };
    (code, Json(body)).into_response()
}

pub(super) async fn status(State(shown): State<Shown>) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(shown.status.report())).into_response()
}
