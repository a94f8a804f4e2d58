//! Checks what brokers and producers accept, before a record's processing ends: at this point only that record fails.

use std::sync::Arc;

use bytes::Bytes;
use tributary_api::Error;
use tributary_kafka::Producer;
use tributary_state::{PartitionState, Savepoint};

use super::CLASS;
use crate::tasks::{Encoded, Failure, Stage};

const TOO_LARGE: &str = "org.apache.kafka.common.errors.RecordTooLargeException";

/// The maximum size of a written record.
pub(super) struct SizeLimit<'a> {
    pub(super) bytes: usize,
    pub(super) changelogs: &'a [String],
}

impl SizeLimit<'_> {
    /// Checks that all outputs and state changes of a record can be written.
    pub(super) fn check(
        &self,
        outputs: &[Encoded],
        before: usize,
        state: &PartitionState,
        savepoint: Savepoint,
    ) -> Result<(), Failure> {
        for output in outputs.iter().skip(before) {
            if !is_topic(&output.topic) {
                let text = format!("an output would go to {:?}, which is no name of a topic", output.topic);
                return Err(unwritten(Error::data(text)));
            }
            let bytes = Producer::record_bytes(output.size(), output.headers.iter().map(|_| 0));
            if bytes > self.bytes {
                return Err(self.too_large("an output for topic", &output.topic, bytes));
            }
        }
        for (slot, key, value) in state.changes_since(savepoint) {
            let bytes = Producer::record_bytes(key.len() + value.map_or(0, Bytes::len), std::iter::empty());
            if bytes > self.bytes {
                let topic = self.changelogs.get(slot.0).map_or("", String::as_str);
                return Err(self.too_large("the state of a key for topic", topic, bytes));
            }
        }
        Ok(())
    }

    #[cold]
    fn too_large(&self, what: &str, topic: &str, bytes: usize) -> Failure {
        let most = self.bytes;
        let text = format!(
            "{what} {topic} has {bytes} bytes and the producer takes {most}: raise producer.override.max.request.size and \
             the topic's max.message.bytes, or let a transform shorten it"
        );
        unwritten(Error::data(text).with_class(TOO_LARGE))
    }
}

/// Whether brokers accept a name for a topic.
fn is_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(legal)
}

#[cold]
pub(super) fn unwritten(error: Error) -> Failure {
    Failure::new(Stage::KafkaProduce, &Arc::from(CLASS), error)
}
