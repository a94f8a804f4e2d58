//! The delivery reports of a batch's records.

use std::collections::{HashMap, HashSet};

use parking_lot::{Mutex, MutexGuard};
use tributary_api::{Error, ErrorKind};
use tributary_kafka::{Delivery, DeliveryListener, Token};

/// The bit that marks the tokens of outputs; those of changelog records do not have it.
pub(super) const OUTPUT: Token = 1 << 63;
/// The bits from here on hold the index of an output's topic; those below, the index of its origin.
const TOPIC: u32 = 32;

/// The token of an output: the index of its topic, and the index in the batch of the record or timer it comes from.
pub(super) fn output_token(topic: usize, origin: usize) -> Token {
    OUTPUT | (((topic as u64) << TOPIC) & !OUTPUT) | (origin as u64 & u64::from(u32::MAX))
}

/// The index of an output's origin; none for a changelog record.
pub(super) fn origin(token: Token) -> Option<usize> {
    (token & OUTPUT != 0).then_some((token & u64::from(u32::MAX)) as usize)
}

/// The maximum number of refused records that are kept for a batch.
const MAX_REFUSED: usize = 1_000;

/// Records that the broker refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: Error,
    /// The tokens of all refused records; some may have been refused only because they were in the same request as a
    /// bad one.
    pub(super) tokens: Vec<Token>,
}

/// The delivery reports since the last commit.
#[derive(Default)]
pub(super) struct DeliveryReports(Mutex<DeliveryState>);

#[derive(Default)]
pub(super) struct DeliveryState {
    /// By token, the offset after the last record.
    pub(super) ends: HashMap<Token, i64>,
    /// All topics (as indexes) and partitions to which outputs were written so far.
    pub(super) outputs: HashSet<(usize, i32)>,
    pub(super) failed: Option<Error>,
    pub(super) refusal: Option<Refusal>,
}

impl DeliveryState {
    pub(super) fn refuse(&mut self, token: Token, error: &Error) {
        let refusal = self.refusal.get_or_insert_with(|| Refusal { error: error.clone(), tokens: Vec::new() });
        if refusal.tokens.len() < MAX_REFUSED {
            refusal.tokens.push(token);
        }
    }
}

impl DeliveryReports {
    /// Another batch begins.
    pub(super) fn begin(&self) {
        let mut reported = self.state();
        let outputs = std::mem::take(&mut reported.outputs);
        *reported = DeliveryState { outputs, ..DeliveryState::default() };
    }

    pub(super) fn state(&self) -> MutexGuard<'_, DeliveryState> {
        self.0.lock()
    }
}

impl DeliveryListener for DeliveryReports {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let mut reported = self.state();
        for delivery in deliveries {
            match delivery.result {
                Ok(place) if delivery.token & OUTPUT != 0 => {
                    let topic = ((delivery.token & !OUTPUT) >> TOPIC) as usize;
                    reported.outputs.insert((topic, place.partition));
                }
                Ok(place) => {
                    let end = reported.ends.entry(delivery.token).or_default();
                    *end = (place.offset + 1).max(*end);
                }
                Err(error) if error.kind() == ErrorKind::Data => reported.refuse(delivery.token, error),
                Err(error) => drop(reported.failed.get_or_insert_with(|| error.clone())),
            }
        }
    }
}
