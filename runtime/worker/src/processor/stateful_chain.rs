use std::sync::Arc;

use tributary_api::{Error, Records, Result, Timer};
use tributary_kafka::RawRecord;
use tributary_state::PartitionState;

use super::size_limit::{SizeLimit, unwritten};
use super::transform_stores::StateHost;
use super::{CLASS, Tables, TransformStores};
use crate::tasks::{Decoder, Encoded, Encoder, ErrorOperator, FailedRecord, Failure, Recovery, Stage};

/// The chain of transforms with what it uses: converters, stores, tables, and what is done about a record that fails.
/// One that fails leaves no change in state or outputs.
pub(super) struct StatefulChain {
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    pub(super) stores: TransformStores,
    pub(super) tables: Tables,
    pub(super) operator: ErrorOperator,
}

/// What one record or timer is processed with.
pub(super) struct Step<'a> {
    pub(super) now: i64,
    /// The input partition, and how many the input topics have.
    pub(super) partition: (i32, i32),
    /// The state of its partition.
    pub(super) state: &'a mut PartitionState,
    pub(super) size_limit: SizeLimit<'a>,
    /// The broker's error of an earlier try: it fails without another one.
    pub(super) refused: Option<Error>,
}

impl StatefulChain {
    /// Lets the tables follow their topics, and the transforms take in what has changed.
    ///
    /// # Errors
    /// When a topic cannot be read or a row cannot be converted; a transform's own.
    pub(super) fn between_transactions(&mut self, now: i64) -> Result<()> {
        let Self { encoder, stores, tables, operator, .. } = self;
        tables.follow(operator)?;
        encoder.chain.between_transactions(|stage, transform| {
            transform.between_transactions(now, &tables.of(stores.tables_of(stage)))
        })
    }

    /// Fires one timer.
    ///
    /// # Errors
    /// When it fails and the error is not tolerated.
    pub(super) fn fire(&mut self, timer: &Timer, step: Step<'_>, outputs: &mut Vec<Encoded>) -> Result<()> {
        let Self { encoder, stores, tables, operator, .. } = self;
        let Step { now, partition, state, size_limit, refused } = step;
        state.cancel(&timer.key)?;
        let (savepoint, before) = (state.savepoint(), outputs.len());
        let fired = match refused {
            Some(error) => Err(unwritten(error)),
            None => fire(encoder, timer, StateHost { now, stores, tables, state, partition, transform: 0 }, outputs)
                .and_then(|()| size_limit.check(outputs, before, state, savepoint)),
        };
        fired.or_else(|failure| {
            state.rollback(savepoint);
            outputs.truncate(before);
            operator.give_up(&failure, FailedRecord::Unknown)
        })
    }

    /// Passes one record through the chain. `false` when the task is
    /// asked to stop during a retry.
    ///
    /// # Errors
    /// When it fails and the error is not tolerated.
    pub(super) async fn process(
        &mut self,
        raw: &RawRecord,
        step: Step<'_>,
        outputs: &mut Vec<Encoded>,
    ) -> Result<bool> {
        let Self { decoder, encoder, stores, tables, operator } = self;
        let Step { now, partition, state, size_limit, refused } = step;
        let lacks_key = raw.key.is_none() && partition.1 > 1 && stores.layout.names().len() > 1;
        let mut attempt = |raw: RawRecord| {
            let (savepoint, before) = (state.savepoint(), outputs.len());
            let done = decoder.decode(raw).and_then(|mut record| {
                record.partition = None; // outputs are partitioned by key
                let mut host = StateHost { now, stores, tables, state, partition, transform: 0 };
                encoder.run(record, &mut host, outputs)?;
                size_limit.check(outputs, before, state, savepoint)
            });
            if done.is_err() {
                outputs.truncate(before);
                state.rollback(savepoint);
            }
            done
        };
        let failed = match refused {
            Some(error) => Some(unwritten(error)),
            None if lacks_key => Some(without_key(partition.1)),
            None => attempt(raw.clone()).err(),
        };
        let Some(failure) = failed else { return Ok(true) };
        let again = || attempt(raw.clone());
        Ok(operator.recover(failure, FailedRecord::Consumed(raw), again).await? != Recovery::Stopped)
    }
}

/// State is kept by partition, and records without a key are in any partition.
#[cold]
fn without_key(partitions: i32) -> Failure {
    let text = format!(
        "record has no key: in a topic of {partitions} partitions the state it belongs to cannot be found; key the topic by \
         what its state is kept for"
    );
    Failure::new(Stage::Transformation, &Arc::from(CLASS), Error::data(text))
}

fn fire(
    encoder: &mut Encoder,
    timer: &Timer,
    mut host: StateHost<'_>,
    outputs: &mut Vec<Encoded>,
) -> Result<(), Failure> {
    let Some((link, timer)) = host.stores.owner(timer) else {
        tracing::warn!("dropped a timer whose transform is no longer configured");
        return Ok(());
    };
    let records = match encoder.chain.on_timer(link, timer, &mut host)? {
        Records::None => Vec::new(),
        Records::One(record) => vec![record],
        Records::Many(records) => records,
    };
    for record in records {
        outputs.push(encoder.encode(record)?);
    }
    Ok(())
}
