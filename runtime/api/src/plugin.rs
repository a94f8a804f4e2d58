use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Config, ConfigDef, ConfigProvider, Converter, Error, HeaderConverter, Predicate, Result, SinkConnector, SinkTask,
    SourceConnector, SourceTask, Transformation,
};

/// The version of Apache Kafka whose Connect this is: what clients are told, and what its own plugins answer.
pub const KAFKA_VERSION: &str = "4.3.1";

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginKind {
    /// A sink connector.
    Sink,
    /// A source connector.
    Source,
    /// A connector that hosts stateful transforms between topics; the runtime's own.
    Processor,
    /// A transform.
    Transformation,
    /// A predicate.
    Predicate,
    /// A converter of keys and values.
    Converter,
    /// A converter of headers.
    HeaderConverter,
    /// A source of configuration values.
    ConfigProvider,
}

impl PluginKind {
    /// The name that Kafka Connect's REST API shows. A processor shows as a sink: its offsets are a consumer group's.
    pub fn rest_name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink | Self::Processor => "sink",
            Self::Transformation => "transformation",
            Self::Predicate => "predicate",
            Self::Converter => "converter",
            Self::HeaderConverter => "header_converter",
            Self::ConfigProvider => "config_provider",
        }
    }

    /// Whether it is a connector.
    pub fn is_connector(self) -> bool {
        matches!(self, Self::Source | Self::Sink | Self::Processor)
    }

    /// The ending that a short alias may leave out.
    fn suffix(self) -> &'static str {
        match self {
            Self::Source | Self::Sink | Self::Processor => "Connector",
            Self::Transformation => "Transformation",
            Self::Predicate => "Predicate",
            Self::Converter => "Converter",
            Self::HeaderConverter => "HeaderConverter",
            Self::ConfigProvider => "ConfigProvider",
        }
    }
}

/// All that is known of a plugin without making one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginDescription {
    /// The class name, in full: the Java one where the plugin stands for a Java plugin.
    pub class: String,
    /// Further full names under which it is known.
    pub aliases: Vec<String>,
    /// The version that REST shows.
    pub version: String,
    /// What it is.
    pub kind: PluginKind,
    /// Its properties.
    pub config: ConfigDef,
    /// A transform that runs only in a processor, for it needs state there.
    pub needs_processor: bool,
    /// One paragraph for the generated documentation.
    pub doc: String,
}

/// Makes connectors and tasks of a source.
#[derive(Clone)]
pub struct SourceFactory {
    /// A connector that is not started.
    pub connector: Arc<dyn Fn() -> Box<dyn SourceConnector> + Send + Sync>,
    /// A task that is not started.
    pub task: Arc<dyn Fn() -> Box<dyn SourceTask> + Send + Sync>,
    /// The Java class name of the task, shown as `task.class`.
    pub task_class: String,
}

/// Makes connectors and tasks of a sink.
#[derive(Clone)]
pub struct SinkFactory {
    /// A connector that is not started.
    pub connector: Arc<dyn Fn() -> Box<dyn SinkConnector> + Send + Sync>,
    /// A task that is not started.
    pub task: Arc<dyn Fn() -> Box<dyn SinkTask> + Send + Sync>,
    /// The Java class name of the task, shown as `task.class`.
    pub task_class: String,
}

/// Makes a transform from its parsed configuration.
pub type TransformationFactory = Arc<dyn Fn(&Config) -> Result<Box<dyn Transformation>> + Send + Sync>;
/// Makes a predicate from its parsed configuration.
pub type PredicateFactory = Arc<dyn Fn(&Config) -> Result<Box<dyn Predicate>> + Send + Sync>;
/// Makes a converter from its parsed configuration, for keys (`true`) or values.
pub type ConverterFactory = Arc<dyn Fn(&Config, bool) -> Result<Box<dyn Converter>> + Send + Sync>;
/// Makes a header converter from its parsed configuration.
pub type HeaderConverterFactory = Arc<dyn Fn(&Config) -> Result<Box<dyn HeaderConverter>> + Send + Sync>;
/// Makes a configuration provider from its parsed configuration.
pub type ConfigProviderFactory = Arc<dyn Fn(&Config) -> Result<Box<dyn ConfigProvider>> + Send + Sync>;

/// Makes instances.
#[derive(Clone)]
#[allow(missing_debug_implementations)] // closures have none; `Plugin` prints what there is to say
pub enum Factory {
    /// Of a source.
    Source(SourceFactory),
    /// Of a sink.
    Sink(SinkFactory),
    /// The runtime runs it itself.
    Processor,
    /// Of a transform.
    Transformation(TransformationFactory),
    /// Of a predicate.
    Predicate(PredicateFactory),
    /// Of a converter.
    Converter(ConverterFactory),
    /// Of a header converter.
    HeaderConverter(HeaderConverterFactory),
    /// Of a configuration provider.
    ConfigProvider(ConfigProviderFactory),
}

/// A plugin: its description and how to make one.
#[derive(Clone)]
pub struct Plugin {
    /// What is known of it.
    pub description: PluginDescription,
    /// How to make one.
    pub factory: Factory,
}

impl Plugin {
    /// A plugin of a class; its kind is that of the factory, its version the runtime's, or Kafka's where it stands for
    /// one of Kafka's own.
    pub fn new(class: impl Into<String>, config: ConfigDef, factory: Factory) -> Self {
        let class = class.into();
        let kafkas = class.starts_with("org.apache.kafka.");
        let kind = match &factory {
            Factory::Source(_) => PluginKind::Source,
            Factory::Sink(_) => PluginKind::Sink,
            Factory::Processor => PluginKind::Processor,
            Factory::Transformation(_) => PluginKind::Transformation,
            Factory::Predicate(_) => PluginKind::Predicate,
            Factory::Converter(_) => PluginKind::Converter,
            Factory::HeaderConverter(_) => PluginKind::HeaderConverter,
            Factory::ConfigProvider(_) => PluginKind::ConfigProvider,
        };
        let description = PluginDescription {
            class,
            aliases: Vec::new(),
            version: if kafkas { KAFKA_VERSION } else { env!("CARGO_PKG_VERSION") }.to_owned(),
            kind,
            config,
            needs_processor: false,
            doc: String::new(),
        };
        Self { description, factory }
    }

    /// The same plugin, known by one more full name.
    #[must_use]
    pub fn alias(mut self, class: impl Into<String>) -> Self {
        self.description.aliases.push(class.into());
        self
    }

    /// The same plugin with another version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.description.version = version.into();
        self
    }

    /// The same plugin with a paragraph of documentation.
    #[must_use]
    pub fn doc(mut self, doc: impl Into<String>) -> Self {
        self.description.doc = doc.into();
        self
    }

    /// The same transform, which runs only in a processor.
    #[must_use]
    pub fn needs_processor(mut self) -> Self {
        self.description.needs_processor = true;
        self
    }

    fn answers_to(&self, name: &str) -> bool {
        let PluginDescription { class, aliases, kind, .. } = &self.description;
        let full = || std::iter::once(class).chain(aliases);
        full().any(|class| class == name)
            || full().any(|class| {
                let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
                // `InsertField$Value` is told from `InsertField$Key` by both parts.
                let simple = if class.contains('$') { class.rsplit('.').next().unwrap_or(class) } else { simple };
                simple == name || simple.strip_suffix(kind.suffix()) == Some(name)
            })
    }
}

impl fmt::Debug for SourceFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceFactory({})", self.task_class)
    }
}

impl fmt::Debug for SinkFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SinkFactory({})", self.task_class)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugin({:?} {})", self.description.kind, self.description.class)
    }
}

/// The plugins of a worker. Explicit data: make one with what a worker or a test should have.
///
/// A plugin is found by its full class name, by its simple name (`FileStreamSourceConnector`) or by its simple name
/// without the ending of its kind (`FileStreamSource`). A cheap handle: each task has one.
#[derive(Clone, Debug, Default)]
pub struct PluginRegistry(Arc<Vec<Plugin>>);

impl PluginRegistry {
    /// A registry of these plugins.
    pub fn new(plugins: impl IntoIterator<Item = Plugin>) -> Self {
        Self(Arc::new(plugins.into_iter().collect()))
    }

    /// The same registry with one more.
    #[must_use]
    pub fn with(mut self, plugin: Plugin) -> Self {
        Arc::make_mut(&mut self.0).push(plugin);
        self
    }

    /// The same registry without a class.
    #[must_use]
    pub fn without(mut self, class: &str) -> Self {
        Arc::make_mut(&mut self.0).retain(|plugin| plugin.description.class != class);
        self
    }

    /// All plugins, in the order they were registered.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.0.iter()
    }

    /// The plugin of a name among those that pass the filter.
    ///
    /// # Errors
    /// `Config`, with the names there are, when there is none or the name could mean several.
    pub fn find(&self, name: &str, filter: impl Fn(PluginKind) -> bool) -> Result<&Plugin> {
        let of_kind = || self.0.iter().filter(|plugin| filter(plugin.description.kind));
        if let Some(plugin) = of_kind().find(|plugin| plugin.description.class == name) {
            return Ok(plugin);
        }
        let found: Vec<&Plugin> = of_kind().filter(|plugin| plugin.answers_to(name)).collect();
        let names = |plugins: &mut dyn Iterator<Item = &Plugin>| {
            plugins.map(|plugin| plugin.description.class.as_str()).collect::<Vec<_>>().join(", ")
        };
        // One class may be of several kinds, as converters are that do for headers too.
        let one_class = || found.iter().all(|plugin| plugin.description.class == found[0].description.class);
        match found[..] {
            [plugin, ..] if one_class() => Ok(plugin),
            [] => Err(Error::config(format!("no plugin matches {name}; there are: {}", names(&mut of_kind())))),
            _ => Err(Error::config(format!(
                "more than one plugin matches {name}: write the full name of one of {}",
                names(&mut found.iter().copied())
            ))),
        }
    }
}
