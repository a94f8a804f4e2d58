use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tributary_control::Stage;

use crate::error::ApiError;
use crate::router::Worker;

/// How long a request may take; Connect's value, which is not configurable.
pub(crate) const REQUEST_DEADLINE: Duration = Duration::from_secs(90);
/// The timeout of the health check.
pub(crate) const HEALTH_DEADLINE: Duration = Duration::from_secs(10);

/// Answers 500 for a request that takes too long, with what the worker is doing.
pub(crate) async fn enforce(State(worker): State<Worker>, request: Request, next: Next) -> Response {
    within(REQUEST_DEADLINE, next.run(request), || worker.herder.stage()).await
}

async fn within(
    limit: Duration,
    answer: impl Future<Output = Response>,
    stage: impl FnOnce() -> Option<Stage>,
) -> Response {
    // The request is not dropped before the stage is read, because it is part of the stages.
    tokio::pin!(answer);
    match tokio::time::timeout(limit, &mut answer).await {
        Ok(response) => response,
        Err(_) => ApiError::internal(timed_out(stage())).into_response(),
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
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    struct InProgress<'a>(&'a AtomicBool);

    impl Drop for InProgress<'_> {
        fn drop(&mut self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn a_request_too_long_is_part_of_what_the_worker_is_at() {
        let in_progress = AtomicBool::new(true);
        let mark = InProgress(&in_progress);
        let endless = async {
            let _mark = mark;
            std::future::pending().await
        };
        let stage = || in_progress.load(Ordering::SeqCst).then(|| stage(None));
        let answer = within(Duration::from_millis(10), endless, stage).await;
        assert_eq!(answer.status(), 500);
        let body = axum::body::to_bytes(answer.into_body(), 1 << 10).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(
            body["message"].as_str().unwrap().contains("is currently reading to the end of the config topic"),
            "{body}"
        );
        let answer = within(Duration::from_secs(60), async { "in time".into_response() }, || None).await;
        assert_eq!(answer.status(), 200);
    }

    fn stage(completed: Option<&str>) -> Stage {
        Stage {
            description: "reading to the end of the config topic".to_owned(),
            began: "2026-01-02T03:04:05Z".to_owned(),
            completed: completed.map(str::to_owned),
        }
    }

    #[test]
    fn a_timeout_reports_the_stage() {
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
