use std::sync::{Arc, Mutex};

use tributary_api::{ConnectorContext, ConnectorHost, Error};

use super::lock;

/// Remembers what a connector asked for.
#[derive(Debug, Default)]
pub struct FakeConnectorHost {
    asked: Mutex<(usize, Vec<Error>)>,
}

impl FakeConnectorHost {
    /// A host without requests.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A context over this host, for a connector of the given name.
    pub fn context(self: &Arc<Self>, name: &str) -> ConnectorContext {
        ConnectorContext::new(name, self.clone())
    }

    /// How often new task configurations were asked for.
    pub fn reconfigurations(&self) -> usize {
        lock(&self.asked).0
    }

    /// The errors raised, in order.
    pub fn errors(&self) -> Vec<Error> {
        lock(&self.asked).1.clone()
    }
}

impl ConnectorHost for FakeConnectorHost {
    fn request_task_reconfiguration(&self) {
        lock(&self.asked).0 += 1;
    }

    fn raise_error(&self, error: Error) {
        lock(&self.asked).1.push(error);
    }
}
