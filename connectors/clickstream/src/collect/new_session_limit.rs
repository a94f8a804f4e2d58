use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::http::Client;

const PERIOD: Duration = Duration::from_secs(60);
/// The maximum number of clients counted at a time. With more in one period all counts start again: memory is limited,
/// and a limit for each address does not stop a client with this many addresses.
const MAX_CLIENTS: usize = 50_000;

/// Limits the sessions that each client starts: up to a number at once, and as many in each minute.
#[derive(Debug)]
pub(super) struct NewSessionLimit {
    interval: Duration,
    /// When each client's allowance will be full again.
    available_at: Mutex<HashMap<Client, Instant>>,
}

impl NewSessionLimit {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { interval: PERIOD / per_minute.max(1), available_at: Mutex::default() }
    }

    /// Counts a new session.
    ///
    /// # Errors
    /// How long to wait, when the limit is reached.
    pub(super) fn admit(&self, client: Client) -> Result<(), Duration> {
        if !client.is_limited() {
            return Ok(());
        }
        let now = Instant::now();
        let mut available_at = self.available_at.lock();
        if available_at.len() >= MAX_CLIENTS && !available_at.contains_key(&client) {
            available_at.retain(|_, at| *at > now);
            if available_at.len() >= MAX_CLIENTS {
                tracing::warn!(
                    clients = MAX_CLIENTS,
                    "new sessions come from too many addresses: their counts are reset"
                );
                available_at.clear();
            }
        }
        let next = available_at.get(&client).copied().unwrap_or(now).max(now) + self.interval;
        match next.duration_since(now).checked_sub(PERIOD) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                available_at.insert(client, next);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_begins_so_many_sessions_in_a_minute() {
        let new_session_limit = NewSessionLimit::new(60);
        let [one, other] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(|address| Client::of(address.into()));
        let begun = |client| (0..100).filter(|_| new_session_limit.admit(client).is_ok()).count();
        assert_eq!(begun(one), 60);
        assert_eq!(new_session_limit.admit(one), Err(Duration::from_secs(1)));
        assert_eq!(begun(other), 60);
        assert_eq!(begun(Client::UNKNOWN), 100);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(begun(one), 10);
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(begun(one), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_of_clients_has_an_end() {
        let new_session_limit = NewSessionLimit::new(1);
        for number in 0..u32::try_from(MAX_CLIENTS + 10).unwrap() {
            assert!(new_session_limit.admit(Client::of((0x0b00_0000 + number).to_be_bytes().into())).is_ok());
        }
        assert!(new_session_limit.available_at.lock().len() <= MAX_CLIENTS);
    }
}
