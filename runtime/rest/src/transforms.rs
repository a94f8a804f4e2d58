use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tributary_api::{PluginRequest, RequestMethod, json};

use crate::error::ApiError;
use crate::params::Segments;
use crate::router::Worker;

/// The connector, the transform's alias and the rest of the path.
type Place = Segments<(String, String, String)>;

/// `GET /connectors/{connector}/transforms/{alias}/...`; not part of Connect's API.
pub(crate) async fn get(worker: State<Worker>, place: Place) -> Result<Response, ApiError> {
    answer(worker, place, RequestMethod::Get, Bytes::new()).await
}

/// `PUT` on the same.
pub(crate) async fn put(worker: State<Worker>, place: Place, body: Bytes) -> Result<Response, ApiError> {
    answer(worker, place, RequestMethod::Put, body).await
}

/// `DELETE` on the same.
pub(crate) async fn delete(worker: State<Worker>, place: Place) -> Result<Response, ApiError> {
    answer(worker, place, RequestMethod::Delete, Bytes::new()).await
}

async fn answer(
    State(worker): State<Worker>,
    Segments((name, alias, path)): Place,
    method: RequestMethod,
    body: Bytes,
) -> Result<Response, ApiError> {
    let path = path.split('/').map(str::to_owned).collect();
    let request = PluginRequest::new(method, path, body);
    let answer = worker.herder.transform_request(&name, &alias, request).await?;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if answer.body.is_null() {
        return Ok(status.into_response());
    }
    let body = json::to_vec(&answer.body).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}
