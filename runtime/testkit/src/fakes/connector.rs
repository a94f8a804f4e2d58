use std::sync::Arc;

use parking_lot::Mutex;
use tributary_api::{ConfigIssue, Connector, ConnectorContext, ConnectorHost, Error, Factory, Plugin, Props};

/// A host that records the requests of a connector.
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
        self.asked.lock().0
    }

    /// The errors that the connector has raised, in order.
    pub fn errors(&self) -> Vec<Error> {
        self.asked.lock().1.clone()
    }
}

impl ConnectorHost for FakeConnectorHost {
    fn request_task_reconfiguration(&self) {
        self.asked.lock().0 += 1;
    }

    fn raise_error(&self, error: Error) {
        self.asked.lock().1.push(error);
    }
}

/// The issues that `/validate` reports for a connector's own properties: the first one that its definition finds, or else
/// those of the connector's `validate`.
pub async fn validate(plugin: &Plugin, props: &Props) -> Vec<ConfigIssue> {
    let mut connector: Box<dyn Connector> = match &plugin.factory {
        Factory::Source(factory) => (factory.connector)(),
        Factory::Sink(factory) => (factory.connector)(),
        _ => return vec![ConfigIssue::new("connector.class", "is not a connector")],
    };
    let checked = match plugin.description.config.parse(props) {
        Ok(config) => connector.validate(&config).await,
        Err(error) => Err(error),
    };
    checked.unwrap_or_else(|error| vec![ConfigIssue::of_error(&error, "connector.class")])
}
