use std::time::{Duration, Instant};

use anyhow::Result;
use tributary_tests::{Kafka, Usage, end_offsets};

use crate::peer::Peer;

/// What moving some records took.
pub(crate) struct Measurement {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) peak_rss_bytes: u64,
}

/// A stopwatch on a worker.
pub(crate) struct Stopwatch {
    begun: Instant,
    before: Usage,
}

impl Stopwatch {
    pub(crate) fn start(peer: &Peer) -> Result<Self> {
        Ok(Self { begun: Instant::now(), before: peer.usage()? })
    }

    pub(crate) fn stop(&self, peer: &Peer) -> Result<Measurement> {
        let (wall, after) = (self.begun.elapsed(), peer.usage()?);
        Ok(Measurement { wall, cpu: after.cpu - self.before.cpu, peak_rss_bytes: after.peak_rss_bytes })
    }
}

/// Records in a topic.
pub(crate) async fn records(kafka: &Kafka, topic: &str) -> Result<usize> {
    let ends = end_offsets(&kafka.bootstrap(), topic).await?;
    Ok(usize::try_from(ends.values().sum::<i64>())?)
}
