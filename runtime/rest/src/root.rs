use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tributary_control::{Health, HealthStatus, WorkerInfo};

use crate::deadline::HEALTH_DEADLINE;
use crate::router::Worker;

/// `GET /`
pub(crate) async fn worker_info(State(worker): State<Worker>) -> Json<WorkerInfo> {
    Json(worker.herder.worker_info())
}

/// `GET /health`: a worker that does not answer the health check within 10 s is unhealthy.
pub(crate) async fn health(State(worker): State<Worker>) -> Response {
    let answer = tokio::time::timeout(HEALTH_DEADLINE, worker.herder.health()).await;
    let health = answer.unwrap_or_else(|_| Health {
        status: HealthStatus::Unhealthy,
        message: "Worker was unable to handle this request and may be unable to handle other requests.".to_owned(),
    });
    let status = match health.status {
        HealthStatus::Healthy => StatusCode::OK,
        HealthStatus::Starting => StatusCode::SERVICE_UNAVAILABLE,
        HealthStatus::Unhealthy => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, Json(health)).into_response()
}

/// `GET /metrics`, for Prometheus; not part of Connect's API.
pub(crate) async fn metrics(State(worker): State<Worker>) -> Response {
    match &worker.metrics {
        Some(text) => ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], text()).into_response(),
        None => crate::router::not_found().await,
    }
}
