use serde::{Deserialize, Serialize};
use tributary_api::OffsetMap;

/// One stored offset. For a sink, the partition holds `kafka_topic` and `kafka_partition`, the offset
/// `kafka_offset`. A null offset in a request removes the partition's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorOffset {
    /// The source partition, or the topic partition.
    pub partition: OffsetMap,
    /// The position after the last record.
    pub offset: Option<OffsetMap>,
}

/// `GET /connectors/{name}/offsets`, and the body of its `PATCH`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorOffsets {
    /// One for each partition.
    pub offsets: Vec<ConnectorOffset>,
}
