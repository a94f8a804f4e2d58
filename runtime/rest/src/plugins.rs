use axum::Json;
use axum::extract::State;
use tributary_control::{Error, PluginInfo, Status};

use crate::body::JsonBody;
use crate::dto::{ConfigInfos, ConfigKeyInfo};
use crate::error::ApiError;
use crate::jackson::{self, Chain};
use crate::nulls;
use crate::params::{Params, Segments};
use crate::router::Worker;

/// `GET /connector-plugins`
pub(crate) async fn list(State(worker): State<Worker>, params: Params) -> Result<Json<Vec<PluginInfo>>, ApiError> {
    Ok(Json(worker.herder.plugins(params.flag("connectorsOnly", true)).await?))
}

/// `GET /connector-plugins/{plugin}/config`
pub(crate) async fn config(
    State(worker): State<Worker>,
    Segments(plugin): Segments<String>,
    params: Params,
) -> Result<Json<Vec<ConfigKeyInfo>>, ApiError> {
    let keys = worker.herder.plugin_config(&plugin, params.first("version")).await?;
    Ok(Json(keys.iter().filter(|key| !key.internal).map(ConfigKeyInfo::from).collect()))
}

/// `PUT /connector-plugins/{plugin}/config/validate`
pub(crate) async fn validate(
    State(worker): State<Worker>,
    Segments(plugin): Segments<String>,
    body: JsonBody,
) -> Result<Json<ConfigInfos>, ApiError> {
    let (props, nulls) = nulls::split(jackson::config(body.required()?, &Chain::default())?);
    if let Some(class) = props.get("connector.class").filter(|class| !pruned(class).ends_with(pruned(&plugin))) {
        let message = format!("Included connector type {class} does not match request type {plugin}");
        return Err(ApiError::bad_request(message));
    }
    let mut result = worker.herder.validate(&plugin, props).await.map_err(wrapped)?;
    nulls::add(&mut result, &nulls);
    Ok(Json(ConfigInfos::from(result)))
}

/// A class name without the ending that an alias may leave out.
fn pruned(class: &str) -> &str {
    class.strip_suffix("Connector").unwrap_or(class)
}

/// Connect answers 500 here where it answers 400 elsewhere, because the exception comes from another thread there.
fn wrapped(error: Error) -> ApiError {
    match error.status {
        Status::BadRequest => ApiError::internal(format!(
            "org.apache.kafka.connect.runtime.rest.errors.BadRequestException: {}",
            error.message
        )),
        _ => error.into(),
    }
}
