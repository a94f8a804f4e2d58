//! Checks of a connector's configuration: the framework's properties, the plugin's, those of every transform, predicate
//! and converter it names, and combinations of them. The messages are Kafka Connect's where it has one.

mod clients;
mod exactly_once;
mod plugin_versions;
mod plugins;
mod result;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tributary_api::{
    ConfigDef, ConfigIssue, ConfigValue, Connector, Factory, Plugin, PluginKind, PluginRegistry, Props, Result,
};
use tributary_control::{Error, Status, ValidationResult};

pub(crate) use self::clients::check_worker as check_worker_clients;
use self::plugins::PluginCheck;
use crate::blocking_pool::BlockingPool;
use crate::config_transformer::ConfigTransformer;
use crate::connector_config::{self, with_limits};
use crate::definitions::connector_definition;
use crate::settings::WorkerSettings;

/// The framework's own checks may read files. How many run at a time, and how many wait.
const FRAMEWORK_DEADLINE: Duration = Duration::from_secs(20);
const FRAMEWORK_CALLS: usize = 4;
const FRAMEWORK_WAITING: usize = 1_000;
/// Together with the time in the queue this is less than the 90 s after which REST answers with a timeout.
const PLUGIN_DEADLINE: Duration = Duration::from_secs(45);
/// How many configurations of one class its plugin validates at a time, because it may wait for a server, and how many
/// wait.
const PLUGIN_CALLS: usize = 4;
const PLUGIN_WAITING: usize = 64;

/// Checks configurations for a worker. Checks that may block do not run on the runtime's threads: the framework's run
/// in one pool, the plugin's in a pool for each class, so that one whose server does not answer delays no other.
#[derive(Clone, Debug)]
pub(crate) struct Validator {
    pub(crate) settings: Arc<WorkerSettings>,
    pub(crate) plugins: PluginRegistry,
    pub(crate) transformer: ConfigTransformer,
    own: BlockingPool,
    by_class: Arc<Mutex<HashMap<String, BlockingPool>>>,
}

/// The result of the framework's checks.
struct FrameworkCheck {
    definition: ConfigDef,
    /// Variables resolved.
    props: Props,
    /// What the definition says of each property.
    values: Vec<ConfigValue>,
    issues: Vec<ConfigIssue>,
}

impl Validator {
    pub(crate) fn new(settings: Arc<WorkerSettings>, plugins: PluginRegistry, transformer: ConfigTransformer) -> Self {
        Self {
            settings,
            plugins,
            transformer,
            own: BlockingPool::new(FRAMEWORK_CALLS, FRAMEWORK_WAITING),
            by_class: Arc::default(),
        }
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
        let checked = {
            let (validator, plugin, raw) = (self.clone(), plugin.clone(), raw.clone());
            self.own.call("the validation", FRAMEWORK_DEADLINE, move || validator.check_framework(&plugin, &raw)).await
        };
        let mut checked = checked.and_then(|checked| checked).map_err(|error| self.to_rest_error(&error))?;
        let asked = self.ask_plugin(&plugin, &checked.props).await;
        checked.issues.extend(asked.map_err(|error| self.to_rest_error(&error))?);
        Ok(result::of(class, checked, raw, &self.plugins, self.transformer.redaction()))
    }

    /// Checks a configuration that is to be stored.
    ///
    /// # Errors
    /// 400 with every error found.
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

    /// The checks that need no connector, those of the definitions too. They may read files, and take long for a long
    /// configuration.
    fn check_framework(&self, plugin: &Plugin, raw: &Props) -> Result<FrameworkCheck> {
        let props = self.transformer.resolve(raw)?;
        let description = &plugin.description;
        let framework =
            connector_definition(description.kind, Some(&self.settings.defaults), &description.version, &props);
        let (parts, mut issues) = connector_config::check(&props, description.kind, &self.settings);
        clients::check(&props, description.kind, &self.settings, &parts, &mut issues);
        plugin_versions::check(&props, plugin, &self.plugins, &mut issues);
        let mut named =
            PluginCheck { props: &props, plugins: &self.plugins, host: description.kind, issues: &mut issues };
        let definition = named.chains(framework).embed("", None, &description.config);
        let definition = named.converters(definition);
        let definition = plugins::converter_versions(definition, &props, &self.settings.defaults, &self.plugins);
        let values = definition.validate(&props);
        Ok(FrameworkCheck { definition, props, values, issues })
    }

    /// The plugin's own checks.
    async fn ask_plugin(&self, plugin: &Plugin, props: &Props) -> Result<Vec<ConfigIssue>> {
        let factory = plugin.factory.clone();
        let (runtime, props) = (Handle::current(), with_limits(props, &self.settings));
        let (definition, settings) = (plugin.description.config.clone(), Arc::clone(&self.settings));
        let check = move || {
            // The plugin does not see a configuration that does not parse: it would report the same errors again.
            let Ok(config) = definition.parse(&props) else { return Ok(Vec::new()) };
            let (connector, mut issues) = match &factory {
                Factory::Source(source) => {
                    let connector = (source.connector)();
                    let refused = exactly_once::issues(&*connector, &config);
                    (Some(connector as Box<dyn Connector>), refused)
                }
                other => (other.connector(), Vec::new()),
            };
            let Some(mut connector) = connector else { return Ok(Vec::new()) };
            let of_error = |error| ConfigIssue::of_error(&error, "connector.class");
            match connector.topic_clients(&config) {
                Ok(opened) => clients::check_topic_clients(&opened, &props, &settings, &mut issues),
                Err(error) => issues.push(of_error(error)),
            }
            // A plugin that awaits is dropped at the deadline; one that blocks keeps its thread and its permit.
            let checked = runtime
                .block_on(async { tokio::time::timeout(PLUGIN_DEADLINE, connector.validate(&config)).await })
                .unwrap_or_else(|_| Err(late()));
            match checked {
                Ok(found) => issues.extend(found),
                // The configuration was not checked: that is no error in it.
                Err(error) if error.is_retriable() => return Err(error),
                Err(error) => issues.push(of_error(error)),
            }
            Ok(issues)
        };
        let pool = self.pool_of(&plugin.description.class);
        let checked = pool.call("validate", PLUGIN_DEADLINE + Duration::from_millis(100), check).await;
        match checked.and_then(|checked| checked) {
            Err(error) if !error.is_retriable() => Ok(vec![ConfigIssue::of_error(&error, "connector.class")]),
            checked => checked,
        }
    }

    fn pool_of(&self, class: &str) -> BlockingPool {
        let mut by_class = self.by_class.lock();
        by_class.entry(class.to_owned()).or_insert_with(|| BlockingPool::new(PLUGIN_CALLS, PLUGIN_WAITING)).clone()
    }

    fn to_rest_error(&self, error: &tributary_api::Error) -> Error {
        let status = match error.kind() {
            tributary_api::ErrorKind::Config => Status::BadRequest,
            tributary_api::ErrorKind::Retriable => Status::Unavailable,
            _ => Status::Internal,
        };
        Error::new(status, self.transformer.redaction().apply(&error.to_string()))
    }
}

fn late() -> tributary_api::Error {
    tributary_api::Error::fatal(format!("validate did not return within {} ms", PLUGIN_DEADLINE.as_millis()))
}

/// The names of the properties only, because values may be secrets.
fn names_only(props: &Props) -> String {
    format!("{{{}}}", props.keys().cloned().collect::<Vec<_>>().join(", "))
}
