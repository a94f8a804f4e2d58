use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mongodb::Client;
use tributary_api::{Config, Error, ErrorKind, Offsets, Record, Result, SinkTask, SinkTaskContext, TopicPartition};

use crate::batch::Batch;
use crate::client::connect;
use crate::config::{Settings, Tolerance, TopicSettings};
use crate::connector::{offset_store, require_transactions};
use crate::exactly_once::{Committed, OffsetStore, ends};
use crate::mapping::Mapper;
use crate::model::Namespace;
use crate::retry_policy::RetryPolicy;
use crate::server::Server;
use crate::timeseries;
use crate::write::{Job, RateLimiter, Refusal, Write, jobs};

/// How long a running batch may continue when the task should stop.
const GRACE: Duration = Duration::from_secs(3);

/// Writes the records of its partitions to MongoDB.
#[derive(Debug)]
pub(crate) struct MongoTask {
    cx: SinkTaskContext,
    mapper: Mapper,
    client: Client,
    retry_writes: bool,
    /// The server's properties, read when first needed.
    server: Option<Arc<Server>>,
    /// The batch that was only partly written, and will be put again.
    unfinished: Option<Batch>,
    retry_policy: RetryPolicy,
    rate_limiter: RateLimiter,
    /// The time-series collections that are known to exist.
    timeseries: HashSet<Arc<Namespace>>,
    exactly_once: Option<ExactlyOnce>,
}

#[derive(Debug)]
struct ExactlyOnce {
    store: OffsetStore,
    /// The offsets that this task has last written to the store.
    left: Offsets,
}

#[async_trait]
impl SinkTask for MongoTask {
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        if self.exactly_once.is_none() {
            return Ok(());
        }
        loop {
            let done = self.go_to_stored(partitions).await;
            match self.retry_policy.apply(done) {
                Err(error) if error.is_retriable() => self.wait(&error).await?,
                done => return done,
            }
        }
    }

    async fn put(&mut self, records: &[Record]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let stopping = self.cx.stopping().clone();
        let done = tokio::select! {
            done = self.write(records) => done,
            () = async { stopping.cancelled().await; tokio::time::sleep(GRACE).await } => {
                Err(Error::retriable("the task stops before the batch is written"))
            }
        };
        self.retry_policy.apply(done)
    }

    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        let Some(exactly_once) = &self.exactly_once else { return Ok(offsets.clone()) };
        let stored = |(partition, consumed): (&TopicPartition, &i64)| {
            let safe = exactly_once.left.get(partition).map_or(*consumed, |stored| *consumed.min(stored));
            (partition.clone(), safe)
        };
        Ok(offsets.iter().map(stored).collect())
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.unfinished = None;
        if let Some(exactly_once) = &mut self.exactly_once {
            exactly_once.left.retain(|partition, _| !partitions.contains(partition));
        }
        Ok(())
    }
}

impl MongoTask {
    pub(crate) async fn start(cx: SinkTaskContext, config: Config) -> Result<Self> {
        let settings = Arc::new(Settings::new(&config)?);
        let (client, retry_writes) = connect(&settings, &cx.connector).await?;
        let exactly_once =
            offset_store(&settings, &cx.connector).map(|store| ExactlyOnce { store, left: Offsets::new() });
        Ok(Self {
            mapper: Mapper::new(&settings),
            rate_limiter: RateLimiter::new(&cx),
            retry_policy: RetryPolicy::new(settings.retry.clone()),
            timeseries: HashSet::new(),
            unfinished: None,
            server: None,
            exactly_once,
            client,
            retry_writes,
            cx,
        })
    }

    async fn write(&mut self, records: &[Record]) -> Result<()> {
        let server = self.server().await?;
        match &self.unfinished {
            Some(batch) if batch.is_of(records) => {}
            _ => self.unfinished = Some(self.map(records, &server)?),
        }
        self.ensure_timeseries(&server).await?;
        let Some(batch) = &mut self.unfinished else { return Ok(()) };
        match &mut self.exactly_once {
            None => batch.write(&server, &self.rate_limiter).await?,
            Some(exactly_once) => {
                let mut ends = ends(records);
                ends.retain(|partition, end| exactly_once.left.get(partition).is_none_or(|left| *end > *left));
                if ends.is_empty() {
                    self.unfinished = None;
                    return Ok(());
                }
                let done = exactly_once.store.commit(&server, &mut batch.jobs, &exactly_once.left, &ends).await?;
                if done == Committed::Overtaken {
                    self.unfinished = None;
                    let partitions: Vec<TopicPartition> = ends.into_keys().collect();
                    return self.go_to_stored(&partitions).await;
                }
                exactly_once.left.extend(ends);
            }
        }
        let Some(batch) = self.unfinished.take() else { return Ok(()) };
        self.report(records, batch)
    }

    async fn server(&mut self) -> Result<Arc<Server>> {
        if let Some(server) = &self.server {
            return Ok(Arc::clone(server));
        }
        let server = Arc::new(Server::ask(self.client.clone(), self.retry_writes).await?);
        if self.exactly_once.is_some() {
            require_transactions(&server)?;
        }
        self.server = Some(Arc::clone(&server));
        Ok(server)
    }

    fn map(&mut self, records: &[Record], server: &Server) -> Result<Batch> {
        let mut writes = Vec::with_capacity(records.len());
        let mut unmapped = Vec::new();
        let mut known: Option<(Arc<str>, Arc<TopicSettings>)> = None;
        for (place, record) in records.iter().enumerate() {
            if self.exactly_once.as_ref().is_some_and(|exactly_once| exactly_once.has(record)) {
                continue;
            }
            let settings = match &known {
                Some((topic, settings)) if Arc::ptr_eq(topic, &record.topic) => Arc::clone(settings),
                _ => {
                    let settings = Arc::clone(self.mapper.settings(&record.topic)?);
                    known = Some((Arc::clone(&record.topic), Arc::clone(&settings)));
                    settings
                }
            };
            match self.mapper.map(record) {
                Ok(Some((namespace, model))) => writes.push(Write { namespace, model, record: place, settings }),
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::Data && settings.errors.tolerance != Tolerance::None => {
                    unmapped.push(Refusal { record: place, error, log: settings.errors.log });
                }
                Err(error) => return Err(error),
            }
        }
        let jobs = jobs(writes, self.exactly_once.is_none() && server.has_bulk_write());
        Ok(Batch::new(records, jobs, unmapped))
    }

    async fn ensure_timeseries(&mut self, server: &Server) -> Result<()> {
        let jobs = self.unfinished.iter().flat_map(|batch| &batch.jobs);
        let mut wanted: Vec<(Arc<Namespace>, Arc<TopicSettings>)> = Vec::new();
        for write in jobs.flat_map(Job::writes).filter(|write| write.settings.timeseries.is_some()) {
            let known = self.timeseries.contains(&write.namespace)
                || wanted.iter().any(|(namespace, _)| *namespace == write.namespace);
            if !known {
                wanted.push((Arc::clone(&write.namespace), Arc::clone(&write.settings)));
            }
        }
        for (namespace, settings) in wanted {
            if let Some(timeseries) = &settings.timeseries {
                timeseries::ensure(server, &namespace, timeseries).await?;
                self.timeseries.insert(namespace);
            }
        }
        Ok(())
    }

    /// Reports the records that were not written, in the order of the batch.
    fn report(&self, records: &[Record], batch: Batch) -> Result<()> {
        for Refusal { record, error, log } in batch.into_refusals() {
            let Some(record) = records.get(record) else { continue };
            if log {
                tracing::error!(%error, topic = &*record.topic, place = ?record.consumed_from(), "the record is not written");
            }
            if self.cx.can_report() {
                self.cx.report(record, &error)?;
            }
        }
        Ok(())
    }

    /// Seeks to the stored offsets.
    async fn go_to_stored(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.server().await?;
        let Some(exactly_once) = &mut self.exactly_once else { return Ok(()) };
        let stored = exactly_once.store.read(&self.client, partitions).await?;
        for partition in partitions {
            match stored.get(partition) {
                Some(offset) => {
                    self.cx.seek(partition, *offset);
                    exactly_once.left.insert(partition.clone(), *offset);
                }
                None => {
                    exactly_once.left.remove(partition);
                }
            }
        }
        Ok(())
    }

    async fn wait(&self, error: &Error) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(error.retry_after().unwrap_or_default()) => Ok(()),
            () = self.cx.stopping().cancelled() => Err(error.clone()),
        }
    }
}

impl ExactlyOnce {
    /// Whether the record is in the database already.
    fn has(&self, record: &Record) -> bool {
        let Some((topic, partition, offset)) = record.consumed_from() else { return false };
        let left = self.left.get(&TopicPartition::new(topic.clone(), partition));
        left.is_some_and(|next| offset < *next)
    }
}
