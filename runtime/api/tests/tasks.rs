//! Tasks that a plugin's function makes.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tributary_api::{
    CancellationToken, Config, ConfigDef, ConfigKey, ConfigType, Connector, Datum, Error, ErrorKind, Factory, Plugin,
    Props, RawTopicReader, Record, Result, SourceConnector, SourceHost, SourceOffset, SourcePartition, SourceTask,
    SourceTaskContext, TopicReaderOptions, TopicWriter, TopicWriterOptions, TransactionContext, TransactionEnd,
    async_trait,
};

#[derive(Default)]
struct Nothing;

#[async_trait]
impl Connector for Nothing {
    async fn task_configs(&mut self, _config: &Config, _max_tasks: usize) -> Result<Vec<Props>> {
        Ok(Vec::new())
    }
}

impl SourceConnector for Nothing {}

#[async_trait]
impl SourceHost for Nothing {
    async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        Ok(vec![None; partitions.len()])
    }

    async fn topic_writer(&self, _options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
        Err(Error::fatal("not in this test"))
    }

    async fn topic_reader(&self, _options: TopicReaderOptions) -> Result<Option<Box<dyn RawTopicReader>>> {
        Ok(None)
    }
}

/// Sends what it is configured to, and counts its stops.
struct Echo {
    text: String,
    stops: Arc<AtomicUsize>,
}

#[async_trait]
impl SourceTask for Echo {
    async fn poll(&mut self) -> Result<Vec<Record>> {
        Ok(vec![Record::new("t", Datum::schemaless(self.text.as_str()))])
    }

    async fn stop(&mut self) -> Result<()> {
        self.stops.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn task(stops: &Arc<AtomicUsize>) -> Box<dyn SourceTask> {
    let stops = Arc::clone(stops);
    let start = move |_: SourceTaskContext, config: Config| {
        let stops = Arc::clone(&stops);
        async move { Ok(Echo { text: config.string("text")?.to_owned(), stops }) }
    };
    let config = ConfigDef::new([ConfigKey::new("text", ConfigType::String).required()]);
    let plugin = Plugin::source("org.example.EchoConnector", "2.0.0", config, Nothing::default, start);
    assert_eq!(plugin.description.version, "2.0.0");
    let Factory::Source(factory) = plugin.factory else { panic!("not a source") };
    assert_eq!(factory.task_class, "org.example.EchoTask");
    (factory.task)()
}

fn cx() -> SourceTaskContext {
    SourceTaskContext::new("c", 0, CancellationToken::new(), Arc::new(Nothing))
}

#[tokio::test]
async fn a_task_is_started_with_its_parsed_configuration() {
    let stops = Arc::default();
    let mut task = task(&stops);
    task.start(cx(), &[("text".to_owned(), "hello".to_owned())].into()).await.unwrap();
    assert_eq!(task.poll().await.unwrap()[0].value.value.as_str(), Some("hello"));
    task.stop().await.unwrap();
    task.stop().await.unwrap();
    assert_eq!(stops.load(Ordering::SeqCst), 1, "stopped once");
}

#[tokio::test]
async fn a_task_whose_configuration_is_wrong_is_not_made() {
    let stops = Arc::default();
    let mut task = task(&stops);
    let error = task.start(cx(), &Props::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.property()), (ErrorKind::Config, Some("text")));
    assert!(task.ack_listener().is_none());
    assert_eq!(task.poll().await.unwrap_err().kind(), ErrorKind::Fatal);
    task.stop().await.unwrap();
    assert_eq!(stops.load(Ordering::SeqCst), 0, "there is nothing to stop");
}

#[test]
fn ends_of_transactions_are_told_in_order_and_once() {
    let transaction = TransactionContext::new();
    let of_task = transaction.clone();
    of_task.commit_after(2);
    of_task.abort();
    let ends: Vec<_> = transaction.take().into_iter().map(|request| (request.after, request.end)).collect();
    assert_eq!(ends, [(Some(2), TransactionEnd::Commit), (None, TransactionEnd::Abort)]);
    assert!(transaction.take().is_empty());
}
