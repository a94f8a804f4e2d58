use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use tributary_api::OffsetMap;
use tributary_control::{ConnectorOffset, ConnectorOffsets};

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::jackson::{self, Chain};
use crate::params::Segments;
use crate::router::Worker;

const OFFSETS: &str = "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffsets";
const OFFSET: &str = "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffset";

#[derive(Serialize)]
pub(crate) struct Message {
    message: String,
}

/// `GET /connectors/{connector}/offsets`
pub(crate) async fn get(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<Json<ConnectorOffsets>, ApiError> {
    Ok(Json(worker.herder.offsets(&name).await?))
}

/// `PATCH /connectors/{connector}/offsets`
pub(crate) async fn alter(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
    body: JsonBody,
) -> Result<Json<Message>, ApiError> {
    let offsets = connector_offsets(body.required()?)?;
    Ok(Json(Message { message: worker.herder.alter_offsets(&name, offsets).await? }))
}

/// `DELETE /connectors/{connector}/offsets`
pub(crate) async fn reset(
    State(worker): State<Worker>,
    Segments(name): Segments<String>,
) -> Result<Json<Message>, ApiError> {
    Ok(Json(Message { message: worker.herder.reset_offsets(&name).await? }))
}

pub(crate) fn connector_offsets(body: Value) -> Result<ConnectorOffsets, ApiError> {
    let top = Chain::default();
    let list = jackson::object(body, OFFSETS, &["offsets"], &top)?.remove("offsets").unwrap_or_default();
    let chain = top.field(OFFSETS, "offsets");
    let items = if list.is_null() { Vec::new() } else { jackson::list(list, OFFSET, &chain)? };
    if items.is_empty() {
        return Err(ApiError::bad_request("Partitions / offsets need to be provided for an alter offsets request"));
    }
    let read = |(index, item)| connector_offset(item, &chain.element(index));
    Ok(ConnectorOffsets { offsets: items.into_iter().enumerate().map(read).collect::<Result<_, _>>()? })
}

fn connector_offset(item: Value, chain: &Chain) -> Result<ConnectorOffset, ApiError> {
    let mut fields = jackson::object(item, OFFSET, &["partition", "offset"], chain)?;
    let mut map = |name: &str| match fields.remove(name).unwrap_or_default() {
        Value::Null => Ok(None),
        value => offset_map(value, &chain.field(OFFSET, name)).map(Some),
    };
    // No connector has an empty partition: the connector refuses it.
    let partition = map("partition")?.unwrap_or_else(|| OffsetMap::new([]));
    Ok(ConnectorOffset { partition, offset: map("offset")? })
}

fn offset_map(value: Value, chain: &Chain) -> Result<OffsetMap, ApiError> {
    let class = "java.util.LinkedHashMap<java.lang.String,java.lang.Object>";
    let entries = jackson::entries(value, class, chain)?;
    serde_json::from_value(Value::Object(entries))
        .map_err(|_| ApiError::bad_request("partitions and offsets hold texts, numbers and booleans only"))
}
