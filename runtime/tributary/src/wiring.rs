//! Starts the worker in order (settings, servers, engine, REST, connector files) and stops it in reverse order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use tributary_api::{ConfigProvider, PluginRegistry};
use tributary_shop::Shop;
use tributary_worker::{LoggerControl, Redaction, Worker, WorkerOptions};

use crate::cli::WorkerArgs;
use crate::connector_files::ConnectorFiles;
use crate::embedded::Embedded;
use crate::rest::Rest;
use crate::settings::{Settings, Written};
use crate::shared_values::{PROVIDER, SharedValues};
use crate::startup::{Address, announce};
use crate::{data_folder, environment, logging, shop};

/// How long REST, broker and store may take to end, in addition to the tasks.
const SERVERS_STOP: Duration = Duration::from_millis(1_800);

/// The running parts.
struct Process {
    settings: Settings,
    graceful_timeout: Duration,
    embedded: Embedded,
    shop: Option<Shop>,
    worker: Worker,
    rest: Rest,
}

/// Runs a worker until the process is stopped. `descriptors` is the result of raising their limit.
pub(crate) async fn run(args: WorkerArgs, plugins: PluginRegistry, descriptors: io::Result<u64>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    // Without a handler for SIGXFSZ, exceeding the file size limit would end the process instead of failing the write.
    let _file_size_signal = signal(SignalKind::from_raw(libc::SIGXFSZ)).context("listen for SIGXFSZ")?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(stop);
    let redaction = Redaction::default();
    let levels = logging::start(&environment::log_levels(variables()), redaction.clone())?;
    match descriptors {
        Ok(limit) => info!(limit, "file descriptors"),
        Err(error) => warn!(%error, "the limit of file descriptors cannot be raised"),
    }
    let written = Written::load(&args, variables())?;
    let process = tokio::select! {
        started = Process::start(written, plugins, Arc::new(levels), redaction.clone()) => {
            // The error is printed, so secrets are removed.
            started.map_err(|error| anyhow::Error::msg(redaction.apply(&format!("{error:#}")).into_owned()))?
        }
        () = &mut stop => return Ok(()),
    };
    stop.await;
    info!("stopping");
    process.stop().await;
    Ok(())
}

impl Process {
    async fn start(
        written: Written,
        plugins: PluginRegistry,
        loggers: Arc<dyn LoggerControl>,
        redaction: Redaction,
    ) -> Result<Self> {
        let mut settings = written.resolve(&plugins, &redaction)?;
        data_folder::close(&settings.data)?;
        let mut shared = SharedValues::new(&settings)?;
        let embedded = Embedded::start(&settings, &mut shared).await?;
        if let Some(broker) = &embedded.broker {
            settings.props.insert("bootstrap.servers".to_owned(), broker.bootstrap());
        }
        let rest = Rest::start(&settings).await?;
        let shop = shop::start(&settings, &mut shared).await?;
        let addresses = addresses(&settings, &embedded, &rest, shop.as_ref())?;
        let shared: Arc<dyn ConfigProvider> = Arc::new(shared);
        let worker = Worker::start(WorkerOptions {
            props: settings.props.clone(),
            plugins,
            worker_id: rest.worker_id.clone(),
            embedded_broker: embedded.broker.is_some(),
            loggers,
            redaction,
            providers: vec![(PROVIDER.to_owned(), shared)],
        })
        .await
        .context("start the worker")?;
        rest.ready(&worker.herder(), Arc::from(worker.metrics()));
        let graceful_timeout = settings.graceful_timeout()?;
        let process = Self { settings, graceful_timeout, embedded, shop, worker, rest };
        process.load_files().await?;
        announce(&addresses, &process.next_steps());
        Ok(process)
    }

    async fn load_files(&self) -> Result<()> {
        let files = ConnectorFiles {
            folders: self
                .settings
                .list("config.files.folders")?
                .iter()
                .map(|name| self.settings.configs.join(name))
                .collect(),
            override_existing: self.settings.flag("config.files.override")?,
        };
        let report = files.load(&*self.worker.herder()).await;
        let (created, updated, kept) = (report.created.len(), report.updated.len(), report.kept.len());
        info!(folders = ?files.folders, created, updated, kept, failed = report.failed.len(), "connector files");
        Ok(())
    }

    fn next_steps(&self) -> String {
        match &self.shop {
            Some(shop) => format!(
                "Open http://{}, log in as a customer, and stay with a product that customer looked at before: a voucher \
                 appears in the page.",
                shop.addr()
            ),
            None => "List connectors with GET /connectors; add a connector with POST /connectors or a file in \
                     connectors/."
                .to_owned(),
        }
    }

    /// Tasks drain while REST still shows their states; then everything else ends, the broker after its clients.
    async fn stop(self) {
        let limit = self.graceful_timeout + SERVERS_STOP;
        let orderly = async {
            self.worker.stop().await;
            let shop = async {
                if let Some(shop) = self.shop {
                    shop.shutdown().await;
                }
            };
            tokio::join!(self.rest.stop(), shop);
            drop(self.worker);
            self.embedded.stop().await;
        };
        if tokio::time::timeout(limit, orderly).await.is_err() {
            warn!(?limit, "did not stop in time, the rest was cut off");
        }
    }
}

fn addresses(settings: &Settings, embedded: &Embedded, rest: &Rest, shop: Option<&Shop>) -> Result<Vec<Address>> {
    let kafka = match &embedded.broker {
        Some(broker) => {
            let usual = settings.port("embedded.broker.port")?;
            Address::new("Kafka", broker.bootstrap()).instead_of(usual, broker.addr().port())
        }
        None => Address::new("Kafka", settings.props.get("bootstrap.servers").map_or("", String::as_str)),
    };
    let mut addresses = vec![kafka];
    if let Some(store) = &embedded.store {
        let usual = settings.port("embedded.store.port")?;
        let keys = embedded.keys.as_ref().map(|file| format!("  (keys in {})", file.display()));
        let shown = format!("{}{}", store.endpoint(), keys.unwrap_or_default());
        addresses.push(Address::new("S3", shown).instead_of(usual, store.addr().port()));
    }
    let bound = rest.address.port();
    let usual = if settings.any_rest_port { rest.wanted } else { bound };
    addresses.push(Address::new("REST", format!("{}://{}", rest.scheme, rest.address)).instead_of(usual, bound));
    if let Some(shop) = shop {
        let usual = settings.port("demo.shop.port")?;
        addresses.push(Address::new("Shop", format!("http://{}", shop.addr())).instead_of(usual, shop.addr().port()));
    }
    Ok(addresses)
}

/// The environment variables that are text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
