use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;
use tributary_api::Props;
use tributary_control::{
    ActiveTopics, ConnectorInfo, ConnectorStatus, CreateRequest, Processing, Progress, RestartRequest, Status,
    TargetState,
};

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::jackson::{self, Chain, RawConfig};
use crate::nulls;
use crate::params::{Base, Params, Segments};
use crate::router::Worker;

const CREATE_REQUEST: &str = "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest";

/// What `expand` adds to a name.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
struct Expanded {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ConnectorStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<ConnectorInfo>,
}

/// `GET /connectors`
pub(crate) async fn list(State(worker): State<Worker>, params: Params) -> Result<Response, ApiError> {
    let names = worker.herder.connectors().await?;
    if params.first("expand").is_none() {
        return Ok(Json(names).into_response());
    }
    let wants = |what| params.all("expand").any(|expansion| expansion == what);
    let (with_status, with_info) = (wants("status"), wants("info"));
    let mut expanded = IndexMap::with_capacity(names.len());
    for name in names {
        if let Some(found) = expand(&worker, &name, with_status, with_info).await? {
            expanded.insert(name, found);
        }
    }
    Ok(Json(expanded).into_response())
}

/// Nothing for a connector that was deleted after it was listed.
async fn expand(worker: &Worker, name: &str, with_status: bool, with_info: bool) -> Result<Option<Expanded>, ApiError> {
    let mut expanded = Expanded { status: None, info: None };
    if with_status {
        match worker.herder.status(name).await {
            Ok(status) => expanded.status = Some(status),
            Err(error) if error.status == Status::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    if with_info {
        match worker.herder.connector(name).await {
            Ok(info) => expanded.info = Some(info),
            Err(error) if error.status == Status::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(expanded))
}

/// `POST /connectors`
pub(crate) async fn create(State(worker): State<Worker>, base: Base, body: JsonBody) -> Result<Response, ApiError> {
    let (name, config, initial_state) = create_request(body.required()?)?;
    let config = accepted_config(&worker, &name, config).await?;
    let info = worker.herder.create(CreateRequest { name, config, initial_state }).await?;
    Ok(created(&base, info))
}

/// `GET /connectors/{connector}`
pub(crate) async fn info(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<Json<ConnectorInfo>, ApiError> {
    Ok(Json(worker.herder.connector(&name).await?))
}

/// `GET /connectors/{connector}/config`
pub(crate) async fn config(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<Json<Props>, ApiError> {
    Ok(Json(worker.herder.connector(&name).await?.config))
}

/// `PUT /connectors/{connector}/config`
pub(crate) async fn put_config(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
    base: Base,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let config = jackson::config(body.required()?, &Chain::default())?;
    let config = accepted_config(&worker, &name, config).await?;
    let written = worker.herder.put_config(&name, config).await?;
    Ok(if written.created { created(&base, written.info) } else { Json(written.info).into_response() })
}

/// `PATCH /connectors/{connector}/config`: a null removes a property.
pub(crate) async fn patch_config(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
    body: JsonBody,
) -> Result<Json<ConnectorInfo>, ApiError> {
    let patch = jackson::config(body.required()?, &Chain::default())?;
    Ok(Json(worker.herder.patch_config(&name, patch).await?))
}

/// `DELETE /connectors/{connector}`
pub(crate) async fn delete(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<StatusCode, ApiError> {
    worker.herder.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /connectors/{connector}/status`
pub(crate) async fn status(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<Json<ConnectorStatus>, ApiError> {
    Ok(Json(worker.herder.status(&name).await?))
}

/// `POST /connectors/{connector}/restart`
pub(crate) async fn restart(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let request = RestartRequest {
        include_tasks: params.flag("includeTasks", false),
        only_failed: params.flag("onlyFailed", false),
    };
    Ok(match worker.herder.restart(&name, request).await? {
        Some(planned) => (StatusCode::ACCEPTED, Json(planned)).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// `PUT /connectors/{connector}/pause`
pub(crate) async fn pause(worker: State<Worker>, name: Segments<String>) -> Result<StatusCode, ApiError> {
    set_state(worker, name, TargetState::Paused, StatusCode::ACCEPTED).await
}

/// `PUT /connectors/{connector}/resume`
pub(crate) async fn resume(worker: State<Worker>, name: Segments<String>) -> Result<StatusCode, ApiError> {
    set_state(worker, name, TargetState::Started, StatusCode::ACCEPTED).await
}

/// `PUT /connectors/{connector}/stop`
pub(crate) async fn stop(worker: State<Worker>, name: Segments<String>) -> Result<StatusCode, ApiError> {
    set_state(worker, name, TargetState::Stopped, StatusCode::NO_CONTENT).await
}

async fn set_state(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
    state: TargetState,
    done: StatusCode,
) -> Result<StatusCode, ApiError> {
    worker.herder.set_target_state(&name, state).await?;
    Ok(done)
}

/// `GET /connectors/{connector}/processing`; not part of Connect's API.
pub(crate) async fn processing(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<Json<Processing>, ApiError> {
    Ok(Json(worker.herder.processing(&name).await?))
}

/// `GET /connectors/{connector}/progress`; not part of Connect's API.
pub(crate) async fn progress(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<Json<Progress>, ApiError> {
    Ok(Json(worker.herder.progress(&name).await?))
}

/// `GET /connectors/{connector}/topics`
pub(crate) async fn topics(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<Json<IndexMap<String, ActiveTopics>>, ApiError> {
    let topics = worker.herder.topics(&name).await?;
    Ok(Json(IndexMap::from([(name, topics)])))
}

/// `PUT /connectors/{connector}/topics/reset`
pub(crate) async fn reset_topics(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<StatusCode, ApiError> {
    worker.herder.reset_topics(&name).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) fn create_request(body: Value) -> Result<(String, RawConfig, Option<TargetState>), ApiError> {
    let top = Chain::default();
    let mut fields = jackson::object(body, CREATE_REQUEST, &["config", "name", "initial_state"], &top)?;
    let mut take = |name: &str| (fields.remove(name).unwrap_or_default(), top.field(CREATE_REQUEST, name));
    let (name, chain) = take("name");
    let name = jackson::text(name, &chain)?.unwrap_or_default();
    let (config, config_chain) = take("config");
    let (state, chain) = take("initial_state");
    let state = jackson::text(state, &chain)?.map(|state| initial_state(&state, &chain)).transpose()?;
    if config.is_null() {
        return Err(ApiError::internal("the request has no config: send {\"name\":...,\"config\":{...}}"));
    }
    // Java's trim removes all characters up to the space.
    let name = name.trim_matches(|character| character <= ' ').to_owned();
    Ok((name, jackson::config(config, &config_chain)?, state))
}

fn initial_state(state: &str, chain: &Chain) -> Result<TargetState, ApiError> {
    let unknown = || jackson::no_constant(&format!("{CREATE_REQUEST}$InitialState"), &state.to_uppercase(), chain);
    TargetState::of_initial_state(state).ok_or_else(unknown)
}

/// The configuration with its connector's name, and without nulls.
async fn accepted_config(worker: &Worker, name: &str, mut config: RawConfig) -> Result<Props, ApiError> {
    match config.insert("name".to_owned(), Some(name.to_owned())).flatten() {
        Some(included) if included != name => Err(ApiError::bad_request(format!(
            "Connector name configuration ({included}) doesn't match connector name in the URL ({name})"
        ))),
        _ => nulls::without(&*worker.herder, config).await,
    }
}

fn created(Base(base): &Base, info: ConnectorInfo) -> Response {
    let location = format!("{base}/connectors/{}", percent_encoded(&info.name));
    (StatusCode::CREATED, [(header::LOCATION, location)], Json(info)).into_response()
}

/// A path segment as a URL holds it (RFC 3986, 3.3).
fn percent_encoded(segment: &str) -> String {
    segment.bytes().fold(String::with_capacity(segment.len()), |mut encoded, byte| {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) => encoded.push(byte.into()),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}
