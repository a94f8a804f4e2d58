#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tributary_api::{Error, PluginKind, RecordMetadata, Result, TimestampType};
use tributary_control::TaskId;
use tributary_kafka::{Delivery, DeliveryListener, ProducerRecord, RawRecord, Token};

use super::dead_letters::{DeadLetterDeliveries, DeadLetterSink};
use super::{DeadLetters, ErrorConfig, ErrorOperator, FailedRecord, Failure, Recovery, Stage};
use crate::definitions::sink_definition;
use crate::redaction::Redaction;
use crate::tasks::TaskMetrics;
use crate::tasks::tests::fakes::props;

fn config(entries: &[(&str, &str)]) -> Result<ErrorConfig> {
    let mut all = props(&[("name", "c"), ("connector.class", "test.Sink")]);
    all.extend(props(entries));
    let parsed = sink_definition(None, "").parse(&all)?;
    ErrorConfig::of(&parsed, PluginKind::Sink)
}

struct Bench {
    operator: ErrorOperator,
    metrics: Arc<TaskMetrics>,
    stopping: CancellationToken,
}

fn bench(entries: &[(&str, &str)]) -> Bench {
    let (metrics, stopping) = (Arc::<TaskMetrics>::default(), CancellationToken::new());
    let config = config(entries).unwrap();
    let operator = ErrorOperator::new(TaskId::new("c", 3), config, None, Arc::clone(&metrics), stopping.clone());
    Bench { operator, metrics, stopping }
}

fn failure(error: Error) -> Failure {
    Failure::new(Stage::ValueConverter, &"test.Converter".into(), error)
}

fn later() -> Failure {
    failure(Error::retriable("not ready"))
}

fn raw() -> RawRecord {
    RawRecord {
        topic: "in".into(),
        partition: 4,
        offset: 17,
        timestamp: Some(99),
        timestamp_type: TimestampType::CreateTime,
        key: Some("k".into()),
        value: Some("v".into()),
        headers: vec![("own".into(), Some("h".into()))],
    }
}

#[tokio::test]
async fn without_a_timeout_a_record_is_tried_once() {
    let bench = bench(&[("errors.tolerance", "all")]);
    let again = || -> Result<u32, Failure> { unreachable!("tried again") };
    let recovery = bench.operator.recover(later(), FailedRecord::Unknown, again).await.unwrap();
    assert_eq!(recovery, Recovery::Skipped);
    let errors = &bench.metrics.errors;
    assert_eq!((errors.failures.get(), errors.skipped.get(), errors.retries.get()), (1, 1, 0));
}

#[test]
fn waits_double_from_300_ms() {
    let bench = bench(&[("errors.retry.timeout", "-1")]);
    let wait = |attempt| bench.operator.delay(&later().error, attempt, Duration::from_secs(9_999)).unwrap().as_millis();
    assert_eq!([wait(1), wait(2), wait(3), wait(4)], [300, 600, 1200, 2400]);
    assert!(wait(40) < 60_000, "random below the maximum once the double is above");
}

#[test]
fn a_negative_timeout_means_no_limit_and_a_delay_below_1_means_1() {
    let bench = bench(&[("errors.retry.timeout", "-5"), ("errors.retry.delay.max.ms", "-3")]);
    let wait = bench.operator.delay(&later().error, 40, Duration::from_secs(1 << 40)).unwrap();
    assert!(wait < Duration::from_millis(1), "{wait:?}");
}

#[test]
fn waits_are_capped_and_end_with_the_timeout() {
    let bench = bench(&[("errors.retry.timeout", "5000"), ("errors.retry.delay.max.ms", "400")]);
    let wait = |attempt, elapsed| bench.operator.delay(&later().error, attempt, Duration::from_millis(elapsed));
    assert_eq!(wait(1, 0), Some(Duration::from_millis(300)));
    assert!((2..50).all(|attempt| wait(attempt, 0).unwrap() < Duration::from_millis(400)));
    assert_eq!(wait(1, 4_990), Some(Duration::from_millis(10)), "no longer than what is left");
    assert_eq!(wait(9, 5_000), None);
    let asked = Error::retriable("busy").with_retry_after(Duration::from_secs(2));
    assert_eq!(bench.operator.delay(&asked, 1, Duration::ZERO), Some(Duration::from_secs(2)));
    assert_eq!(bench.operator.delay(&Error::data("bad"), 1, Duration::ZERO), None);
}

#[tokio::test]
async fn a_step_is_repeated_until_it_succeeds() {
    let bench = bench(&[("errors.retry.timeout", "-1"), ("errors.retry.delay.max.ms", "1")]);
    let mut left = 4;
    let again = || {
        left -= 1;
        if left == 0 { Ok("done") } else { Err(later()) }
    };
    let recovery = bench.operator.recover(later(), FailedRecord::Unknown, again).await.unwrap();
    assert_eq!(recovery, Recovery::Done("done"));
    let errors = &bench.metrics.errors;
    assert_eq!((errors.retries.get(), errors.failures.get(), errors.skipped.get()), (4, 4, 0));
}

#[tokio::test]
async fn a_step_is_given_up_after_the_timeout() {
    let bench = bench(&[("errors.retry.timeout", "30"), ("errors.retry.delay.max.ms", "1")]);
    let again = || -> Result<(), Failure> { Err(later()) };
    let error = bench.operator.recover(later(), FailedRecord::Unknown, again).await.unwrap_err();
    let class = "org.apache.kafka.connect.errors.ConnectException";
    assert!(error.trace().starts_with(&format!("{class}: Tolerance exceeded in error handler")), "{}", error.trace());
    assert!(error.to_string().contains("not ready"), "{error}");
    assert!(bench.metrics.errors.retries.get() > 1);
}

#[tokio::test]
async fn a_bad_record_is_not_tried_again() {
    let bench = bench(&[("errors.retry.timeout", "-1"), ("errors.tolerance", "all")]);
    let again = || -> Result<(), Failure> { unreachable!("tried again") };
    let recovery = bench.operator.recover(failure(Error::data("bad")), FailedRecord::Unknown, again).await.unwrap();
    assert_eq!(recovery, Recovery::Skipped);
}

#[tokio::test]
async fn a_stop_ends_the_wait_and_counts_nothing_as_skipped() {
    let bench = bench(&[("errors.retry.timeout", "-1"), ("errors.tolerance", "all")]);
    bench.stopping.cancel();
    let again = || -> Result<(), Failure> { unreachable!("tried again") };
    let recovery = bench.operator.recover(later(), FailedRecord::Unknown, again).await.unwrap();
    assert_eq!((recovery, bench.metrics.errors.skipped.get()), (Recovery::Stopped, 0));
}

#[test]
fn what_no_retry_helps_is_never_tolerated() {
    let bench = bench(&[("errors.tolerance", "all")]);
    let error = bench.operator.give_up(&failure(Error::fatal("broken")), FailedRecord::Unknown).unwrap_err();
    assert!(error.to_string().starts_with("Unhandled exception in error handler"), "{error}");
    assert_eq!(bench.metrics.errors.errors.get(), 1);
}

#[test]
fn errors_contain_the_position_of_a_record_and_not_its_content() {
    let raw = raw();
    assert_eq!(
        FailedRecord::Consumed(&raw).to_string(),
        ", where consumed record is {topic='in', partition=4, offset=17, timestamp=99, timestampType=CreateTime}"
    );
}

#[test]
fn wrong_properties_are_named() {
    let fault = |name: &str, value: &str| config(&[(name, value)]).unwrap_err().to_string();
    assert!(fault("errors.tolerance", "some").contains("errors.tolerance"));
    assert!(fault("errors.tolerance", "ALL").contains("one of: none, all"));
    assert!(fault("errors.retry.timeout", "soon").contains("errors.retry.timeout"));
}

/// Keeps what is sent.
#[derive(Default)]
struct Letters(Mutex<Vec<DeadLetter>>);

struct DeadLetter {
    token: Token,
    topic: String,
    value: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl DeadLetterSink for Letters {
    fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()> {
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        self.0.lock().unwrap().push(DeadLetter {
            token,
            topic: record.topic.to_owned(),
            value: record.value.unwrap_or(b"none").to_vec(),
            headers: record.headers.iter().map(|(name, value)| ((*name).to_owned(), text(*value))).collect(),
        });
        Ok(())
    }
}

fn queue(context_headers: &str) -> (Arc<Letters>, Arc<DeadLetterDeliveries>, ErrorOperator) {
    queue_with(context_headers, &Redaction::default())
}

fn queue_with(
    context_headers: &str,
    redaction: &Redaction,
) -> (Arc<Letters>, Arc<DeadLetterDeliveries>, ErrorOperator) {
    let config = self::config(&[
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dead"),
        ("errors.deadletterqueue.context.headers.enable", context_headers),
    ]);
    let config = config.unwrap();
    let (letters, deliveries, metrics) =
        (Arc::<Letters>::default(), Arc::<DeadLetterDeliveries>::default(), Arc::default());
    let id = TaskId::new("c", 3);
    let sink = Arc::clone(&letters) as Arc<dyn DeadLetterSink>;
    let queue =
        DeadLetters::over(sink, Arc::clone(&deliveries), "dead".to_owned(), id.clone(), &config, Arc::clone(&metrics));
    let queue = queue.redacted(redaction.clone());
    let operator = ErrorOperator::new(id, config, Some(queue), metrics, CancellationToken::new());
    (letters, deliveries, operator)
}

fn delivered(deliveries: &DeadLetterDeliveries, error: Option<&Error>) {
    let result = error.map_or_else(|| Ok(RecordMetadata::new(0, 0)), Err);
    deliveries.delivered(&[Delivery { token: 0, result }]);
}

#[tokio::test]
async fn a_dead_letter_is_the_record_as_consumed_with_what_happened() {
    let (letters, deliveries, operator) = queue("true");
    operator.give_up(&failure(Error::data("not a number").context("field n")), FailedRecord::Consumed(&raw())).unwrap();
    {
        let letters = letters.0.lock().unwrap();
        let letter = &letters[0];
        assert_eq!((letter.topic.as_str(), letter.value.as_slice()), ("dead", b"v".as_slice()));
        let headers: Vec<(&str, &str)> =
            letter.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            headers,
            [
                ("own", "h"),
                ("__connect.errors.topic", "in"),
                ("__connect.errors.partition", "4"),
                ("__connect.errors.offset", "17"),
                ("__connect.errors.connector.name", "c"),
                ("__connect.errors.task.id", "3"),
                ("__connect.errors.stage", "VALUE_CONVERTER"),
                ("__connect.errors.class.name", "test.Converter"),
                ("__connect.errors.exception.class.name", "org.apache.kafka.connect.errors.DataException"),
                ("__connect.errors.exception.message", "field n: not a number"),
                (
                    "__connect.errors.exception.stacktrace",
                    "org.apache.kafka.connect.errors.DataException: field n\nCaused by: not a number"
                ),
            ]
        );
    }
    let queue = operator.dead_letters().unwrap();
    assert!(queue.delivered(Duration::from_millis(20)).await.unwrap_err().is_retriable(), "it is not there yet");
    delivered(&deliveries, None);
    queue.delivered(Duration::from_millis(20)).await.unwrap();
}

#[tokio::test]
async fn a_dead_letter_does_not_quote_the_value_of_a_variable() {
    let redaction = Redaction::default();
    redaction.add("${file:/secrets:uri}", "mongodb://me:correct-horse-battery@host");
    let (letters, _, operator) = queue_with("true", &redaction);
    let cause = Error::data("no answer of mongodb://me:correct-horse-battery@host");
    // A text that is cut within the secret would hide it from the search.
    let long = Error::data(format!("{}mongodb://me:correct-horse-battery@host", "y".repeat(3_100)));
    let long = long.context("x".repeat(5_060));
    for error in [cause.clone().context("insert"), Error::data("insert").cause(&cause), long] {
        operator.give_up(&failure(error), FailedRecord::Consumed(&raw())).unwrap();
    }
    let letters = letters.0.lock().unwrap();
    assert_eq!(letters.len(), 3);
    let texts: Vec<&str> = letters.iter().flat_map(|letter| &letter.headers).map(|(_, value)| value.as_str()).collect();
    assert!(texts.iter().all(|text| !text.contains("correct")), "{texts:?}");
    assert!(texts.iter().filter(|text| text.contains("no answer of ${file:/secrets:uri}")).count() >= 2, "{texts:?}");
}

#[tokio::test]
async fn a_lost_dead_letter_holds_back_every_commit() {
    let (letters, deliveries, operator) = queue("false");
    operator.give_up(&failure(Error::data("bad")), FailedRecord::Consumed(&raw())).unwrap();
    assert_eq!(letters.0.lock().unwrap()[0].headers, [("own".to_owned(), "h".to_owned())]);
    delivered(&deliveries, Some(&Error::fatal("too large")));
    let error = operator.dead_letters().unwrap().delivered(Duration::from_millis(20)).await.unwrap_err();
    assert!(!error.is_retriable() && error.to_string().contains("too large"), "{error}");
}

/// Takes letters up to a length.
struct Narrow {
    letters: Arc<Letters>,
    most: usize,
}

impl DeadLetterSink for Narrow {
    fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()> {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + length(*value)).sum();
        if length(record.key) + length(record.value) + headers > self.most {
            return Err(Error::data("too large"));
        }
        self.letters.send(record, token)
    }
}

fn narrow_queue(most: usize) -> (Arc<Letters>, Arc<DeadLetterDeliveries>, ErrorOperator) {
    let config = self::config(&[
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dead"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ]);
    let config = config.unwrap();
    let (letters, deliveries, metrics) =
        (Arc::<Letters>::default(), Arc::<DeadLetterDeliveries>::default(), Arc::default());
    let id = TaskId::new("c", 3);
    let sink = Arc::new(Narrow { letters: Arc::clone(&letters), most });
    let queue =
        DeadLetters::over(sink, Arc::clone(&deliveries), "dead".to_owned(), id.clone(), &config, Arc::clone(&metrics));
    let operator = ErrorOperator::new(id, config, Some(queue), metrics, CancellationToken::new());
    (letters, deliveries, operator)
}

fn omitted(letter: &DeadLetter) -> Option<&str> {
    let header = letter.headers.iter().find(|(name, _)| name == "__connect.errors.omitted");
    header.map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_dead_letter_too_long_for_the_producer_is_written_without_its_value() {
    let (letters, _, operator) = narrow_queue(2_000);
    let long = RawRecord { value: Some(vec![b'v'; 1_900].into()), ..raw() };
    operator.give_up(&failure(Error::data("bad")), FailedRecord::Consumed(&long)).unwrap();
    let longer = RawRecord { key: Some(vec![b'k'; 1_900].into()), ..long };
    operator.give_up(&failure(Error::data("bad")), FailedRecord::Consumed(&longer)).unwrap();
    let letters = letters.0.lock().unwrap();
    assert_eq!((letters[0].value.as_slice(), omitted(&letters[0])), (b"none".as_slice(), Some("value of 1900 bytes")));
    assert_eq!(letters[0].headers[0], ("own".to_owned(), "h".to_owned()));
    let bare = "key of 1900 bytes, value of 1900 bytes and the record's own headers";
    assert_eq!(omitted(&letters[1]), Some(bare));
    assert_eq!(letters[1].headers[0].0, "__connect.errors.topic");
}

#[tokio::test]
async fn texts_in_a_letter_are_bounded() {
    let (letters, _, operator) = narrow_queue(20_000);
    operator.give_up(&failure(Error::data("x".repeat(1_000_000))), FailedRecord::Consumed(&raw())).unwrap();
    assert_eq!(letters.0.lock().unwrap()[0].value, b"v");
}

#[tokio::test]
async fn a_letter_too_long_for_its_topic_is_sent_again_without_its_value() {
    let (letters, deliveries, operator) = queue("true");
    let long = RawRecord { value: Some(vec![b'v'; 50_000].into()), ..raw() };
    operator.give_up(&failure(Error::data("bad")), FailedRecord::Consumed(&long)).unwrap();
    let token = letters.0.lock().unwrap()[0].token;
    assert_ne!(token, 0);
    let refused = Error::data("message size too large");
    deliveries.delivered(&[Delivery { token, result: Err(&refused) }]);
    let queue = operator.dead_letters().unwrap();
    assert!(queue.delivered(Duration::from_millis(20)).await.unwrap_err().is_retriable(), "it is on its way again");
    assert_eq!(omitted(&letters.0.lock().unwrap()[1]), Some("value of 50000 bytes"));
    deliveries.delivered(&[Delivery { token: 0, result: Ok(RecordMetadata::new(0, 0)) }]);
    queue.delivered(Duration::from_millis(20)).await.unwrap();
}
