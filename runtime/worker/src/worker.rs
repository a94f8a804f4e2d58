use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tributary_api::{ConfigProvider, KAFKA_VERSION, PluginRegistry, Props, Result};
use tributary_control::{Herder, TaskId, WorkerInfo};
use tributary_kafka::{Admin, Role};

use crate::config_transformer::ConfigTransformer;
use crate::herder::{ClusterHerder, HerderContext, Runners, Stages, StatusWriter};
use crate::loggers::LoggerControl;
use crate::membership::{Membership, SingleWorker};
use crate::prometheus::TaskRegistry;
use crate::redaction::Redaction;
use crate::settings::WorkerSettings;
use crate::stores::{ConfigStore, KafkaOffsetStore, OffsetStores, StatusStore};
use crate::tasks::Converters;
use crate::validation::{Validator, check_worker_clients};

/// How many requests from the configuration topic may wait.
const EVENTS: usize = 64;

/// The parts of a worker.
pub struct WorkerOptions {
    /// The worker's properties, under Kafka Connect's names, variables resolved.
    pub props: Props,
    /// Its plugins.
    pub plugins: PluginRegistry,
    /// `host:port` under which REST is reached.
    pub worker_id: String,
    /// The broker is the one inside this process.
    pub embedded_broker: bool,
    /// The process's log levels.
    pub loggers: Arc<dyn LoggerControl>,
    /// Collects the values that configuration providers return, and hides them in errors.
    pub redaction: Redaction,
    /// Configuration providers in addition to those that the properties name.
    pub providers: Vec<(String, Arc<dyn ConfigProvider>)>,
}

/// A running worker.
pub struct Worker {
    herder: Arc<ClusterHerder>,
    graceful_timeout: Duration,
}

impl Worker {
    /// Opens the stores and starts all connectors and tasks that are configured to run.
    ///
    /// # Errors
    /// `Config` when a property is wrong or a topic is not compacted; `Retriable` when the broker does not answer.
    pub async fn start(options: WorkerOptions) -> Result<Self> {
        let WorkerOptions { props, plugins, worker_id, embedded_broker, loggers, redaction, providers } = options;
        let settings = WorkerSettings::parse(&props, worker_id.clone(), embedded_broker)?;
        // If one of the worker's converters is unknown or badly configured, every task would fail: the start fails
        // instead.
        drop(Converters::build(&Props::new(), &props, &plugins)?);
        check_worker_clients(&settings)?;
        let settings = settings.with_redaction(&redaction);
        let transformer = ConfigTransformer::parse(&props, &plugins, &redaction)?;
        let transformer = providers.into_iter().fold(transformer, |known, (name, one)| known.with(&name, one));
        let validator = Validator::new(Arc::clone(&settings), plugins, transformer);
        let (event_sender, events) = mpsc::channel(EVENTS);
        let admin = Admin::new(&settings.own_client(Role::Admin, "shared-admin"))?;
        let (configs, offsets, status_store, cluster_id) = tokio::try_join!(
            ConfigStore::open(&settings, event_sender),
            KafkaOffsetStore::open(&settings),
            StatusStore::open(&settings),
            admin.cluster_id(),
        )?;
        let membership: Arc<dyn Membership> =
            Arc::new(SingleWorker { generation: status_store.generation().saturating_add(1) });
        let tracking = settings.topic_tracking;
        let status_writer =
            StatusWriter::new(status_store.clone(), Arc::clone(&membership), worker_id, tracking, redaction);
        purge(&configs, &status_store, &status_writer);
        let graceful_timeout = settings.graceful_timeout;
        let Validator { settings, plugins, transformer, .. } = validator.clone();
        let offsets = OffsetStores::new(Arc::clone(&settings), offsets);
        let (incarnations, metrics) = (AtomicU64::new(1), TaskRegistry::default());
        let context =
            HerderContext { settings, plugins, transformer, configs, offsets, status_writer, incarnations, metrics };
        let runners = Runners::new(context, membership);
        runners.start(events, Arc::clone(&loggers));
        let info = WorkerInfo {
            // Clients derive from the version which requests are supported.
            version: KAFKA_VERSION.to_owned(),
            commit: option_env!("TRIBUTARY_COMMIT").unwrap_or("unknown").to_owned(),
            kafka_cluster_id: cluster_id.unwrap_or_default(),
        };
        let (writes, stages) = (Mutex::new(()), Stages::default());
        let herder = ClusterHerder { info, runners, status_store, validator, loggers, writes, stages };
        Ok(Self { herder: Arc::new(herder), graceful_timeout })
    }

    /// The interface for clients.
    pub fn herder(&self) -> Arc<dyn Herder> {
        Arc::clone(&self.herder) as _
    }

    /// The metrics of all tasks, as Prometheus text.
    pub fn metrics(&self) -> Box<dyn Fn() -> String + Send + Sync> {
        let runners = Arc::clone(&self.herder.runners);
        Box::new(move || runners.context.metrics.prometheus())
    }

    /// Ends all connectors and tasks, within the graceful timeout, and writes their last states and offsets.
    pub async fn stop(&self) {
        let runners = &self.herder.runners;
        runners.stop(self.graceful_timeout + Duration::from_secs(1)).await;
        let (configs, offsets) = (runners.context.configs.clone(), &runners.context.offsets);
        tokio::join!(configs.close(), offsets.close(), self.herder.status_store.clone().close());
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker")
    }
}

impl fmt::Debug for WorkerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerOptions").field("worker_id", &self.worker_id).finish_non_exhaustive()
    }
}

/// Removes the states of connectors and tasks that are no longer configured.
fn purge(configs: &ConfigStore, status_store: &StatusStore, status_writer: &StatusWriter) {
    for name in status_store.known_connectors() {
        let entry = configs.connector(&name);
        if entry.is_none() {
            status_writer.remove_connector(&name);
        }
        let configured: Vec<TaskId> = entry.map(|entry| entry.task_ids(&name)).unwrap_or_default();
        let gone = status_store.tasks(&name).into_iter().filter(|(id, _)| !configured.contains(id));
        gone.for_each(|(id, _)| status_writer.remove_task(&id));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixtures::worker_props;
    use crate::loggers::NoLoggers;

    #[tokio::test]
    async fn a_missing_converter_ends_the_start_before_any_request_to_a_broker() {
        let class = "io.example.AvroConverter";
        let props = worker_props(&[("key.converter", class), ("value.converter", class)]);
        let started = Worker::start(WorkerOptions {
            props,
            plugins: PluginRegistry::new([]).unwrap(),
            worker_id: "127.0.0.1:1".to_owned(),
            embedded_broker: false,
            loggers: Arc::new(NoLoggers),
            redaction: Redaction::default(),
            providers: Vec::new(),
        });
        let error = started.await.err().unwrap().to_string();
        let beginning = "Invalid value io.example.AvroConverter for configuration key.converter: Class ";
        assert!(error.starts_with(beginning), "{error}");
    }
}
