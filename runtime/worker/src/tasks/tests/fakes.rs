//! Fakes of herder, store, broker and plugins.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use tributary_api::*;
use tributary_control::{InstanceState, TaskId};

use crate::connector_config::ConnectorConfig;
pub(in crate::tasks) use crate::fixtures::props;
use crate::fixtures::worker_settings;
use crate::settings::WorkerSettings;
use crate::tasks::{OffsetStore, TaskContext, TaskListener, TaskSpec};

/// Settings with short times; to be called in a runtime.
pub(in crate::tasks) fn settings(more: &[(&str, &str)]) -> Arc<WorkerSettings> {
    let quick = [
        ("header.converter", "TextHeaderConverter"),
        ("offset.flush.interval.ms", "1000"),
        ("task.shutdown.graceful.timeout.ms", "1000"),
        ("topic.creation.enable", "false"),
    ];
    worker_settings(&[&quick[..], more].concat())
}

/// Records states and topics.
#[derive(Default)]
pub(in crate::tasks) struct RecordingListener {
    pub(in crate::tasks) states: Mutex<Vec<(InstanceState, Option<String>)>>,
    pub(in crate::tasks) topics: Mutex<Vec<String>>,
    changed: Notify,
}

impl RecordingListener {
    pub(in crate::tasks) fn states(&self) -> Vec<InstanceState> {
        self.states.lock().unwrap().iter().map(|(state, _)| *state).collect()
    }

    pub(in crate::tasks) fn trace(&self) -> String {
        self.states.lock().unwrap().iter().rev().find_map(|(_, trace)| trace.clone()).unwrap_or_default()
    }

    pub(in crate::tasks) async fn wait_for(&self, state: InstanceState) {
        let wait = async {
            while self.states().last() != Some(&state) {
                self.changed.notified().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), wait).await.is_err() {
            panic!("waited for {state}, recorded {:?}", self.states());
        }
    }
}

impl TaskListener for RecordingListener {
    fn state_changed(&self, _task: &TaskId, _incarnation: u64, state: InstanceState, trace: Option<String>) {
        self.states.lock().unwrap().push((state, trace));
        self.changed.notify_one();
    }

    fn topic_used(&self, _task: &TaskId, topic: &str) {
        self.topics.lock().unwrap().push(topic.to_owned());
    }
}

/// One write.
type Offsets = Vec<(SourcePartition, Option<SourceOffset>)>;

/// Offsets in memory, with what was written in order.
#[derive(Default)]
pub(in crate::tasks) struct Stored {
    pub(in crate::tasks) puts: Mutex<Vec<Offsets>>,
    pub(in crate::tasks) broken: Mutex<bool>,
    /// Has an entry for every write.
    pub(in crate::tasks) log: Log,
}

/// What happened, in order.
pub(in crate::tasks) type Log = Arc<Mutex<Vec<String>>>;

impl Stored {
    /// The last offset stored, by its `position`.
    pub(in crate::tasks) fn position(&self) -> Option<i64> {
        let puts = self.puts.lock().unwrap();
        puts.iter().flatten().next_back().and_then(|(_, offset)| offset.as_ref()?.int("position"))
    }
}

#[async_trait]
impl OffsetStore for Stored {
    async fn get(&self, _connector: &str, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        let puts = self.puts.lock().unwrap();
        let of = |partition: &SourcePartition| {
            puts.iter().flatten().rev().find(|(known, _)| known == partition).and_then(|(_, offset)| offset.clone())
        };
        Ok(partitions.iter().map(of).collect())
    }

    async fn all(&self, _connector: &str) -> Result<Vec<(SourcePartition, SourceOffset)>> {
        Ok(Vec::new())
    }

    async fn put(&self, _connector: &str, offsets: Vec<(SourcePartition, Option<SourceOffset>)>) -> Result<()> {
        if *self.broken.lock().unwrap() {
            return Err(Error::retriable("store is down"));
        }
        for (_, offset) in &offsets {
            let position = offset.as_ref().and_then(|offset| offset.int("position")).unwrap_or(-1);
            self.log.lock().unwrap().push(format!("stored {position}"));
        }
        self.puts.lock().unwrap().push(offsets);
        Ok(())
    }

    fn topic(&self) -> &str {
        "offsets"
    }

    fn encode(&self, _: &str, _: &[(SourcePartition, SourceOffset)]) -> Result<Vec<crate::tasks::OffsetRecord>> {
        Ok(Vec::new())
    }
}

/// Text as it is.
pub(in crate::tasks) struct Text;

impl Converter for Text {
    fn from_connect_data(&mut self, _cx: &mut EncodeContext<'_>, datum: &Datum) -> Result<Option<Bytes>> {
        match &datum.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.as_bytes().clone())),
            _ => Err(Error::data("not text")),
        }
    }

    fn to_connect_data(&mut self, _cx: &DecodeContext<'_>, bytes: Option<Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else { return Ok(Datum::NULL) };
        let text = ByteString::try_from(bytes).map_err(|error| Error::data("not UTF-8").cause(&error))?;
        Ok(Datum::schemaless(text))
    }
}

impl HeaderConverter for Text {
    fn from_connect_header(&mut self, topic: &str, _name: &str, datum: &Datum) -> Result<Option<Bytes>> {
        self.from_connect_data(&mut EncodeContext::new(topic, &mut Vec::new()), datum)
    }

    fn to_connect_header(&mut self, topic: &str, _name: &str, bytes: Option<Bytes>) -> Result<Datum> {
        self.to_connect_data(&DecodeContext::new(topic, &[]), bytes)
    }
}

/// Appends its property `text`; drops `drop`, doubles `twice`, fails on `bad`, is not ready for `later`.
struct Append {
    text: String,
    state: bool,
}

impl Transformation for Append {
    fn requirements(&self) -> Requirements {
        if self.state { Requirements::default().with_timers() } else { Requirements::default() }
    }

    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        let text = record.value.value.as_str().unwrap_or_default().to_owned();
        record.value = Datum::schemaless(format!("{text}{}", self.text));
        match text.as_str() {
            "drop" => Ok(Records::None),
            "twice" => Ok(Records::Many(vec![record.clone(), record])),
            "bad" => Err(Error::data("a bad record")),
            "later" => Err(Error::retriable("not ready")),
            "panic" => panic!("no such word"),
            _ => Ok(Records::One(record)),
        }
    }

    fn on_timer(&mut self, timer: Timer, _cx: &mut TransformContext<'_>) -> Result<Records> {
        Ok(Record::new("timers", Datum::schemaless(format!("at {}", timer.at))).into())
    }
}

/// Whether the topic is the one of property `topic`.
struct OfTopic(String);

impl Predicate for OfTopic {
    fn test(&mut self, record: &Record) -> Result<bool> {
        Ok(*record.topic == *self.0)
    }
}

/// Converters, a transform, a predicate.
pub(in crate::tasks) fn registry() -> PluginRegistry {
    let text = |name: &str| ConfigKey::new(name, ConfigType::String);
    let converter: ConverterFactory = Arc::new(|config, _| match config.string("mode")? {
        "broken" => Err(Error::config("mode is broken")),
        _ => Ok(Box::new(Text)),
    });
    let header: HeaderConverterFactory = Arc::new(|_| Ok(Box::new(Text)));
    let append: TransformationFactory = Arc::new(|config| {
        Ok(Box::new(Append { text: config.string("text")?.to_owned(), state: config.boolean("state")? }))
    });
    let of_topic: PredicateFactory = Arc::new(|config| Ok(Box::new(OfTopic(config.string("topic")?.to_owned()))));
    PluginRegistry::new([
        Plugin::new(
            "test.TextConverter",
            "1",
            ConfigDef::new([text("mode").default("plain")]),
            Factory::Converter(converter),
        ),
        Plugin::new("test.TextHeaderConverter", "1", ConfigDef::default(), Factory::HeaderConverter(header)),
        Plugin::new(
            "test.Append",
            "1",
            ConfigDef::new([text("text").default("!"), ConfigKey::new("state", ConfigType::Boolean).default(false)]),
            Factory::Transformation(append),
        ),
        Plugin::new("test.OfTopic", "1", ConfigDef::new([text("topic").required()]), Factory::Predicate(of_topic)),
    ])
    .unwrap()
}

/// A specification for a plugin, with properties of the connector.
pub(in crate::tasks) fn spec(factory: Factory, connector: &[(&str, &str)], store: Arc<Stored>) -> TaskSpec {
    let plugin = Plugin::new("test.Connector", "1", ConfigDef::default(), factory);
    let mut all = props(&[("name", "c"), ("connector.class", "test.Connector"), ("topics", "t")]);
    all.extend(props(connector));
    let worker = settings(&[]);
    TaskSpec {
        id: TaskId::new("c", 0),
        connector: ConnectorConfig::parse(all, &plugin, &worker).unwrap(),
        task: Props::new(),
        plugin,
        plugins: registry(),
        worker,
        paused: false,
        offsets: store,
        incarnation: 1,
    }
}

/// A context for a loop that is driven by the test itself.
pub(in crate::tasks) fn context(spec: TaskSpec) -> (TaskContext, Arc<RecordingListener>) {
    let recorded = Arc::<RecordingListener>::default();
    (TaskContext::new(spec, Arc::clone(&recorded) as _), recorded)
}

/// A source plugin's factory around one closure that makes the task.
pub(in crate::tasks) fn source(task: impl Fn() -> Box<dyn SourceTask> + Send + Sync + 'static) -> Factory {
    Factory::Source(SourceFactory::new(|| unreachable!("tests run tasks only"), task, "test.Task"))
}
