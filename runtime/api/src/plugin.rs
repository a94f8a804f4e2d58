use std::fmt;
use std::sync::Arc;

use crate::deferred::Deferred;
use crate::{
    Config, ConfigDef, ConfigProvider, Connector, Converter, ConverterOptions, HeaderConverter, Predicate,
    RequestHandler, RequestHandlerFactory, Result, SinkConnector, SinkTask, SinkTaskContext, SourceConnector,
    SourceTask, SourceTaskContext, Transformation,
};

/// The version of Apache Kafka Connect that this corresponds to: it is reported to clients and as the version of
/// Kafka's own plugins.
pub const KAFKA_VERSION: &str = "4.3.1";

/// The version of this contract: what a plugin may rely on beyond the types that the compiler checks. It rises when a
/// plugin that was right before could do harm now. [`PluginRegistry`](crate::PluginRegistry) refuses plugins of another one.
pub const API_VERSION: u32 = 1;

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
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
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PluginDescription {
    /// The full class name: the Java one if the plugin replaces a Java plugin.
    pub class: String,
    /// Further full names under which it is known.
    pub aliases: Vec<String>,
    /// The version that REST shows: of the author's own choice.
    pub version: String,
    /// The version of the contract that it was written for: [`API_VERSION`] unless set.
    pub api_version: u32,
    /// What it is.
    pub kind: PluginKind,
    /// Its properties.
    pub config: ConfigDef,
    /// A transform that runs only in a processor, for it needs state there.
    pub needs_processor: bool,
    /// A sink that often pauses and resumes partitions, because its target is slower than Kafka.
    pub pauses_partitions: bool,
    /// One paragraph for the generated documentation.
    pub doc: String,
}

/// Makes connectors and tasks of a source.
#[derive(Clone)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct SinkFactory {
    /// A connector that is not started.
    pub connector: Arc<dyn Fn() -> Box<dyn SinkConnector> + Send + Sync>,
    /// A task that is not started.
    pub task: Arc<dyn Fn() -> Box<dyn SinkTask> + Send + Sync>,
    /// The Java class name of the task, shown as `task.class`.
    pub task_class: String,
}

impl SourceFactory {
    /// Makes connectors and tasks by functions. [`Plugin::source`] is simpler: its tasks are started already.
    pub fn new(
        connector: impl Fn() -> Box<dyn SourceConnector> + Send + Sync + 'static,
        task: impl Fn() -> Box<dyn SourceTask> + Send + Sync + 'static,
        task_class: impl Into<String>,
    ) -> Self {
        Self { connector: Arc::new(connector), task: Arc::new(task), task_class: task_class.into() }
    }
}

impl SinkFactory {
    /// Makes connectors and tasks by functions. [`Plugin::sink`] is simpler: its tasks are started already.
    pub fn new(
        connector: impl Fn() -> Box<dyn SinkConnector> + Send + Sync + 'static,
        task: impl Fn() -> Box<dyn SinkTask> + Send + Sync + 'static,
        task_class: impl Into<String>,
    ) -> Self {
        Self { connector: Arc::new(connector), task: Arc::new(task), task_class: task_class.into() }
    }
}

/// Makes a transform from its parsed configuration.
pub type TransformationFactory = Arc<dyn Fn(&Config) -> Result<Box<dyn Transformation>> + Send + Sync>;
/// Makes a predicate from its parsed configuration.
pub type PredicateFactory = Arc<dyn Fn(&Config) -> Result<Box<dyn Predicate>> + Send + Sync>;
/// Makes a converter from its parsed configuration, for keys or values.
pub type ConverterFactory = Arc<dyn Fn(&Config, ConverterOptions) -> Result<Box<dyn Converter>> + Send + Sync>;
/// Makes a header converter from its parsed configuration.
pub type HeaderConverterFactory = Arc<dyn Fn(&Config) -> Result<Box<dyn HeaderConverter>> + Send + Sync>;
/// Makes a configuration provider from its parsed configuration.
pub type ConfigProviderFactory = Arc<dyn Fn(&Config) -> Result<Box<dyn ConfigProvider>> + Send + Sync>;

/// Makes instances.
#[derive(Clone)]
#[allow(missing_debug_implementations)] // closures have none; `Plugin` prints what there is to say
#[non_exhaustive]
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

impl Factory {
    /// A connector that is not started, whatever its kind; none of what is no connector, and of what the runtime runs itself.
    pub fn connector(&self) -> Option<Box<dyn Connector>> {
        match self {
            Self::Source(source) => Some((source.connector)()),
            Self::Sink(sink) => Some((sink.connector)()),
            _ => None,
        }
    }
}

/// A plugin: its description and how to make one.
#[derive(Clone)]
#[non_exhaustive]
pub struct Plugin {
    /// What is known of it.
    pub description: PluginDescription,
    /// How to make one.
    pub factory: Factory,
    /// How to make what answers requests about one; only of transforms.
    pub requests: Option<RequestHandlerFactory>,
}

impl Plugin {
    /// A plugin of a class; its kind is that of the factory. The version is the author's own:
    /// `env!("CARGO_PKG_VERSION")` is that of their crate. Those that replace one of Kafka's own use [`KAFKA_VERSION`].
    pub fn new(class: impl Into<String>, version: impl Into<String>, config: ConfigDef, factory: Factory) -> Self {
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
            class: class.into(),
            aliases: Vec::new(),
            version: version.into(),
            api_version: API_VERSION,
            kind,
            config,
            needs_processor: false,
            pauses_partitions: false,
            doc: String::new(),
        };
        Self { description, factory, requests: None }
    }

    /// A source: how to make its connector, and how to start a task with its parsed configuration. What the function
    /// returns is a task that works: there is none that is not started.
    ///
    /// A start that fails fails the task. What it had opened it drops itself: [`stop`](SourceTask::stop) is for tasks that
    /// were started.
    pub fn source<C, T, Started>(
        class: impl Into<String>,
        version: impl Into<String>,
        config: ConfigDef,
        connector: impl Fn() -> C + Send + Sync + 'static,
        start: impl Fn(SourceTaskContext, Config) -> Started + Send + Sync + 'static,
    ) -> Self
    where
        C: SourceConnector + 'static,
        T: SourceTask + 'static,
        Started: Future<Output = Result<T>> + Send + 'static,
    {
        let class = class.into();
        let (definition, start) = (Arc::new(config.clone()), Arc::new(start));
        let factory = SourceFactory::new(
            move || Box::new(connector()),
            move || Box::new(Deferred::new(&definition, &start)),
            task_class(&class),
        );
        Self::new(class, version, config, Factory::Source(factory))
    }

    /// A sink: how to make its connector, and how to start a task with its parsed configuration. What the function
    /// returns is a task that works: there is none that is not started.
    ///
    /// A start that fails fails the task. What it had opened it drops itself: [`stop`](SinkTask::stop) is for tasks that
    /// were started.
    pub fn sink<C, T, Started>(
        class: impl Into<String>,
        version: impl Into<String>,
        config: ConfigDef,
        connector: impl Fn() -> C + Send + Sync + 'static,
        start: impl Fn(SinkTaskContext, Config) -> Started + Send + Sync + 'static,
    ) -> Self
    where
        C: SinkConnector + 'static,
        T: SinkTask + 'static,
        Started: Future<Output = Result<T>> + Send + 'static,
    {
        let class = class.into();
        let (definition, start) = (Arc::new(config.clone()), Arc::new(start));
        let factory = SinkFactory::new(
            move || Box::new(connector()),
            move || Box::new(Deferred::new(&definition, &start)),
            task_class(&class),
        );
        Self::new(class, version, config, Factory::Sink(factory))
    }

    /// A transform, made from its parsed configuration.
    pub fn transformation<T: Transformation + 'static>(
        class: impl Into<String>,
        version: impl Into<String>,
        config: ConfigDef,
        make: impl Fn(&Config) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        let factory = Factory::Transformation(Arc::new(move |config| Ok(Box::new(make(config)?))));
        Self::new(class, version, config, factory)
    }

    /// A predicate, made from its parsed configuration.
    pub fn predicate<P: Predicate + 'static>(
        class: impl Into<String>,
        version: impl Into<String>,
        config: ConfigDef,
        make: impl Fn(&Config) -> Result<P> + Send + Sync + 'static,
    ) -> Self {
        let factory = Factory::Predicate(Arc::new(move |config| Ok(Box::new(make(config)?))));
        Self::new(class, version, config, factory)
    }

    /// A converter, made from its parsed configuration for keys or values. All tasks share what the function captures.
    pub fn converter<C: Converter + 'static>(
        class: impl Into<String>,
        version: impl Into<String>,
        config: ConfigDef,
        make: impl Fn(&Config, ConverterOptions) -> Result<C> + Send + Sync + 'static,
    ) -> Self {
        let factory = Factory::Converter(Arc::new(move |config, options| Ok(Box::new(make(config, options)?))));
        Self::new(class, version, config, factory)
    }

    /// A converter of headers, made from its parsed configuration.
    pub fn header_converter<C: HeaderConverter + 'static>(
        class: impl Into<String>,
        version: impl Into<String>,
        config: ConfigDef,
        make: impl Fn(&Config) -> Result<C> + Send + Sync + 'static,
    ) -> Self {
        let factory = Factory::HeaderConverter(Arc::new(move |config| Ok(Box::new(make(config)?))));
        Self::new(class, version, config, factory)
    }

    /// A provider of configuration values, made from its parsed configuration.
    pub fn config_provider<P: ConfigProvider + 'static>(
        class: impl Into<String>,
        version: impl Into<String>,
        config: ConfigDef,
        make: impl Fn(&Config) -> Result<P> + Send + Sync + 'static,
    ) -> Self {
        let factory = Factory::ConfigProvider(Arc::new(move |config| Ok(Box::new(make(config)?))));
        Self::new(class, version, config, factory)
    }

    /// The same plugin, known by one more full name.
    #[must_use]
    pub fn alias(mut self, class: impl Into<String>) -> Self {
        self.description.aliases.push(class.into());
        self
    }

    /// The same plugin, written for a version of the contract that is not the one it is built with.
    #[must_use]
    pub fn api_version(mut self, version: u32) -> Self {
        self.description.api_version = version;
        self
    }

    /// The same plugin with a paragraph of documentation.
    #[must_use]
    pub fn doc(mut self, doc: impl Into<String>) -> Self {
        self.description.doc = doc.into();
        self
    }

    /// The same connector, whose task has another class name than [`source`](Self::source) and [`sink`](Self::sink) give it.
    #[must_use]
    pub fn task_class(mut self, class: impl Into<String>) -> Self {
        match &mut self.factory {
            Factory::Source(factory) => factory.task_class = class.into(),
            Factory::Sink(factory) => factory.task_class = class.into(),
            _ => {}
        }
        self
    }

    /// The same transform, which runs only in a processor.
    #[must_use]
    pub fn needs_processor(mut self) -> Self {
        self.description.needs_processor = true;
        self
    }

    /// The same transform, which answers requests over REST.
    #[must_use]
    pub fn answers_requests<H: RequestHandler + 'static>(
        mut self,
        make: impl Fn(&Config) -> Result<H> + Send + Sync + 'static,
    ) -> Self {
        self.requests = Some(Arc::new(move |config| Ok(Box::new(make(config)?))));
        self
    }

    /// The same sink, which often pauses and resumes partitions. The consumer then waits for records for a shorter time: a
    /// partition that is resumed is fetched only when the fetch of the others has ended, and that waits while they have no
    /// records. So the worker asks the broker more often while the sink is idle.
    #[must_use]
    pub fn pauses_partitions(mut self) -> Self {
        self.description.pauses_partitions = true;
        self
    }

    /// The names that no other plugin of its kind may have.
    pub(crate) fn full_names(&self) -> impl Iterator<Item = &str> {
        let PluginDescription { class, aliases, .. } = &self.description;
        std::iter::once(class).chain(aliases).map(String::as_str)
    }

    pub(crate) fn answers_to(&self, name: &str) -> bool {
        let suffix = self.description.kind.suffix();
        self.full_names().any(|class| class == name)
            || self.full_names().any(|class| {
                let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
                // Both parts are needed to distinguish `InsertField$Value` from `InsertField$Key`.
                let simple = if class.contains('$') { class.rsplit('.').next().unwrap_or(class) } else { simple };
                simple == name || simple.strip_suffix(suffix) == Some(name)
            })
    }
}

/// As Java's connectors name theirs: `FileStreamSinkTask` of `FileStreamSinkConnector`.
fn task_class(connector: &str) -> String {
    format!("{}Task", connector.strip_suffix("Connector").unwrap_or(connector))
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
