//! Tansu's storage interface over the checked engine. Most calls are only forwarded.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tansu_sans_io::create_topics_request::CreatableTopic;
use tansu_sans_io::delete_groups_response::DeletableGroupResult;
use tansu_sans_io::delete_records_request::DeleteRecordsTopic;
use tansu_sans_io::delete_records_response::DeleteRecordsTopicResult;
use tansu_sans_io::describe_cluster_response::DescribeClusterBroker;
use tansu_sans_io::describe_configs_response::DescribeConfigsResult;
use tansu_sans_io::describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic;
use tansu_sans_io::incremental_alter_configs_request::AlterConfigsResource;
use tansu_sans_io::incremental_alter_configs_response::AlterConfigsResourceResponse;
use tansu_sans_io::list_groups_response::ListedGroup;
use tansu_sans_io::record::deflated::Batch;
use tansu_sans_io::txn_offset_commit_response::TxnOffsetCommitResponseTopic;
use tansu_sans_io::{ConfigResource, ErrorCode, IsolationLevel, ListOffset, OpType, ScramMechanism};
use tansu_storage::{
    BrokerRegistrationRequest, Error, GroupDetail, ListOffsetResponse, MetadataResponse, NamedGroupDetail,
    OffsetCommitRequest, OffsetStage, ProducerIdResponse, Result, ScramCredential, Storage, TopicId, Topition,
    TxnAddPartitionsRequest, TxnAddPartitionsResponse, TxnOffsetCommitRequest, UpdateError, Version,
};
use tracing::debug;
use url::Url;
use uuid::Uuid;

use super::{Store, records, topics};

/// In a request: "no producer id or epoch yet".
const NO_PRODUCER: (Option<i64>, Option<i16>) = (Some(-1), Some(-1));

/// In a response to a search by time: "no record is that young".
const NO_OFFSET: i64 = -1;

const UNSUPPORTED: Error = Error::Api(ErrorCode::UnsupportedVersion);

#[async_trait]
impl Storage for Store {
    async fn register_broker(&self, registration: BrokerRegistrationRequest) -> Result<()> {
        self.run(async |engine| engine.register_broker(registration).await).await
    }

    async fn create_topic(&self, topic: CreatableTopic, validate_only: bool) -> Result<Uuid> {
        topics::check_new(&topic)?;
        let partitions = topic.num_partitions;
        if !self.has_room(partitions).await? {
            return Err(Error::Api(ErrorCode::PolicyViolation));
        }
        let created = self.run(async |engine| engine.create_topic(topic, validate_only).await).await?;
        self.shared.topics.created(partitions);
        Ok(created)
    }

    /// Appending to a list value, or removing from one, is refused: the engine would panic.
    async fn incremental_alter_resource(&self, resource: AlterConfigsResource) -> Result<AlterConfigsResourceResponse> {
        let possible = |operation| matches!(OpType::try_from(operation), Ok(OpType::Set | OpType::Delete));
        let changes = resource.configs.as_deref().unwrap_or_default();
        if changes.iter().all(|change| possible(change.config_operation)) {
            return self.run(async |engine| engine.incremental_alter_resource(resource).await).await;
        }
        Ok(AlterConfigsResourceResponse::default()
            .error_code(ErrorCode::InvalidRequest.into())
            .error_message(Some("list values cannot be appended to: set the whole value".into()))
            .resource_type(resource.resource_type)
            .resource_name(resource.resource_name))
    }

    /// Refused: the SQLite engine would panic.
    async fn delete_records(&self, _topics: &[DeleteRecordsTopic]) -> Result<Vec<DeleteRecordsTopicResult>> {
        Err(UNSUPPORTED)
    }

    async fn delete_topic(&self, topic: &TopicId) -> Result<ErrorCode> {
        let _alone = self.shared.topics.delete().await;
        let result = self.run(async |engine| engine.delete_topic(topic).await).await;
        self.shared.ends.forget();
        result
    }

    async fn brokers(&self) -> Result<Vec<DescribeClusterBroker>> {
        self.run(async |engine| engine.brokers().await).await
    }

    /// A failure of the storage, for example a full disk, is answered with an error after which a client tries again.
    async fn produce(&self, transaction_id: Option<&str>, partition: &Topition, batch: Batch) -> Result<i64> {
        let _kept = self.shared.topics.keep().await;
        self.require(partition).await?;
        let batch = records::accept(batch)?;
        let result = self.run(async |engine| engine.produce(transaction_id, partition, batch).await).await;
        self.shared.ends.appended(partition);
        result.map_err(|error| match error {
            Error::Api(code) => Error::Api(code),
            error => {
                debug!(%error, ?partition, "cannot store records");
                Error::Api(ErrorCode::KafkaStorageError)
            }
        })
    }

    async fn fetch(
        &self,
        partition: &Topition,
        offset: i64,
        min_bytes: u32,
        max_bytes: u32,
        isolation: IsolationLevel,
    ) -> Result<Vec<Batch>> {
        let _kept = self.shared.topics.keep().await;
        self.require(partition).await?;
        self.run(async |engine| engine.fetch(partition, offset, min_bytes, max_bytes, isolation).await).await
    }

    async fn offset_stage(&self, partition: &Topition) -> Result<OffsetStage> {
        let _kept = self.shared.topics.keep().await;
        self.require(partition).await?;
        self.run(async |engine| engine.offset_stage(partition).await).await
    }

    /// The engine derives offsets from the existing records and returns 0 without any. This is corrected here: the end
    /// of a partition stays the same when retention has emptied it, and no record is younger than the last one.
    async fn list_offsets(
        &self,
        isolation: IsolationLevel,
        wanted: &[(Topition, ListOffset)],
    ) -> Result<Vec<(Topition, ListOffsetResponse)>> {
        let found = self.run(async |engine| engine.list_offsets(isolation, wanted).await).await?;
        let is_empty = |answer: &ListOffsetResponse| answer.error_code == ErrorCode::None && answer.timestamp.is_none();
        let mut ends = Vec::with_capacity(found.len());
        for (partition, answer) in &found {
            ends.push(if is_empty(answer) { Some(self.end(partition).await) } else { None });
        }
        if ends.iter().all(Option::is_none) {
            return Ok(found);
        }
        // Queried again after the ends: records appended meanwhile are found now, so that the end is not taken for the
        // first offset of a partition that is no longer empty.
        let mut found = self.run(async |engine| engine.list_offsets(isolation, wanted).await).await?;
        for (((_, answer), (_, what)), end) in found.iter_mut().zip(wanted).zip(ends) {
            let Some(end) = end.filter(|_| is_empty(answer)) else { continue };
            *answer = match (end, what) {
                (Ok(_), ListOffset::Timestamp(_)) => offset(NO_OFFSET),
                (Ok(stage), ListOffset::Earliest | ListOffset::Latest) => offset(stage.high_watermark()),
                (Err(Error::Api(error_code)), _) => ListOffsetResponse { error_code, ..offset(NO_OFFSET) },
                (Err(error), _) => return Err(error),
            };
        }
        Ok(found)
    }

    async fn offset_commit(
        &self,
        group: &str,
        retention: Option<Duration>,
        offsets: &[(Topition, OffsetCommitRequest)],
    ) -> Result<Vec<(Topition, ErrorCode)>> {
        self.run(async |engine| engine.offset_commit(group, retention, offsets).await).await
    }

    async fn offset_fetch(
        &self,
        group: Option<&str>,
        partitions: &[Topition],
        require_stable: Option<bool>,
    ) -> Result<BTreeMap<Topition, i64>> {
        self.run(async |engine| engine.offset_fetch(group, partitions, require_stable).await).await
    }

    async fn committed_offset_topitions(&self, group: &str) -> Result<BTreeMap<Topition, i64>> {
        self.run(async |engine| engine.committed_offset_topitions(group).await).await
    }

    async fn metadata(&self, topics: Option<&[TopicId]>) -> Result<MetadataResponse> {
        self.run(async |engine| engine.metadata(topics).await).await
    }

    async fn upsert_user_scram_credential(
        &self,
        _user: &str,
        _mechanism: ScramMechanism,
        _credential: ScramCredential,
    ) -> Result<()> {
        Err(UNSUPPORTED)
    }

    async fn delete_user_scram_credential(&self, _user: &str, _mechanism: ScramMechanism) -> Result<()> {
        Err(UNSUPPORTED)
    }

    async fn user_scram_credential(&self, _user: &str, _mechanism: ScramMechanism) -> Result<Option<ScramCredential>> {
        Ok(None)
    }

    async fn describe_config(
        &self,
        name: &str,
        resource: ConfigResource,
        keys: Option<&[String]>,
    ) -> Result<DescribeConfigsResult> {
        self.run(async |engine| engine.describe_config(name, resource, keys).await).await
    }

    async fn list_groups(&self, states: Option<&[String]>) -> Result<Vec<ListedGroup>> {
        self.run(async |engine| engine.list_groups(states).await).await
    }

    async fn delete_groups(&self, groups: Option<&[String]>) -> Result<Vec<DeletableGroupResult>> {
        let deleted = self.run(async |engine| engine.delete_groups(groups).await).await?;
        self.shared.groups.deleted(groups.unwrap_or_default());
        Ok(deleted)
    }

    async fn describe_groups(&self, groups: Option<&[String]>, _operations: bool) -> Result<Vec<NamedGroupDetail>> {
        let existing = self.list_groups(None).await?;
        Ok(self.shared.groups.describe(groups, &existing))
    }

    async fn describe_topic_partitions(
        &self,
        topics: Option<&[TopicId]>,
        limit: i32,
        cursor: Option<Topition>,
    ) -> Result<Vec<DescribeTopicPartitionsResponseTopic>> {
        let _kept = self.shared.topics.keep().await;
        for topic in topics.unwrap_or_default() {
            if matches!(topic, TopicId::Id(_)) && self.find(topic).await?.is_none() {
                return Err(Error::Api(ErrorCode::UnknownTopicId));
            }
        }
        self.run(async |engine| engine.describe_topic_partitions(topics, limit, cursor).await).await
    }

    async fn update_group(
        &self,
        group: &str,
        detail: GroupDetail,
        version: Option<Version>,
    ) -> Result<Version, UpdateError<GroupDetail>> {
        // So that the group is listed. What changes after that is only in memory.
        if !self.shared.groups.is_known(group) {
            let engine = self.engine();
            match engine.container.update_group(group, GroupDetail::default(), None).await {
                Err(UpdateError::Error(Error::UnableToSend | Error::OneshotRecv)) => self.replace(&engine).await?,
                Ok(_) | Err(UpdateError::Outdated { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.shared.groups.update(group, detail, version)
    }

    /// A producer that asks again (to go on after an error) gets a new id or, with a transactional id, the next epoch.
    /// The engine panics on that form of the request, so it sees the first form.
    async fn init_producer(
        &self,
        transaction_id: Option<&str>,
        timeout_ms: i32,
        _producer_id: Option<i64>,
        _producer_epoch: Option<i16>,
    ) -> Result<ProducerIdResponse> {
        let (id, epoch) = NO_PRODUCER;
        let result = self.run(async |engine| engine.init_producer(transaction_id, timeout_ms, id, epoch).await).await;
        // An open transaction was aborted, which appends to its partitions.
        if transaction_id.is_some() {
            self.shared.ends.forget();
        }
        result
    }

    async fn txn_add_offsets(
        &self,
        transaction_id: &str,
        producer_id: i64,
        producer_epoch: i16,
        group: &str,
    ) -> Result<ErrorCode> {
        self.run(async |engine| engine.txn_add_offsets(transaction_id, producer_id, producer_epoch, group).await).await
    }

    /// The form for requests between brokers is refused: the engine would panic.
    async fn txn_add_partitions(&self, partitions: TxnAddPartitionsRequest) -> Result<TxnAddPartitionsResponse> {
        if matches!(partitions, TxnAddPartitionsRequest::VersionFourPlus { .. }) {
            return Err(UNSUPPORTED);
        }
        self.run(async |engine| engine.txn_add_partitions(partitions).await).await
    }

    async fn txn_offset_commit(&self, offsets: TxnOffsetCommitRequest) -> Result<Vec<TxnOffsetCommitResponseTopic>> {
        self.run(async |engine| engine.txn_offset_commit(offsets).await).await
    }

    async fn txn_end(
        &self,
        transaction_id: &str,
        producer_id: i64,
        producer_epoch: i16,
        committed: bool,
    ) -> Result<ErrorCode> {
        let _kept = self.shared.topics.keep().await;
        let result =
            self.run(async |engine| engine.txn_end(transaction_id, producer_id, producer_epoch, committed).await).await;
        // The outcome is appended to every partition of the transaction.
        self.shared.ends.forget();
        result
    }

    async fn maintain(&self, now: SystemTime) -> Result<()> {
        self.run(async |engine| engine.maintain(now).await).await
    }

    async fn cluster_id(&self) -> Result<String> {
        self.run(async |engine| engine.cluster_id().await).await
    }

    async fn node(&self) -> Result<i32> {
        self.run(async |engine| engine.node().await).await
    }

    async fn advertised_listener(&self) -> Result<Url> {
        self.run(async |engine| engine.advertised_listener().await).await
    }

    async fn ping(&self) -> Result<()> {
        self.run(async |engine| engine.ping().await).await
    }
}

fn offset(offset: i64) -> ListOffsetResponse {
    ListOffsetResponse { offset: Some(offset), ..ListOffsetResponse::default() }
}
