//! Fetch, answered as soon as there is something to read.
//!
//! Tansu's own handler sleeps for half of the client's `fetch.wait.max.ms` even when it has records in hand, which puts
//! 250 ms on every fetch of a client with default settings. This handler reads and, if that was too little, waits until
//! a partition has grown or the client's wait is over.

use std::time::Duration;

use rama::{Context, Service};
use tansu_sans_io::fetch_request::{FetchPartition, FetchTopic};
use tansu_sans_io::fetch_response::{FetchableTopicResponse, PartitionData};
use tansu_sans_io::record::deflated::{Batch, Frame};
use tansu_sans_io::{ErrorCode, FetchRequest, FetchResponse, IsolationLevel};
use tansu_storage::{Error, OffsetStage, Storage, TopicId, Topition};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use uuid::Uuid;

use super::store::Store;

/// Most bytes of one response and of one read from the storage. A read visits all records that follow the offset, so
/// few large reads are better than many that honour `max.partition.fetch.bytes`, which is a soft limit anyway.
const MAX_RESPONSE: u32 = 16 * 1024 * 1024;
const MAX_READ: u32 = 5 * 1024 * 1024;

/// The storage returns no record that exceeds the read size: it is tried again with these sizes, so that a large
/// record cannot stop its reader.
const LARGE_READS: [u32; 2] = [32 * 1024 * 1024, 128 * 1024 * 1024];

/// The maximum wait, whatever the client requests: a disconnect of the client is not noticed meanwhile.
const MAX_WAIT: Duration = Duration::from_mins(1);

#[derive(Clone, Debug)]
pub(super) struct FetchService {
    closing: CancellationToken,
}

impl FetchService {
    pub(super) fn new(closing: CancellationToken) -> Self {
        Self { closing }
    }
}

impl Service<Store, FetchRequest> for FetchService {
    type Response = FetchResponse;
    type Error = Error;

    async fn serve(&self, context: Context<Store>, request: FetchRequest) -> Result<FetchResponse, Error> {
        let store = context.state();
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or_default());
        let deadline = Instant::now() + wait.min(MAX_WAIT);
        let enough = u64::try_from(request.min_bytes).unwrap_or_default();
        let mut grown = store.grown();

        let responses = loop {
            grown.mark_unchanged();
            let mut read = Read::new(store, &request)?;
            let responses = read.topics(request.topics.as_deref().unwrap_or_default()).await?;
            if read.bytes >= enough || read.failed || self.closing.is_cancelled() {
                break responses;
            }
            tokio::select! {
                changed = grown.changed() => if changed.is_err() { break responses },
                () = tokio::time::sleep_until(deadline) => break responses,
                () = self.closing.cancelled() => break responses,
            }
        };

        Ok(FetchResponse::default()
            .throttle_time_ms(Some(0))
            .error_code(Some(ErrorCode::None.into()))
            .session_id(Some(0))
            .node_endpoints(Some(Vec::new()))
            .responses(Some(responses)))
    }
}

/// One read of the partitions of a request.
struct Read<'a> {
    store: &'a Store,
    isolation: IsolationLevel,
    min_bytes: u32,
    /// How many bytes the response may still hold.
    room: u32,
    /// Bytes of records read.
    bytes: u64,
    /// A partition has an error that the client should get now.
    failed: bool,
}

impl<'a> Read<'a> {
    fn new(store: &'a Store, request: &FetchRequest) -> Result<Self, Error> {
        let isolation =
            request.isolation_level.map_or(Ok(IsolationLevel::ReadUncommitted), IsolationLevel::try_from)?;
        let room = request.max_bytes.and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(MAX_RESPONSE);
        let min_bytes = u32::try_from(request.min_bytes).unwrap_or_default();
        Ok(Self { store, isolation, min_bytes, room: room.min(MAX_RESPONSE), bytes: 0, failed: false })
    }

    async fn topics(&mut self, topics: &[FetchTopic]) -> Result<Vec<FetchableTopicResponse>, Error> {
        let mut responses = Vec::with_capacity(topics.len());
        for topic in topics {
            responses.push(self.topic(topic).await?);
        }
        Ok(responses)
    }

    async fn topic(&mut self, topic: &FetchTopic) -> Result<FetchableTopicResponse, Error> {
        let (id, unknown) = match (&topic.topic, topic.topic_id) {
            (Some(name), _) => (TopicId::Name(name.clone()), ErrorCode::UnknownTopicOrPartition),
            (None, Some(id)) => (TopicId::Id(Uuid::from_bytes(id)), ErrorCode::UnknownTopicId),
            (None, None) => return Err(Error::Api(ErrorCode::InvalidRequest)),
        };
        let found = self.store.topic(&id).await?;
        let wanted = topic.partitions.as_deref().unwrap_or_default();
        let mut partitions = Vec::with_capacity(wanted.len());
        for partition in wanted {
            let data = match &found {
                Some(found) => self.partition(&found.name, partition).await?,
                None => Err(unknown),
            };
            self.failed |= data.is_err();
            partitions.push(data.unwrap_or_else(|code| failed(partition.partition, code)));
        }
        Ok(FetchableTopicResponse::default()
            .topic(topic.topic.clone())
            .topic_id(topic.topic_id)
            .partitions(Some(partitions)))
    }

    /// The outer error ends the connection, the inner one is sent to the client.
    async fn partition(
        &mut self,
        topic: &str,
        wanted: &FetchPartition,
    ) -> Result<Result<PartitionData, ErrorCode>, Error> {
        let partition = Topition::new(topic, wanted.partition);
        let offset = wanted.fetch_offset;
        let read = async {
            let stage = self.store.end_for_reader(&partition, offset).await?;
            if offset < 0 || offset > stage.high_watermark() {
                return Err(Error::Api(ErrorCode::OffsetOutOfRange));
            }
            let nothing = self.room == 0 || offset == stage.high_watermark();
            let batches = if nothing { Vec::new() } else { self.batches(&partition, offset).await? };
            Ok((stage, batches))
        };
        match read.await {
            Ok((stage, batches)) => {
                let size = batches.iter().map(|batch| batch.record_data.len()).sum::<usize>();
                self.bytes += size as u64;
                self.room = self.room.saturating_sub(u32::try_from(size).unwrap_or(u32::MAX));
                Ok(Ok(filled(wanted.partition, stage, batches)))
            }
            Err(Error::Api(code)) => Ok(Err(code)),
            Err(error @ (Error::UnableToSend | Error::OneshotRecv)) => Err(error),
            Err(error) => {
                debug!(%error, topic, partition = wanted.partition, offset, "cannot read records");
                Ok(Err(ErrorCode::UnknownServerError))
            }
        }
    }

    async fn batches(&self, partition: &Topition, offset: i64) -> Result<Vec<Batch>, Error> {
        let first = self.room.min(MAX_READ);
        for size in std::iter::once(first).chain(LARGE_READS) {
            let mut batches = self.store.fetch(partition, offset, self.min_bytes, size, self.isolation).await?;
            // The SQLite storage returns a batch without records for "nothing".
            batches.retain(|batch| batch.record_count > 0);
            // A later partition of a filled response waits for the next one.
            if !batches.is_empty() || self.bytes > 0 {
                return Ok(batches);
            }
        }
        Ok(Vec::new())
    }
}

fn filled(index: i32, stage: OffsetStage, batches: Vec<Batch>) -> PartitionData {
    let records = (!batches.is_empty()).then_some(Frame { batches });
    PartitionData::default()
        .partition_index(index)
        .error_code(ErrorCode::None.into())
        .high_watermark(stage.high_watermark())
        .last_stable_offset(Some(stage.last_stable()))
        .log_start_offset(Some(stage.log_start()))
        .aborted_transactions(Some(Vec::new()))
        .preferred_read_replica(Some(-1))
        .records(records)
}

fn failed(index: i32, code: ErrorCode) -> PartitionData {
    PartitionData::default()
        .partition_index(index)
        .error_code(code.into())
        .high_watermark(-1)
        .last_stable_offset(Some(-1))
        .log_start_offset(Some(-1))
        .aborted_transactions(Some(Vec::new()))
        .preferred_read_replica(Some(-1))
        .records(None)
}
