//! The snapshot of one large table.

use anyhow::{Result, ensure};
use tributary_tests::{Kafka, SqlServer};

use super::connector::BenchConnector;
use super::data::{self, FIRST};
use crate::measure::{Stopwatch, records};
use crate::peer::{Kind, Peer};
use crate::report::Report;

pub(super) async fn run(kafka: &Kafka, kinds: &[Kind], rounds: usize, count: usize, report: &mut Report) -> Result<()> {
    let server = SqlServer::start(&["--stepped"]).await?;
    let mut client = data::create(&server).await?;
    client.scan().await?;
    for first in (0..count / 1000).step_by(1000) {
        client.run(&data::thousands(FIRST + first * 1000, (count / 1000 - first).min(1000))).await?;
    }
    let what = format!("CDC, a snapshot of {count} rows");
    for _ in 0..rounds {
        for kind in kinds.iter().copied() {
            let (mut peer, connector) =
                (Peer::start_for_cdc(kafka, kind).await?, BenchConnector::new(kafka, kind).await?);
            let watch = Stopwatch::start(&peer)?;
            connector.post(kafka, &peer.rest(), &server, &[]).await?;
            connector.wait_for(kafka, &peer.rest(), FIRST + count).await?;
            let took = watch.stop(&peer)?;
            super::add(report, &what, kind, count, &took);
            connector.stop(&peer.rest()).await?;
            let written = records(kafka, &connector.topic()).await?;
            ensure!(written == FIRST + count, "there are {written} records instead of {}", FIRST + count);
            peer.end().await?;
        }
    }
    Ok(())
}
