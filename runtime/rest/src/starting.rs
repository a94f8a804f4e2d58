use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use tokio::sync::watch;
use tower::ServiceExt;
use tributary_control::{Health, HealthStatus};

use crate::error::ApiError;

const MESSAGE: &str = "Worker is still starting up.";

/// A router that answers 503 (the worker is starting) until the real one is ready.
pub fn starting(ready: watch::Receiver<Option<Router>>) -> Router {
    Router::new().fallback(answer).with_state(ready)
}

async fn answer(State(ready): State<watch::Receiver<Option<Router>>>, request: Request) -> Response {
    let router = ready.borrow().clone();
    match router {
        Some(router) => router.oneshot(request).await.into_response(),
        None if request.uri().path().trim_end_matches('/') == "/health" => {
            let health = Health { status: HealthStatus::Starting, message: MESSAGE.to_owned() };
            (StatusCode::SERVICE_UNAVAILABLE, Json(health)).into_response()
        }
        None => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, MESSAGE).into_response(),
    }
}
