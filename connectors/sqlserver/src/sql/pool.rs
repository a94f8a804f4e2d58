use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tributary_api::{Error, Result};

use super::{Client, Login};

/// A few connections that are opened when they are needed. One that was given up half-way through a statement, or whose
/// session was changed, is closed instead of being used again.
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

    /// A connection; waits while all are in use.
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

    /// Closes those that nobody uses: after an error they are as likely to be broken as the one that was.
    pub(crate) fn clear(&self) {
        self.shared.idle.lock().clear();
    }
}

/// A connection of the pool. Unless it is given back it is closed at the end: so are those of which a statement failed.
#[derive(Debug)]
pub(crate) struct Pooled {
    client: Client,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Pooled {
    /// For the next who needs one.
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
