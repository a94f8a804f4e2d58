use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tributary_control::Stage;

use crate::error::ApiError;
use crate::router::Worker;

/// How long a request may take; Connect's, which nothing sets otherwise.
pub(crate) const REQUEST_DEADLINE: Duration = Duration::from_secs(90);
/// How long the worker may take to say how it is.
pub(crate) const HEALTH_DEADLINE: Duration = Duration::from_secs(10);

/// Answers 500 for a request that takes too long, with what the worker is at.
pub(crate) async fn enforce(State(worker): State<Worker>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::internal(timed_out(worker.herder.stage())).into_response(),
    }
}

fn timed_out(stage: Option<Stage>) -> String {
    let Some(Stage { description, began, completed }) = stage else { return "Request timed out".to_owned() };
    match completed {
        None => format!("Request timed out. The worker is currently {description}, which began at {began}."),
        Some(completed) => format!(
            "Request timed out. The last operation the worker completed was {description}, which began at {began} and \
             completed at {completed}."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_told() {
        let stage = |completed: Option<&str>| Stage {
            description: "reading to the end of the config topic".to_owned(),
            began: "2026-01-02T03:04:05Z".to_owned(),
            completed: completed.map(str::to_owned),
        };
        assert_eq!(
            timed_out(Some(stage(None))),
            "Request timed out. The worker is currently reading to the end of the config topic, which began at \
             2026-01-02T03:04:05Z."
        );
        assert_eq!(
            timed_out(Some(stage(Some("2026-01-02T03:04:06Z")))),
            "Request timed out. The last operation the worker completed was reading to the end of the config topic, \
             which began at 2026-01-02T03:04:05Z and completed at 2026-01-02T03:04:06Z."
        );
        assert_eq!(timed_out(None), "Request timed out");
    }
}
