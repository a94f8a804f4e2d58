use std::time::Duration;

use tributary_api::{Offsets, Result};
use tributary_kafka::{GroupMetadata, Producer, ProducerRecord, TransactionError};

use super::transactional_output::CALL_TIMEOUT;

/// What a transaction with an unknown outcome may have written to. The partitions of unacknowledged records are not
/// known, so this is every partition written to so far.
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

    /// Ends the transaction on partitions where brokers may have left it open. A broker that resolves a transaction
    /// while it starts skips partitions that have no leader yet and does not return to them (seen with 4.3.1): readers
    /// of these partitions, and of the group's offsets, would wait without end. Another transaction of the same id that
    /// writes to them ends both. It is aborted, so it has no effect where nothing was left open.
    ///
    /// # Errors
    /// When it must be tried again with another producer.
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
            tracing::warn!(%error, "could not ensure that the previous transaction has ended on all partitions");
        }
        Ok(())
    }
}

/// Writes to all partitions and offsets in one transaction and aborts it.
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
            // The group has been added to the transaction even so.
            tracing::debug!(%error, "the broker refused the offsets of the aborted transaction");
        }
    }
    producer.abort_transaction(timeout).map_err(TransactionError::into_error)
}
