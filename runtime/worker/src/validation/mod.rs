//! Checks of a connector's configuration: the framework's properties, the plugin's, those of every transform, predicate
//! and converter it names, and what only the combination shows. The texts are Kafka Connect's where it has one.

mod clients;
mod plugins;
mod result;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::runtime::Handle;
use tributary_api::{ConfigDef, ConfigIssue, Connector, Factory, Plugin, PluginKind, PluginRegistry, Props, Result};
use tributary_control::{Error, Status, ValidationResult};

use crate::apart::Apart;
use crate::connector_config::{self, with_limits};
use crate::definitions::connector_definition;
use crate::settings::WorkerSettings;
use crate::variables::Variables;

/// What the framework looks at is here and in files.
const OWN_DEADLINE: Duration = Duration::from_secs(20);
const OWN_PLACES: usize = 4;
const OWN_WAITING: usize = 1_000;
/// With the wait for a turn it is less than the 90 s after which REST gives up.
const PLUGIN_DEADLINE: Duration = Duration::from_secs(45);
/// How many configurations of one class its plugin looks at at once: it may ask a server that does not answer.
const PLUGIN_PLACES: usize = 4;
const PLUGIN_WAITING: usize = 64;

/// Checks configurations for a worker. What may block is done apart from the runtime's threads: the framework's part in
/// places for all, the plugin's in places for its class, so that one whose server is away holds up no other.
#[derive(Clone, Debug)]
pub(crate) struct Validator {
    pub(crate) settings: Arc<WorkerSettings>,
    pub(crate) plugins: PluginRegistry,
    pub(crate) variables: Variables,
    own: Apart,
    by_class: Arc<Mutex<HashMap<String, Apart>>>,
}

/// What the framework found.
struct Judged {
    definition: ConfigDef,
    /// Variables resolved.
    props: Props,
    issues: Vec<ConfigIssue>,
}

impl Validator {
    pub(crate) fn new(settings: Arc<WorkerSettings>, plugins: PluginRegistry, variables: Variables) -> Self {
        Self { settings, plugins, variables, own: Apart::new(OWN_PLACES, OWN_WAITING), by_class: Arc::default() }
    }

    /// Every property with its value and what is wrong with it. Where a variable is written, its text is shown.
    ///
    /// # Errors
    /// 400 when there is no class, or nothing of that name; 503 when too many are being checked.
    pub(crate) async fn validate(&self, raw: &Props) -> Result<ValidationResult, Error> {
        let class = raw.get("connector.class").ok_or_else(|| {
            Error::bad_request(format!("Connector config {} contains no connector type", names_only(raw)))
        })?;
        let plugin = self.connector(class)?.clone();
        let judged = {
            let (validator, plugin, raw) = (self.clone(), plugin.clone(), raw.clone());
            self.own.call("the validation", OWN_DEADLINE, move || validator.judge(&plugin, &raw)).await
        };
        let mut judged = judged.and_then(|judged| judged).map_err(|error| self.told(&error))?;
        // A configuration that does not parse is not the plugin's to judge: it would say the same again.
        if plugin.description.config.parse(&judged.props).is_ok() {
            let asked = self.ask_plugin(&plugin, &judged.props).await;
            judged.issues.extend(asked.map_err(|error| self.told(&error))?);
        }
        Ok(result::of(class, judged, raw, &self.plugins, self.variables.redaction()))
    }

    /// Checks a configuration that is to be stored.
    ///
    /// # Errors
    /// 400 with every fault found.
    pub(crate) async fn ensure_valid(&self, raw: &Props) -> Result<(), Error> {
        let result = self.validate(raw).await?;
        if result.error_count == 0 {
            return Ok(());
        }
        let errors = result.configs.iter().flat_map(|(_, value)| &value.errors);
        let list: String = errors.map(|error| format!("{error}\n")).collect();
        Err(Error::bad_request(format!(
            "Connector configuration is invalid and contains the following {} error(s):\n{list}You can also find the \
             above list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`",
            result.error_count
        )))
    }

    /// The connector plugin of a class.
    ///
    /// # Errors
    /// 400 with the classes there are.
    pub(crate) fn connector(&self, class: &str) -> Result<&Plugin, Error> {
        self.plugins.find(class, PluginKind::is_connector).map_err(|_| {
            let known = self.plugins.iter().filter(|plugin| plugin.description.kind.is_connector());
            let known: Vec<&str> = known.map(|plugin| plugin.description.class.as_str()).collect();
            Error::bad_request(format!(
                "Failed to find any class that implements Connector and which name matches {class}, available \
                 connectors are: {}",
                known.join(", ")
            ))
        })
    }

    /// What can be said without the connector's own code. It reads files, and is long for a long configuration.
    fn judge(&self, plugin: &Plugin, raw: &Props) -> Result<Judged> {
        let props = self.variables.resolve(raw)?;
        let description = &plugin.description;
        let framework =
            connector_definition(description.kind, Some(&self.settings.defaults), &description.version, &props);
        let (_, mut issues) = connector_config::check(&props, description.kind, &self.settings);
        clients::check(&props, description.kind, &self.settings, &mut issues);
        let definition = plugins::enrich(framework, &props, &self.plugins, description.kind, &mut issues);
        let definition = definition.embed("", None, &description.config);
        let definition = plugins::converters(definition, &props, &self.plugins, &mut issues);
        Ok(Judged { definition, props, issues })
    }

    /// The plugin's own checks.
    async fn ask_plugin(&self, plugin: &Plugin, props: &Props) -> Result<Vec<ConfigIssue>> {
        let factory = plugin.factory.clone();
        let make = move || -> Option<Box<dyn AnyConnector>> {
            match factory {
                Factory::Source(source) => Some(Box::new((source.connector)())),
                Factory::Sink(sink) => Some(Box::new((sink.connector)())),
                _ => None,
            }
        };
        let (runtime, props) = (Handle::current(), with_limits(props, &self.settings));
        let check = move || {
            let Some(mut connector) = make() else { return Ok(Vec::new()) };
            // One that waits is given up at the deadline; one that blocks keeps its place.
            runtime
                .block_on(async { tokio::time::timeout(PLUGIN_DEADLINE, connector.validate(props)).await })
                .unwrap_or_else(|_| Err(late()))
        };
        let apart = self.place_of(&plugin.description.class);
        let checked = apart.call("validate", PLUGIN_DEADLINE + Duration::from_millis(100), check).await;
        match checked {
            Ok(Ok(issues)) => Ok(issues),
            // Nobody has looked at it: that is no fault of the configuration.
            Err(error) if error.is_retriable() => Err(error),
            Ok(Err(error)) | Err(error) => Ok(vec![ConfigIssue::of_error(&error, "connector.class")]),
        }
    }

    fn place_of(&self, class: &str) -> Apart {
        let mut by_class = self.by_class.lock().unwrap_or_else(PoisonError::into_inner);
        by_class.entry(class.to_owned()).or_insert_with(|| Apart::new(PLUGIN_PLACES, PLUGIN_WAITING)).clone()
    }

    fn told(&self, error: &tributary_api::Error) -> Error {
        let status = match error.kind() {
            tributary_api::ErrorKind::Config => Status::BadRequest,
            tributary_api::ErrorKind::Retriable => Status::Unavailable,
            _ => Status::Internal,
        };
        Error::new(status, self.variables.redaction().apply(&error.to_string()))
    }
}

fn late() -> tributary_api::Error {
    tributary_api::Error::fatal(format!("validate did not return within {} ms", PLUGIN_DEADLINE.as_millis()))
}

/// Sources and sinks alike.
trait AnyConnector {
    fn validate(&mut self, props: Props) -> futures::future::BoxFuture<'_, Result<Vec<ConfigIssue>>>;
}

impl<C: Connector + ?Sized> AnyConnector for Box<C> {
    fn validate(&mut self, props: Props) -> futures::future::BoxFuture<'_, Result<Vec<ConfigIssue>>> {
        // A connector is used from one thread only, but its futures must be `Send` to be boxed as one.
        let connector: &mut C = self;
        async move { Connector::validate(connector, &props).await }.boxed()
    }
}

/// Values may be secrets.
fn names_only(props: &Props) -> String {
    format!("{{{}}}", props.keys().cloned().collect::<Vec<_>>().join(", "))
}
