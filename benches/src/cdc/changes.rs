//! Changes that are captured already when a connector goes on: it stands still while they are made.

use anyhow::{Result, ensure};
use serde_json::Value;
use tributary_tests::{Kafka, SqlClient, SqlServer};

use super::connector::BenchConnector;
use super::data::{self, CHANGES, DELETED, FIRST};
use crate::measure::{Stopwatch, records};
use crate::peer::{Kind, Peer};
use crate::report::Report;

/// Which changes, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    /// Inserts, updates and deletes in transactions of a hundred.
    Small(usize),
    /// New rows in one transaction.
    One(usize),
}

impl Of {
    fn changes(self) -> usize {
        match self {
            Self::Small(count) | Self::One(count) => count,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Small(count) => format!("CDC, {count} changes of a table"),
            Self::One(count) => format!("CDC, a transaction of {count} rows"),
        }
    }

    /// A deleted row has a tombstone.
    fn records(self) -> usize {
        match self {
            Self::Small(count) => count + count / CHANGES * DELETED,
            Self::One(count) => count,
        }
    }

    async fn make(self, client: &mut SqlClient) -> Result<()> {
        match self {
            Self::Small(count) => {
                for number in 1..=count / CHANGES {
                    client.run(&data::transaction(number)).await?;
                }
            }
            Self::One(count) => client.run(&data::thousands(FIRST, count / 1000)).await?,
        }
        client.scan().await
    }
}

pub(super) async fn run(kafka: &Kafka, kinds: &[Kind], rounds: usize, of: Of, report: &mut Report) -> Result<()> {
    let what = &of.name();
    let server = SqlServer::start(&["--stepped"]).await?;
    let mut client = data::create(&server).await?;
    client.scan().await?;
    let mut sides = Vec::new();
    for kind in kinds {
        sides.push(begin(kafka, *kind, &server).await?);
    }
    let begun = std::time::Instant::now();
    of.make(&mut client).await?;
    println!("  {what}: made and captured in {:.1} s", begun.elapsed().as_secs_f64());
    for _ in 0..rounds {
        for begun in &mut sides {
            begun.measure(kafka, what, of, report).await?;
        }
    }
    Ok(())
}

/// A connector that has read what there was, and is stopped with its worker.
struct StoppedConnector {
    connector: BenchConnector,
    peer: Peer,
    offset: Value,
}

async fn begin(kafka: &Kafka, kind: Kind, server: &SqlServer) -> Result<StoppedConnector> {
    let (mut peer, connector) = (Peer::start_for_cdc(kafka, kind).await?, BenchConnector::new(kafka, kind).await?);
    connector.post(kafka, &peer.rest(), server, &[]).await?;
    connector.wait_for(kafka, &peer.rest(), FIRST).await?;
    let offset = connector.offset(&peer.rest()).await?;
    connector.stop(&peer.rest()).await?;
    peer.end().await?;
    Ok(StoppedConnector { connector, peer, offset })
}

impl StoppedConnector {
    /// Reads all changes from where it stopped.
    async fn measure(&mut self, kafka: &Kafka, what: &str, of: Of, report: &mut Report) -> Result<()> {
        self.peer.restart().await?;
        let (rest, before) = (self.peer.rest(), records(kafka, &self.connector.topic()).await?);
        self.connector.go_back_to(&rest, &self.offset).await?;
        let watch = Stopwatch::start(&self.peer)?;
        self.connector.resume(&rest).await?;
        self.connector.wait_for(kafka, &rest, before + of.records()).await?;
        let took = watch.stop(&self.peer)?;
        super::add(report, what, self.connector.kind, of.changes(), &took);
        self.connector.stop(&rest).await?;
        let written = records(kafka, &self.connector.topic()).await? - before;
        ensure!(written == of.records(), "there are {written} records instead of {}", of.records());
        self.peer.end().await
    }
}
