use std::time::Duration;

use tributary_api::{Offsets, Result};
use tributary_kafka::{GroupMetadata, Producer, ProducerRecord, TransactionError};

use super::transactional_output::CALL_TIMEOUT;

/// What a transaction whose end is not known can have written to: of records that were never acknowledged nobody knows the
/// partition, so these are all that were written to before.
#[derive(Default)]
pub(super) struct UncertainTransaction {
    partitions: Vec<(String, i32)>,
    offsets: Offsets,
    tries: u32,
}

impl UncertainTransaction {
    pub(super) fn new(partitions: Vec<(String, i32)>, offsets: Offsets) -> Self {
        Self { partitions, offsets, tries: 0 }
    }

    /// Ends what brokers may have left open of the transaction. A broker that decides about a transaction while it starts
    /// passes over partitions that have no leader yet, and never comes back to them (seen with 4.3.1): their readers wait for
    /// ever, and so do those of the group's offsets. A transaction of the same id that writes there ends both. It is
    /// aborted: where the one before was left open nowhere, it leaves no trace.
    ///
    /// # Errors
    /// When it is to be tried again, with another producer.
    pub(super) fn end_everywhere(&mut self, producer: &Producer, group: &str, timeout: Duration) -> Result<()> {
        const TRIES: u32 = 3;
        let Self { partitions, offsets, tries } = self;
        if partitions.is_empty() && offsets.is_empty() {
            return Ok(());
        }
        *tries += 1;
        let ended = abort_over(producer, partitions, offsets, group, timeout);
        if *tries < TRIES && ended.is_err() {
            return ended;
        }
        *self = Self::default();
        if let Err(error) = ended {
            tracing::warn!(%error, "could not make sure that the transaction before has ended everywhere");
        }
        Ok(())
    }
}

/// One transaction over partitions and offsets that is given up.
fn abort_over(
    producer: &Producer,
    partitions: &[(String, i32)],
    offsets: &Offsets,
    group: &str,
    timeout: Duration,
) -> Result<()> {
    producer.begin_transaction().map_err(TransactionError::into_error)?;
    for (topic, partition) in partitions {
        let record = ProducerRecord { topic, partition: Some(*partition), key: Some(&[]), ..ProducerRecord::default() };
        producer.send(&record, 0)?;
    }
    producer.flush(CALL_TIMEOUT.min(timeout))?;
    if let Some(group) = GroupMetadata::outside(group) {
        let sent = producer.send_offsets_to_transaction(offsets, &group, CALL_TIMEOUT.min(timeout));
        if let Err(error) = sent {
            // The group is part of the transaction all the same.
            tracing::debug!(%error, "offsets of nobody were not taken");
        }
    }
    producer.abort_transaction(timeout).map_err(TransactionError::into_error)
}
