use tributary_api::{Error, Origin, Record, Result};
use tributary_kafka::Token;

use super::InFlight;
use super::deliveries::AckResult;
use crate::tasks::errors::{ErrorOperator, FailedRecord, Failure, Recovery};
use crate::tasks::{Encoded, Encoder, StatelessHost};

/// Records that are transformed, converted and sent together.
const CHUNK: usize = 1024;

/// A part of a batch on its way to the producer. Reused, so that its memory is.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) outputs: Vec<Encoded>,
    inputs: Vec<TrackedRecord>,
    /// Of each output, once it is tracked.
    pub(super) tokens: Vec<Token>,
    /// Inputs without an output: a transform dropped them, or they were skipped after an error.
    pub(super) unsent: Vec<(Origin, AckResult)>,
}

/// A record of the plugin's, and its outcome.
pub(super) struct TrackedRecord {
    pub(super) origin: Origin,
    pub(super) outputs: u32,
    bytes: usize,
    /// Why it was skipped.
    pub(super) lost: Option<Error>,
}

impl Chunk {
    /// Transforms and converts the next records, replacing the previous ones. `false` when the task is asked to stop
    /// during a retry.
    pub(super) async fn fill(
        &mut self,
        encoder: &mut Encoder,
        operator: &ErrorOperator,
        records: &mut std::vec::IntoIter<Record>,
        now: i64,
    ) -> Result<bool> {
        self.clear();
        let mut host = StatelessHost { now };
        let keeps_input = operator.retries() || operator.logs_records();
        while self.inputs.len() < CHUNK
            && let Some(mut record) = records.next()
        {
            let may_take = encoder.chain.is_empty() && !keeps_input;
            let origin = if may_take { std::mem::take(&mut record.origin) } else { record.origin.clone() };
            let kept = keeps_input.then(|| record.clone());
            let before = self.outputs.len();
            let mut lost = None;
            let outputs = match encoder.run(record, &mut host, &mut self.outputs) {
                Ok(outputs) => outputs,
                Err(failure) => {
                    let subject = kept.as_ref().map_or(FailedRecord::Origin(&origin), FailedRecord::Source);
                    let mut last = failure.error.clone();
                    let again = || {
                        let outcome = match &kept {
                            Some(record) => encoder.run(record.clone(), &mut host, &mut self.outputs),
                            None => Err(failure.clone()),
                        };
                        outcome.inspect_err(|failure: &Failure| last.clone_from(&failure.error))
                    };
                    match operator.recover(failure.clone(), subject, again).await? {
                        Recovery::Done(outputs) => outputs,
                        Recovery::Skipped => {
                            lost = Some(last);
                            0
                        }
                        Recovery::Stopped => return Ok(false),
                    }
                }
            };
            let mut bytes = 0;
            for output in &mut self.outputs[before..] {
                bytes += output.size();
                // Otherwise the client reads the clock for each record.
                output.timestamp.get_or_insert(now);
            }
            self.inputs.push(TrackedRecord { origin, outputs, bytes, lost });
        }
        Ok(true)
    }

    /// Adds the inputs to the queues of their partitions.
    pub(super) fn track(&mut self, in_flight: &mut InFlight) {
        for TrackedRecord { origin, outputs, bytes, lost } in self.inputs.drain(..) {
            if outputs == 0 {
                self.unsent.push((origin.clone(), lost.map_or(Ok(None), Err)));
            }
            let token = in_flight.track(origin, outputs, bytes);
            self.tokens.extend(std::iter::repeat_n(token, outputs as usize));
        }
    }

    /// The records that were filled in last, in order: each has as many of the outputs, in their order.
    pub(super) fn take_inputs(&mut self) -> Vec<TrackedRecord> {
        std::mem::take(&mut self.inputs)
    }

    /// Gives back what was taken, for its memory.
    pub(super) fn give_back(&mut self, outputs: Vec<Encoded>, inputs: Vec<TrackedRecord>) {
        (self.outputs, self.inputs) = (outputs, inputs);
    }

    fn clear(&mut self) {
        self.outputs.clear();
        self.inputs.clear();
        self.tokens.clear();
        self.unsent.clear();
    }
}
