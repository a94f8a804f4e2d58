use std::sync::Arc;
use std::time::Duration;

use tributary_api::{Config, Error, Result};

use super::login::login;
use super::{
    HistorySettings, NotificationSettings, Overrides, Patterns, RowCountOrder, SignalSettings, SnapshotMode,
    SnapshotThreads, TableFilter, patterns,
};
use crate::columns::ColumnRules;
use crate::record::{Adjustment, Names};
use crate::sql::Login;
use crate::table::TableId;
use crate::types::{BinaryMode, DecimalMode, Modes, TimeMode};

/// The databases of the connector's other tasks; set by the connector.
pub(crate) const OTHER_TASKS: &str = "task.others";

/// `snapshot.isolation.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotIsolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Snapshot,
    Exclusive,
}

/// `snapshot.locking.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locking {
    Exclusive,
    None,
}

/// `data.query.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryMode {
    Direct,
    Function,
}

/// The parsed configuration of the connector.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) login: Login,
    pub(crate) databases: Vec<String>,
    pub(crate) tables: TableFilter,
    pub(crate) columns: Arc<ColumnRules>,
    pub(crate) names: Names,
    pub(crate) modes: Modes,
    pub(crate) schema_names: Adjustment,
    pub(crate) field_names: Adjustment,
    pub(crate) placeholder: String,
    pub(crate) tombstones: bool,
    /// Leave out updates that change none of the columns that records have.
    pub(crate) skip_unchanged: bool,
    pub(crate) transaction_metadata: bool,
    pub(crate) schema_changes: bool,
    /// Write the structure of captured tables only.
    pub(crate) only_captured_structures: bool,
    pub(crate) context_headers: bool,
    pub(crate) task: String,
    /// The databases of the connector's other tasks.
    pub(crate) other_databases: Vec<String>,
    pub(crate) snapshot_mode: SnapshotMode,
    pub(crate) history: Option<HistorySettings>,
    pub(crate) signals: SignalSettings,
    pub(crate) notifications: NotificationSettings,
    pub(crate) isolation: SnapshotIsolation,
    pub(crate) locking: Locking,
    pub(crate) lock_timeout: Duration,
    pub(crate) overrides: Overrides,
    pub(crate) snapshot_threads: SnapshotThreads,
    pub(crate) row_count_order: RowCountOrder,
    /// The tables whose rows a snapshot reads; empty means all captured ones.
    with_rows: Patterns,
    pub(crate) snapshot_delay: Duration,
    pub(crate) streaming_delay: Duration,
    pub(crate) query_mode: QueryMode,
    pub(crate) poll_interval: Duration,
    /// The most transactions that are read per poll. `None`: no limit.
    pub(crate) transactions: Option<i32>,
    /// Rows of a page. `None`: the connector decides.
    pub(crate) page: Option<usize>,
    pub(crate) batch: usize,
    pub(crate) queue: usize,
    pub(crate) heartbeat: Duration,
    /// A statement that is run with each heartbeat.
    pub(crate) heartbeat_action: Option<String>,
    /// Values of `__$operation` that are left out.
    pub(crate) skipped: Vec<i64>,
    pub(crate) retry_wait: Duration,
    /// `None`: no limit.
    pub(crate) retries: Option<u32>,
    pub(crate) validation_timeout: Duration,
}

fn names_in(list: &str) -> Vec<String> {
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

impl Settings {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let millis = |name: &str| Ok::<_, Error>(Duration::from_millis(config.int(name)?));
        let list = |name: &str| config.originals().get(name).map(String::as_str);
        let databases = config.list("database.names")?.to_vec();
        if databases.is_empty() || databases.iter().any(String::is_empty) {
            return Err(Error::config_at("database.names", "database.names has no name: write the databases to read"));
        }
        let (batch, queue): (usize, usize) = (config.int("max.batch.size")?, config.int("max.queue.size")?);
        if queue <= batch {
            let message = format!("max.queue.size is {queue}, and must be more than max.batch.size, which is {batch}");
            return Err(Error::config_at("max.queue.size", message));
        }
        let heartbeat_topic = config.string("topic.heartbeat.name")?;
        let heartbeat_prefix = match list("heartbeat.topics.prefix") {
            Some(prefix) => prefix.trim(),
            None => config.string("topic.heartbeat.prefix")?,
        };
        let signals = SignalSettings::new(config)?;
        Ok(Self {
            login: login(config)?,
            databases,
            tables: TableFilter::new(
                list("table.include.list"),
                list("table.exclude.list"),
                config.boolean("table.ignore.builtin")?,
            )?
            .with(signals.tables()),
            columns: Arc::new(ColumnRules::new(config)?),
            names: Names {
                prefix: config.string("topic.prefix")?.to_owned(),
                delimiter: config.string("topic.delimiter")?.to_owned(),
                transaction: config.string("topic.transaction")?.to_owned(),
                heartbeat_prefix: heartbeat_prefix.to_owned(),
                heartbeat_topic: (!heartbeat_topic.is_empty()).then(|| heartbeat_topic.to_owned()),
            },
            modes: modes(config)?,
            schema_names: adjustment(config.string("schema.name.adjustment.mode")?),
            field_names: adjustment(config.string("field.name.adjustment.mode")?),
            placeholder: config.string("unavailable.value.placeholder")?.to_owned(),
            tombstones: config.boolean("tombstones.on.delete")?,
            skip_unchanged: config.boolean("skip.messages.without.change")?,
            transaction_metadata: config.boolean("provide.transaction.metadata")?,
            schema_changes: config.boolean("include.schema.changes")?,
            only_captured_structures: config.boolean("schema.history.internal.store.only.captured.tables.ddl")?,
            context_headers: config.boolean("extended.headers.enabled")?,
            task: config.string("task.id")?.to_owned(),
            other_databases: names_in(config.string(OTHER_TASKS)?),
            snapshot_mode: SnapshotMode::new(config)?,
            history: HistorySettings::new(config)?,
            signals,
            notifications: NotificationSettings::new(config)?,
            isolation: match lower(config, "snapshot.isolation.mode")?.as_str() {
                "read_uncommitted" => SnapshotIsolation::ReadUncommitted,
                "read_committed" => SnapshotIsolation::ReadCommitted,
                "snapshot" => SnapshotIsolation::Snapshot,
                "exclusive" => SnapshotIsolation::Exclusive,
                _ => SnapshotIsolation::RepeatableRead,
            },
            locking: match lower(config, "snapshot.locking.mode")?.as_str() {
                "none" => Locking::None,
                _ => Locking::Exclusive,
            },
            overrides: Overrides::new(config),
            snapshot_threads: SnapshotThreads::new(config)?,
            row_count_order: RowCountOrder::new(config)?,
            with_rows: patterns("snapshot.include.collection.list", list("snapshot.include.collection.list"))?,
            lock_timeout: millis("snapshot.lock.timeout.ms")?,
            snapshot_delay: millis("snapshot.delay.ms")?,
            streaming_delay: millis("streaming.delay.ms")?,
            query_mode: match lower(config, "data.query.mode")?.as_str() {
                "function" => QueryMode::Function,
                _ => QueryMode::Direct,
            },
            poll_interval: millis("poll.interval.ms")?,
            transactions: Some(config.int("max.iteration.transactions")?).filter(|most| *most > 0),
            page: Some(config.int("streaming.fetch.size")?).filter(|rows| *rows > 0),
            batch,
            queue,
            heartbeat: millis("heartbeat.interval.ms")?,
            heartbeat_action: config
                .optional_string("heartbeat.action.query")?
                .map(str::to_owned)
                .filter(|sql| !sql.trim().is_empty()),
            skipped: skipped(config)?,
            retry_wait: millis("retriable.restart.connector.wait.ms")?,
            retries: u32::try_from(config.int::<i64>("errors.max.retries")?).ok(),
            validation_timeout: millis("connection.validation.timeout.ms")?,
        })
    }
}

impl Settings {
    /// The captured tables whose rows a snapshot reads. Those by which signals come are not among them: a signal is followed
    /// when it is written, and is no data.
    pub(crate) fn with_rows(&self, mut captured: Vec<TableId>) -> Result<Vec<TableId>> {
        captured.retain(|id| !self.signals.is_table(id));
        if self.with_rows.is_empty() {
            return Ok(captured);
        }
        let chosen = captured.into_iter().map(|id| Ok(self.with_rows.fit(&id.to_string())?.then_some(id)));
        chosen.filter_map(Result::transpose).collect()
    }
}

fn lower(config: &Config, name: &str) -> Result<String> {
    Ok(config.string(name)?.to_lowercase())
}

fn adjustment(mode: &str) -> Adjustment {
    match mode.to_lowercase().as_str() {
        "avro" => Adjustment::Avro,
        "avro_unicode" => Adjustment::AvroUnicode,
        _ => Adjustment::None,
    }
}

fn modes(config: &Config) -> Result<Modes> {
    Ok(Modes {
        decimal: match lower(config, "decimal.handling.mode")?.as_str() {
            "double" => DecimalMode::Double,
            "string" => DecimalMode::String,
            _ => DecimalMode::Precise,
        },
        time: match lower(config, "time.precision.mode")?.as_str() {
            "adaptive_time_microseconds" => TimeMode::AdaptiveTimeMicroseconds,
            "connect" => TimeMode::Connect,
            "isostring" => TimeMode::IsoString,
            "microseconds" => TimeMode::Microseconds,
            "nanoseconds" => TimeMode::Nanoseconds,
            _ => TimeMode::Adaptive,
        },
        binary: match lower(config, "binary.handling.mode")?.as_str() {
            "base64" => BinaryMode::Base64,
            "base64-url-safe" => BinaryMode::Base64UrlSafe,
            "hex" => BinaryMode::Hex,
            _ => BinaryMode::Bytes,
        },
    })
}

fn skipped(config: &Config) -> Result<Vec<i64>> {
    let mut operations = Vec::new();
    for operation in config.list("skipped.operations")? {
        match operation.to_lowercase().as_str() {
            "c" => operations.push(2),
            "u" => operations.extend([3, 4]),
            "d" => operations.push(1),
            // SQL Server captures no truncations; reads come from snapshots and are never skipped.
            "t" | "r" | "none" | "" => {}
            other => {
                let message = format!("skipped.operations has {other:?}: write some of c, u, d, t, or none");
                return Err(Error::config_at("skipped.operations", message));
            }
        }
    }
    Ok(operations)
}
