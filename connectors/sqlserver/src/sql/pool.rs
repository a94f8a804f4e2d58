use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tributary_api::{Error, Result};

use super::{Client, Login};

/// A few connections, opened when they are needed. A connection whose statement was not read to its end, or whose
/// session settings were changed, is closed instead of being used again.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

#[derive(Debug)]
struct Shared {
    login: Login,
    idle: Mutex<Vec<Client>>,
}

impl Pool {
    pub(crate) fn new(login: Login, size: usize) -> Self {
        let shared = Arc::new(Shared { login, idle: Mutex::new(Vec::new()) });
        Self { shared, permits: Arc::new(Semaphore::new(size.max(1))) }
    }

    /// Waits while all connections are in use.
    pub(crate) async fn take(&self) -> Result<Pooled> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| Error::fatal("the connections are closed"))?;
        let idle = self.shared.idle.lock().pop();
        let client = match idle {
            Some(client) => client,
            None => Client::connect(&self.shared.login).await?,
        };
        Ok(Pooled { client, shared: Arc::clone(&self.shared), _permit: permit })
    }

    /// Closes the idle connections: after an error on one connection the others are likely to be broken as well.
    pub(crate) fn clear(&self) {
        self.shared.idle.lock().clear();
    }
}

/// A connection of the pool. It is closed when it is dropped without [`give_back`](Self::give_back), which is what
/// happens after a failed statement.
#[derive(Debug)]
pub(crate) struct Pooled {
    client: Client,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Pooled {
    /// Returns the connection to the pool.
    pub(crate) fn give_back(self) {
        if self.client.is_clean() {
            self.shared.idle.lock().push(self.client);
        }
    }
}

impl Deref for Pooled {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}
