//! What the broker said about the records of a batch.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tributary_api::{Error, ErrorKind};
use tributary_kafka::{Delivery, DeliveryListener, Token};

/// Marks the tokens of outputs; changelog records have others.
pub(super) const OUTPUT: Token = 1 << 63;

/// Refused records remembered of a batch.
const MAX_REFUSED: usize = 1_000;

/// Records that the broker does not take.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: Error,
    /// Tokens of all that were refused: some of them only because they travelled together with a bad one.
    pub(super) tokens: Vec<Token>,
}

/// What the broker said about records since the last commit.
#[derive(Default)]
pub(super) struct Reports(Mutex<Said>);

#[derive(Default)]
pub(super) struct Said {
    /// By token, behind the last record.
    pub(super) ends: HashMap<Token, i64>,
    pub(super) failed: Option<Error>,
    pub(super) refusal: Option<Refusal>,
}

impl Said {
    pub(super) fn refuse(&mut self, token: Token, error: &Error) {
        let refusal = self.refusal.get_or_insert_with(|| Refusal { error: error.clone(), tokens: Vec::new() });
        if refusal.tokens.len() < MAX_REFUSED {
            refusal.tokens.push(token);
        }
    }
}

impl Reports {
    /// Another batch begins.
    pub(super) fn begin(&self) {
        *self.said() = Said::default();
    }

    pub(super) fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeliveryListener for Reports {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let mut said = self.said();
        for delivery in deliveries {
            match delivery.result {
                Ok(_) if delivery.token & OUTPUT != 0 => {}
                Ok(place) => {
                    let end = said.ends.entry(delivery.token).or_default();
                    *end = (place.offset + 1).max(*end);
                }
                Err(error) if error.kind() == ErrorKind::Data => said.refuse(delivery.token, error),
                Err(error) => drop(said.failed.get_or_insert_with(|| error.clone())),
            }
        }
    }
}
