use std::time::Duration;

use anyhow::Result;
use tributary_tests::{Bento, Connect, ConnectOptions, Kafka, RestClient, Tributary, Usage, WorkerOptions, unique};

const FLUSH: &str = "offset.flush.interval.ms";

/// The measured system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Tributary with its defaults.
    Tributary,
    /// The Java worker with its defaults.
    ConnectDefault,
    /// The Java worker with plugins found by service files, larger batches and a larger read.
    ConnectTuned,
    /// Bento, where it has the connectors.
    Bento,
}

impl Kind {
    /// Those with Kafka Connect's own connectors.
    pub(crate) const ALL: [Self; 3] = [Self::Tributary, Self::ConnectDefault, Self::ConnectTuned];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tributary => "Tributary",
            Self::ConnectDefault => "Connect",
            Self::ConnectTuned => "Connect, tuned",
            Self::Bento => "Bento",
        }
    }

    /// What is added to a source's configuration.
    pub(crate) fn source_tuning(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::ConnectTuned => &[
                ("batch.size", "10000"),
                ("producer.override.batch.size", "131072"),
                ("producer.override.linger.ms", "5"),
            ],
            _ => &[],
        }
    }
}

/// A worker that runs.
pub(crate) enum Peer {
    Tributary(Box<Tributary>),
    Connect(Connect),
    Bento(Bento),
}

impl Peer {
    /// With offsets stored once a second, which belongs to what is measured where records flow.
    pub(crate) async fn start(kafka: &Kafka, kind: Kind) -> Result<Self> {
        Self::start_with(kafka, kind, "1000").await
    }

    /// With the interval of storing offsets that both have by default.
    pub(crate) async fn start_as_shipped(kafka: &Kafka, kind: Kind) -> Result<Self> {
        Self::start_with(kafka, kind, "60000").await
    }

    /// With Debezium's connector for SQL Server, which Tributary has as it is, and offsets stored once a second.
    pub(crate) async fn start_for_cdc(kafka: &Kafka, kind: Kind) -> Result<Self> {
        match kind {
            Kind::ConnectDefault | Kind::ConnectTuned => {
                let options = ConnectOptions::default().group(unique("bench")).debezium();
                Ok(Self::Connect(Connect::start(kafka, options.set(FLUSH, "1000")).await?))
            }
            Kind::Tributary | Kind::Bento => Self::start(kafka, kind).await,
        }
    }

    async fn start_with(kafka: &Kafka, kind: Kind, flush_ms: &str) -> Result<Self> {
        let (group, flush) = (unique("bench"), FLUSH);
        Ok(match kind {
            Kind::Tributary => {
                let options = WorkerOptions::on_kafka(kafka, &group).set(flush, flush_ms);
                Self::Tributary(Box::new(Tributary::start(options.stop_within(Duration::from_secs(60))).await?))
            }
            Kind::ConnectDefault => {
                let options = ConnectOptions::default().group(group).set("plugin.discovery", "hybrid_warn");
                Self::Connect(Connect::start(kafka, options.set(flush, flush_ms)).await?)
            }
            Kind::ConnectTuned => {
                let options = ConnectOptions::default().group(group).set(flush, flush_ms);
                Self::Connect(Connect::start(kafka, options).await?)
            }
            Kind::Bento => Self::Bento(Bento::start().await?),
        })
    }

    pub(crate) async fn restart(&mut self) -> Result<()> {
        match self {
            Self::Tributary(worker) => worker.restart().await,
            Self::Connect(worker) => worker.restart().await,
            Self::Bento(_) => anyhow::bail!("Bento keeps no connectors"),
        }
    }

    pub(crate) fn rest(&self) -> RestClient {
        match self {
            Self::Tributary(worker) => worker.rest(),
            Self::Connect(worker) => worker.rest(),
            Self::Bento(worker) => worker.rest(),
        }
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        match self {
            Self::Tributary(worker) => worker.usage(),
            Self::Connect(worker) => worker.usage(),
            Self::Bento(worker) => worker.usage(),
        }
    }

    pub(crate) fn startup(&self) -> Duration {
        match self {
            Self::Tributary(worker) => worker.startup(),
            Self::Connect(worker) => worker.startup(),
            Self::Bento(worker) => worker.startup(),
        }
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        self.end().await
    }

    /// Ends it in order; [`restart`](Self::restart) starts it again.
    pub(crate) async fn end(&mut self) -> Result<()> {
        match self {
            Self::Tributary(worker) => worker.stop().await,
            Self::Connect(worker) => worker.stop().await,
            Self::Bento(worker) => worker.stop().await,
        }
    }
}
