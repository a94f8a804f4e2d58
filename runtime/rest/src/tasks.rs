use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tributary_control::{TaskInfo, TaskStatus};

use crate::error::ApiError;
use crate::params::{Segments, task_id};
use crate::router::Worker;

/// `GET /connectors/{connector}/tasks`
pub(crate) async fn list(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<Json<Vec<TaskInfo>>, ApiError> {
    Ok(Json(worker.herder.tasks(&name).await?))
}

/// `GET /connectors/{connector}/tasks/{task}/status`
pub(crate) async fn status(
    State(worker): State<Worker>,
    Segments((name, task)): Segments<(String, String)>,
) -> Result<Json<TaskStatus>, ApiError> {
    let id = task_id(&name, &task, "No status found for task")?;
    Ok(Json(worker.herder.task_status(&id).await?))
}

/// `POST /connectors/{connector}/tasks/{task}/restart`
pub(crate) async fn restart(
    State(worker): State<Worker>,
    Segments((name, task)): Segments<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = task_id(&name, &task, "Unknown task:")?;
    worker.herder.restart_task(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
