use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tracing::warn;
use tributary_control::{LoggerLevel, Loggers};

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::jackson::{self, Chain};
use crate::params::{Params, Segments};
use crate::router::Worker;

/// Log4j's levels, which Connect's clients use.
const LEVELS: [&str; 8] = ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"];

/// `GET /admin/loggers`
pub(crate) async fn list(State(worker): State<Worker>) -> Result<Json<Loggers>, ApiError> {
    let mut loggers = worker.herder.loggers().await?;
    loggers.sort_keys();
    Ok(Json(loggers))
}

/// `GET /admin/loggers/{logger}`
pub(crate) async fn get(
    State(worker): State<Worker>,
    Segments(logger): Segments<String>,
) -> Result<Json<LoggerLevel>, ApiError> {
    let found = worker.herder.loggers().await?.swap_remove(&logger);
    found.map(Json).ok_or_else(|| ApiError::not_found(format!("Logger {logger} not found.")))
}

/// `PUT /admin/loggers/{logger}`
pub(crate) async fn set(
    State(worker): State<Worker>,
    Segments(logger): Segments<String>,
    params: Params,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let mut fields = jackson::config(body.required()?, &Chain::default())?;
    let level = fields.remove("level").flatten();
    let level =
        level.ok_or_else(|| ApiError::bad_request("Desired 'level' parameter was not specified in request."))?;
    let upper = level.to_uppercase();
    if !LEVELS.contains(&upper.as_str()) {
        return Err(ApiError::not_found(format!("invalid log level '{level}'.")));
    }
    let scope = params.first("scope").unwrap_or("worker");
    let cluster = scope.eq_ignore_ascii_case("cluster");
    if !cluster && !scope.eq_ignore_ascii_case("worker") {
        warn!(scope, "there is no such scope of log levels, only worker and cluster: the level is set on this worker");
    }
    let names = worker.herder.set_logger(&logger, &upper, cluster).await?;
    Ok(if cluster { StatusCode::NO_CONTENT.into_response() } else { Json(names).into_response() })
}
