//! The topics of answers and of errors.

use lambda_front::{Event, Reply};
use serde_json::json;
use tributary_api::{Error, NewTopic, TopicRecord};

use crate::support::{Setup, TOPIC, Task, offsets, plugin};

const SERVERS: (&str, &str) = ("reporter.bootstrap.servers", "broker:9092");

fn text(bytes: Option<&bytes::Bytes>) -> String {
    bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default()
}

fn header(record: &TopicRecord, name: &str) -> String {
    text(record.headers.iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.as_ref()))
}

async fn run(more: &[(&str, &str)], decide: impl Fn(&Event) -> Option<Reply> + Send + Sync + 'static) -> Task {
    let place = Setup::with(decide).await;
    let mut task = Task::start(&place.props(&[&[SERVERS][..], more].concat())).await;
    task.put(0..3).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
    task
}

#[tokio::test]
async fn each_record_has_its_part_of_the_answer() {
    let task = run(&[], |_| None).await;
    let written = task.host.written();
    assert_eq!(written.len(), 3);
    for (offset, record) in written.iter().enumerate() {
        assert_eq!(&*record.topic, "test-success");
        assert_eq!(text(record.key.as_ref()), format!("k{offset}"));
        let value: serde_json::Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        assert_eq!(value, json!({"offset": offset, "was": {"n": offset}}));
        assert_eq!(
            (header(record, "input_record_topic").as_str(), header(record, "input_record_partition").as_str()),
            (TOPIC, "0")
        );
        assert_eq!(header(record, "input_record_offset"), offset.to_string());
        assert_eq!(header(record, "input_record_timestamp"), (1_700_000_000_000 + offset).to_string());
    }
    let options = task.host.topic_writers().remove(0);
    assert_eq!(options.producer["bootstrap.servers"], "broker:9092");
    let topic = |name: &str| NewTopic::new(name).partitions(1).replication_factor(3);
    assert_eq!(task.host.new_topics(), [topic("test-success"), topic("test-error")]);
}

#[tokio::test]
async fn clients_have_settings_of_their_own() {
    let login = ("reporter.producer.sasl.jaas.config", "module required password=\"secret\";");
    let more = [("reporter.producer.acks", "1"), ("reporter.admin.retries", "2"), login];
    let options = run(&more, |_| None).await.host.topic_writers().remove(0);
    assert_eq!((options.producer["acks"].as_str(), options.admin["retries"].as_str()), ("1", "2"));
    assert_eq!(options.producer["sasl.jaas.config"], login.1);
    let given = [(login.0.to_owned(), login.1.to_owned())].into();
    assert_eq!(plugin().description.config.mask(&given)[login.0], "[hidden]");
}

#[tokio::test]
async fn another_result_is_reported_once() {
    let task = run(&[("reporter.result.topic.name", "answers")], |_| Some(Reply::json(&json!("fine")))).await;
    let written = task.host.written();
    let [record] = &written[..] else { panic!("{written:?}") };
    assert_eq!(
        (&*record.topic, text(record.value.as_ref()), record.key.as_ref()),
        ("answers", "fine".to_owned(), None)
    );
}

#[tokio::test]
async fn errors_have_a_topic_where_they_are_logged() {
    for (behaviour, reports) in [("log", 3), ("ignore", 0)] {
        let more = [("behavior.on.error", behaviour), ("reporter.error.topic.partitions", "4")];
        let task = run(&more, |_| Some(Reply::error("Boom", "cannot"))).await;
        let written = task.host.written();
        assert_eq!(written.len(), reports, "{behaviour}");
        for (offset, record) in written.iter().enumerate() {
            assert_eq!((&*record.topic, header(record, "input_record_offset")), ("test-error", offset.to_string()));
            assert!(text(record.value.as_ref()).contains("Boom: cannot"), "{record:?}");
        }
        assert_eq!(task.host.new_topics()[1].partitions, 4);
    }
}

#[tokio::test]
async fn keys_and_values_are_written_as_configured() {
    let more = [("reporter.result.topic.key.format", "json"), ("reporter.result.topic.value.format", "json")];
    let written = run(&more, |_| None).await.host.written();
    assert_eq!(
        (text(written[0].key.as_ref()), text(written[0].value.as_ref())),
        ("\"k0\"".to_owned(), r#"{"offset":0,"was":{"n":0}}"#.to_owned())
    );
    let more = [&more[..], &[("reporter.result.topic.value.format.schemas.enable", "true")]].concat();
    let written = run(&more, |_| None).await.host.written();
    let value: serde_json::Value = serde_json::from_slice(written[0].value.as_ref().unwrap()).unwrap();
    assert_eq!(
        value,
        json!({"schema": {"type": "string", "optional": false}, "payload": r#"{"offset":0,"was":{"n":0}}"#})
    );
}

#[tokio::test]
async fn errors_are_written_as_configured() {
    let log = ("behavior.on.error", "log");
    let json = [("reporter.error.topic.key.format", "json"), ("reporter.error.topic.value.format", "json")];
    let schemas = [
        ("reporter.error.topic.key.format.schemas.enable", "true"),
        ("reporter.error.topic.value.format.schemas.enable", "true"),
    ];
    for (more, key, quoted) in [
        (vec![], "k0", false),
        (json.to_vec(), "\"k0\"", true),
        ([json, schemas].concat(), r#"{"schema":{"type":"string","optional":false},"payload":"k0"}"#, false),
    ] {
        let task = run(&[vec![log], more].concat(), |_| Some(Reply::error("Boom", "cannot"))).await;
        let record = task.host.written().remove(0);
        assert_eq!(text(record.key.as_ref()), key);
        let value = text(record.value.as_ref());
        assert!(value.starts_with('"') == quoted && value.contains("Boom: cannot"), "{value}");
    }
}

#[tokio::test]
async fn topics_without_a_name_are_not_written() {
    let more = [("reporter.result.topic.name", ""), ("reporter.error.topic.name", "")];
    let task = run(&more, |_| None).await;
    assert!(task.host.written().is_empty() && task.host.topic_writers().is_empty());
    let more = [("reporter.result.topic.name", "")];
    let task = run(&more, |_| None).await;
    assert!(task.host.written().is_empty());
    assert_eq!(task.host.new_topics().len(), 1);
}

#[tokio::test]
async fn topics_are_created_only_if_configured() {
    let place = Setup::new().await;
    let mut task = Task::start(&place.props(&[])).await;
    task.put(0..3).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
    assert!(task.host.topic_writers().is_empty());
}

#[tokio::test]
async fn the_older_names_do_the_same() {
    let place = Setup::new().await;
    let more = [
        ("aws.lambda.response.topic", "responses"),
        ("aws.lambda.response.bootstrap.servers", "old:9092"),
        ("aws.lambda.response.client.id", "me"),
    ];
    let mut task = Task::start(&place.props(&more)).await;
    task.put(0..1).await.unwrap();
    task.wait_until_safe(1).await.unwrap();
    let options = task.host.topic_writers().remove(0);
    assert_eq!(
        (options.producer["bootstrap.servers"].as_str(), options.producer["client.id"].as_str()),
        ("old:9092", "me")
    );
    assert_eq!(&*task.host.written()[0].topic, "responses");
}

/// An offset is safe only when its reports are written, and they are written until they are.
#[tokio::test]
async fn nothing_is_safe_before_it_is_reported() {
    let place = Setup::new().await;
    let mut task = Task::start(&place.props(&[SERVERS])).await;
    task.host.fail_writes(Some(Error::retriable("the broker is away")));
    task.put(0..3).await.unwrap();
    while place.events().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    task.task.put(&[]).await.unwrap();
    assert_eq!(task.safe(3).await, 0);
    task.host.fail_writes(None);
    task.wait_until_safe(3).await.unwrap();
    assert_eq!(
        (task.host.written().len(), place.batches()),
        (3, vec![vec![0, 1, 2]]),
        "and nothing is invoked again for it"
    );
    task.host.fail_writes(Some(Error::fatal("the record is too large")));
    task.put(3..6).await.unwrap();
    let error = task.wait_until_failed().await;
    assert!(error.to_string().contains("cannot write a report"), "{error}");
    assert_eq!(task.safe(6).await, 3);
    assert_eq!(place.events().last().map(offsets), Some(vec![3, 4, 5]));
}
