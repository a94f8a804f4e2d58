use std::collections::HashMap;

use parking_lot::{Mutex, MutexGuard};
use tributary_api::{Error, RecordMetadata};
use tributary_kafka::{Delivery, DeliveryListener, Token};

/// The token of records whose position no listener asks for.
pub(super) const UNREPORTED: Token = Token::MAX;

/// The broker's answers to the records of the open transaction.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<State>);

#[derive(Debug, Default)]
pub(super) struct State {
    /// The first record that was not written: the transaction cannot be committed.
    pub(super) failure: Option<Error>,
    /// Where records were written, for the plugin's listener.
    pub(super) written: HashMap<Token, RecordMetadata>,
}

impl Reports {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Discards the answers of the previous transaction.
    pub(super) fn clear(&self) {
        *self.state() = State::default();
    }
}

impl DeliveryListener for Reports {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let mut state = self.state();
        for Delivery { token, result } in deliveries {
            match result {
                Ok(_) if *token == UNREPORTED => {}
                // A record may have several outputs under one token: the last one's position is reported.
                Ok(metadata) => drop(state.written.insert(*token, *metadata)),
                Err(error) => drop(state.failure.get_or_insert_with(|| (*error).clone())),
            }
        }
    }
}
