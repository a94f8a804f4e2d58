//! Checks of a connector's configuration: the framework's properties, the plugin's, those of every transform, predicate
//! and converter it names, and what only the combination shows. The texts are Kafka Connect's where it has one.

mod limits;
mod plugins;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tributary_api::{
    ConfigDef, ConfigIssue, ConfigValue, Connector, Factory, Plugin, PluginKind, PluginRegistry, Props, Result,
};
use tributary_control::{Error, ValidationResult};

use crate::definitions::{connector_definition, recommended_converters};
use crate::settings::WorkerSettings;
use crate::supervision::PluginMailbox;
use crate::variables::Variables;

/// REST gives up after 90 s; the answer must come before.
const PLUGIN_DEADLINE: Duration = Duration::from_secs(60);

/// Checks configurations for a worker.
#[derive(Clone, Debug)]
pub(crate) struct Validator {
    pub(crate) settings: Arc<WorkerSettings>,
    pub(crate) plugins: PluginRegistry,
    pub(crate) variables: Variables,
}

impl Validator {
    /// Every property with its value and what is wrong with it.
    ///
    /// # Errors
    /// 400 when there is no class, or nothing of that name.
    pub(crate) async fn validate(&self, raw: &Props) -> Result<ValidationResult, Error> {
        let class = raw.get("connector.class").ok_or_else(|| {
            Error::bad_request(format!("Connector config {} contains no connector type", names_only(raw)))
        })?;
        let props = self.variables.resolve(raw)?;
        let plugin = self.connector(class)?;
        let description = &plugin.description;
        let framework = connector_definition(description.kind, &self.settings.defaults, &description.version, &props);
        let mut issues = rules::check(&props, plugin, &self.settings);
        let definition = plugins::enrich(framework, &props, &self.plugins, description.kind, &mut issues);
        let definition = definition.embed("", None, &description.config);
        let definition = plugins::converters(definition, &props, &self.plugins, &mut issues);
        issues.extend(self.ask_plugin(plugin, &props).await);
        Ok(result(class, &definition, &props, issues, &self.plugins))
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

    /// The plugin's own checks, apart from the caller.
    async fn ask_plugin(&self, plugin: &Plugin, props: &Props) -> Vec<ConfigIssue> {
        let factory = plugin.factory.clone();
        let make = move || -> Option<Box<dyn AnyConnector + Send>> {
            match factory {
                Factory::Source(source) => Some(Box::new((source.connector)())),
                Factory::Sink(sink) => Some(Box::new((sink.connector)())),
                _ => None,
            }
        };
        // A configuration that does not parse is not the plugin's to judge: it would say the same again.
        if plugin.description.config.parse(props).is_err() {
            return Vec::new();
        }
        let props = limits::with_limits(props, &self.settings);
        let checked = async {
            let mailbox = PluginMailbox::open(&self.settings.executor, make);
            mailbox
                .call("validate", PLUGIN_DEADLINE, move |connector| match connector {
                    Some(connector) => connector.validate(props),
                    None => futures::future::ready(Ok(Vec::new())).boxed(),
                })
                .await
        };
        checked.await.unwrap_or_else(|error| vec![ConfigIssue::new("connector.class", error.to_string())])
    }
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

fn result(
    class: &str,
    definition: &ConfigDef,
    props: &Props,
    issues: Vec<ConfigIssue>,
    plugins: &PluginRegistry,
) -> ValidationResult {
    let values = definition.validate(props);
    let keys = definition.keys().cloned().map(Some);
    let mut configs: Vec<_> =
        keys.zip(values).filter(|(key, _)| key.as_ref().is_none_or(|key| !key.internal)).collect();
    for issue in issues {
        match configs.iter_mut().find(|(_, value)| value.name == issue.name) {
            Some((_, value)) if value.errors.contains(&issue.message) => {}
            Some((_, value)) => value.errors.push(issue.message),
            None => configs.push((None, unknown(issue, props))),
        }
    }
    for (key, value) in &mut configs {
        let name = key.as_ref().map_or("", |key| key.name.as_str());
        match name {
            "key.converter" | "value.converter" => value.recommended_values = recommended_converters(plugins, false),
            "header.converter" => value.recommended_values = recommended_converters(plugins, true),
            _ if name.ends_with(".plugin.version") => value.recommended_values.extend(value.value.clone()),
            _ => {}
        }
    }
    ValidationResult {
        name: class.to_owned(),
        error_count: configs.iter().map(|(_, value)| value.errors.len()).sum(),
        groups: definition.groups(),
        configs,
    }
}

fn unknown(issue: ConfigIssue, props: &Props) -> ConfigValue {
    let value = props.get(&issue.name).cloned();
    ConfigValue { name: issue.name, value, recommended_values: Vec::new(), errors: vec![issue.message], visible: true }
}

/// Values may be secrets.
fn names_only(props: &Props) -> String {
    format!("{{{}}}", props.keys().cloned().collect::<Vec<_>>().join(", "))
}
