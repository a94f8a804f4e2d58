use async_trait::async_trait;

use crate::{Config, Connector, ExactlyOnceSupport, OffsetMap, Offsets, Props, Result, SinkConnector, SourceConnector};

/// The connector of most sinks, and of sources whose work is not divided: each task has the connector's own configuration.
///
/// ```
/// use tributary_api::{
///     Config, ConfigDef, Plugin, Record, Result, SimpleConnector, SinkTask, SinkTaskContext, async_trait,
/// };
///
/// struct Count(usize);
///
/// #[async_trait]
/// impl SinkTask for Count {
///     async fn put(&mut self, records: &[Record]) -> Result<()> {
///         self.0 += records.len();
///         Ok(())
///     }
/// }
///
/// async fn start(_cx: SinkTaskContext, _config: Config) -> Result<Count> {
///     Ok(Count(0))
/// }
///
/// let plugin = Plugin::sink("com.example.CountSinkConnector", "1", ConfigDef::default(), SimpleConnector::new, start);
/// assert_eq!(plugin.description.class, "com.example.CountSinkConnector");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SimpleConnector {
    is_divided: bool,
    offsets_are_frameworks: bool,
    exactly_once: ExactlyOnceSupport,
}

impl SimpleConnector {
    /// As many tasks as there may be. Of a source each would do the same.
    pub fn new() -> Self {
        Self { is_divided: true, offsets_are_frameworks: false, exactly_once: ExactlyOnceSupport::Unknown }
    }

    /// One task.
    pub fn one_task() -> Self {
        Self { is_divided: false, ..Self::new() }
    }

    /// Nothing but the framework's offsets says what is done, so that an operator may alter them.
    #[must_use]
    pub fn with_frameworks_offsets(mut self) -> Self {
        self.offsets_are_frameworks = true;
        self
    }

    /// Whether offsets and records in one transaction make a source exactly-once.
    #[must_use]
    pub fn exactly_once(mut self, support: ExactlyOnceSupport) -> Self {
        self.exactly_once = support;
        self
    }
}

impl Default for SimpleConnector {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Connector for SimpleConnector {
    async fn task_configs(&mut self, config: &Config, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(config.for_tasks(if self.is_divided { max_tasks } else { 1 }))
    }
}

#[async_trait]
impl SinkConnector for SimpleConnector {
    async fn alter_offsets(&mut self, _config: &Config, _offsets: &Offsets) -> Result<bool> {
        Ok(self.offsets_are_frameworks)
    }
}

#[async_trait]
impl SourceConnector for SimpleConnector {
    fn exactly_once_support(&self, _config: &Config) -> ExactlyOnceSupport {
        self.exactly_once
    }

    async fn alter_offsets(&mut self, _config: &Config, _offsets: &[(OffsetMap, Option<OffsetMap>)]) -> Result<bool> {
        Ok(self.offsets_are_frameworks)
    }
}
