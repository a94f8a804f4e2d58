use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tributary_api::{Error, RecordMetadata};
use tributary_kafka::{Delivery, DeliveryListener, Token};

/// The token of what nobody asks for again.
pub(super) const UNTOLD: Token = Token::MAX;

/// What the broker said of the records of the transaction at hand.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<State>);

#[derive(Debug, Default)]
pub(super) struct State {
    /// The first record that was not written: the transaction cannot be committed.
    pub(super) failure: Option<Error>,
    /// Where the records were written that the plugin is told of.
    pub(super) written: HashMap<Token, RecordMetadata>,
}

impl Reports {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the transaction before.
    pub(super) fn clear(&self) {
        *self.state() = State::default();
    }
}

impl DeliveryListener for Reports {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let mut state = self.state();
        for Delivery { token, result } in deliveries {
            match result {
                Ok(_) if *token == UNTOLD => {}
                // Of the outputs of one record the last counts, as for whoever waits for all of them.
                Ok(metadata) => drop(state.written.insert(*token, *metadata)),
                Err(error) => drop(state.failure.get_or_insert_with(|| (*error).clone())),
            }
        }
    }
}
