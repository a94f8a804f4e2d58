//! What is answered over REST, on a topic in memory.

use std::sync::{Arc, Mutex};

use tributary_api::{
    Plugin, PluginAnswer, PluginRequest, Props, RawTopicReader, RequestHost, RequestMethod, Result, TopicReaderOptions,
    TopicRecord, TopicWriter, TopicWriterOptions, Value, async_trait,
};

use super::host::{VOUCHER, rules};

/// A topic of one partition.
#[derive(Clone, Default)]
struct Topic(Arc<Mutex<Vec<TopicRecord>>>);

struct Reader(Option<Vec<TopicRecord>>);

#[async_trait]
impl RequestHost for Topic {
    async fn topic_writer(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
        assert_eq!(options.topics[0].config["cleanup.policy"], "compact");
        Ok(Box::new(self.clone()))
    }

    async fn topic_reader(&self, options: TopicReaderOptions) -> Result<Option<Box<dyn RawTopicReader>>> {
        let records = self.0.lock().unwrap().clone();
        Ok((options.partition == 0).then(|| Box::new(Reader(Some(records))) as _))
    }
}

#[async_trait]
impl TopicWriter for Topic {
    async fn write(&self, records: Vec<TopicRecord>) -> Result<()> {
        self.0.lock().unwrap().extend(records);
        Ok(())
    }
}

#[async_trait]
impl RawTopicReader for Reader {
    fn end(&self) -> i64 {
        0
    }

    async fn look_for_end(&mut self) -> Result<i64> {
        Ok(0)
    }

    async fn read(&mut self, _: usize) -> Result<Vec<(i64, TopicRecord)>> {
        Ok(self.0.take().unwrap_or_default().into_iter().map(|record| (0, record)).collect())
    }
}

struct Api {
    topic: Topic,
    props: Props,
}

impl Api {
    fn new(props: &[(&str, &str)]) -> Self {
        let props = props.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { topic: Topic::default(), props }
    }

    async fn ask(&self, method: RequestMethod, path: &str, body: &str) -> PluginAnswer {
        let plugin: Plugin =
            crate::plugins().into_iter().find(|one| one.description.class.ends_with("Personalize")).unwrap();
        let config = plugin.description.config.parse(&self.props).unwrap();
        let handler = (plugin.requests.unwrap())(&config).unwrap();
        let path = path.split('/').map(str::to_owned).collect();
        handler.answer(PluginRequest::new(method, path, body.to_owned()), &self.topic).await.unwrap()
    }

    async fn get(&self, path: &str) -> PluginAnswer {
        self.ask(RequestMethod::Get, path, "").await
    }

    async fn put(&self, path: &str, body: &str) -> PluginAnswer {
        self.ask(RequestMethod::Put, path, body).await
    }

    fn keys(&self) -> Vec<String> {
        let records = self.topic.0.lock().unwrap();
        records.iter().map(|record| String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap()).collect()
    }
}

fn message(answer: &PluginAnswer) -> String {
    answer.body.get("message").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn pack(version: usize) -> String {
    rules(VOUCHER).replace("version: 7", &format!("version: {version}"))
}

#[tokio::test]
async fn packs_are_listed_set_kept_and_returned_to() {
    let api = Api::new(&[("rules.topic", "rules")]);
    assert_eq!(api.get("rules").await.body.get("packs").unwrap().as_array().unwrap().len(), 0);
    assert_eq!(api.put("rules/test", &pack(1)).await.status, 201);
    assert_eq!(api.put("rules/test", &pack(2)).await.status, 200);
    assert_eq!(api.put("rules/test", &pack(2)).await.status, 200, "the same once more is no error");
    let shown = api.get("rules/test").await;
    assert_eq!(shown.body.get("version").unwrap().as_i64(), Some(2));
    assert_eq!(shown.body.get("yaml").unwrap().as_str(), Some(&*pack(2)));
    assert_eq!(api.put("rules/test/active", r#"{"version": 1}"#).await.status, 200);
    assert_eq!(api.get("rules/test").await.body.get("version").unwrap().as_i64(), Some(1));
    let versions = api.get("rules/test/versions").await;
    let active = |n: usize| versions.body.as_array().unwrap()[n].get("active").unwrap().as_bool();
    assert_eq!((active(0), active(1)), (Some(false), Some(true)), "2 and 1");
    assert_eq!(api.get("rules/test/versions/2").await.body.get("yaml").unwrap().as_str(), Some(&*pack(2)));
    assert_eq!(api.ask(RequestMethod::Delete, "rules/test", "").await.status, 204);
    assert_eq!(api.get("rules/test").await.status, 404);
    assert_eq!(api.get("rules/test/versions").await.status, 200, "versions stay");
}

#[tokio::test]
async fn a_pack_may_be_json_too() {
    let api = Api::new(&[("rules.topic", "rules")]);
    let json = r#"{"line_of_business": "toys", "version": 1, "offers": [
        {"id": "a", "on": ["product_view"], "when": "true", "voucher": {"code": "A", "title": "B"}}]}"#;
    assert_eq!(api.put("rules/toys", json).await.status, 201);
}

#[tokio::test]
async fn what_is_refused_says_why_and_is_not_written() {
    let api = Api::new(&[("rules.topic", "rules")]);
    api.put("rules/test", &pack(1)).await;
    let other = pack(1).replace("line_of_business: test", "line_of_business: other");
    let cases = [
        (
            "rules/test",
            pack(2).replace("signal.lingering_return", "signal.lurking"),
            422,
            "offer come-back: when: signal lurking",
        ),
        ("rules/test", "version: [".to_owned(), 422, "line"),
        ("rules/other", pack(2), 422, "name is test"),
        ("rules/test", pack(1).replace("Welcome", "Hello"), 409, "raise version"),
        ("rules/other", other, 422, "offer come-back is in rule pack test"),
        ("rules/test/active", "{}".to_owned(), 400, "version"),
        ("rules/test/active", r#"{"version": 5}"#.to_owned(), 404, "not kept"),
        ("switches/everything", String::new(), 404, "switches/all"),
        ("rule", String::new(), 404, "rules and switches"),
    ];
    let before = api.keys();
    for (path, body, status, named) in cases {
        let answer = api.put(path, &body).await;
        assert!(answer.status == status && message(&answer).contains(named), "{path} {body}: {answer:?}");
    }
    assert_eq!(api.keys(), before);
    for path in ["rules/none", "rules/none/versions", "rules/test/versions/9", "other"] {
        assert_eq!(api.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn so_many_versions_are_kept() {
    let api = Api::new(&[("rules.topic", "rules")]);
    for version in 1..=25 {
        api.put("rules/test", &pack(version)).await;
    }
    let versions = api.get("rules/test/versions").await.body;
    let numbers: Vec<_> = versions.as_array().unwrap().iter().filter_map(|one| one.get("version")?.as_i64()).collect();
    assert_eq!(numbers, (6..=25).rev().collect::<Vec<i64>>());
}

#[tokio::test]
async fn switches_are_set_with_a_reason_and_removed() {
    let api = Api::new(&[("rules.topic", "rules")]);
    assert_eq!(api.put("switches/offers/come-back", r#"{"why": "wrong code"}"#).await.status, 204);
    assert_eq!(api.put("switches/all", "").await.status, 204);
    let shown = api.get("switches").await.body;
    assert_eq!(shown.get("offer:come-back").unwrap().as_str(), Some(r#"{"why": "wrong code"}"#));
    assert!(shown.get("all").is_some());
    assert_eq!(api.ask(RequestMethod::Delete, "switches/all", "").await.status, 204);
    assert!(api.get("switches").await.body.get("all").is_none());
}

#[tokio::test]
async fn packs_of_files_are_shown_and_cannot_be_changed() {
    let api = Api::new(&[("rules", &rules(VOUCHER))]);
    let listed = api.get("rules").await.body;
    let only = &listed.get("packs").unwrap().as_array().unwrap()[0];
    assert_eq!(only.get("name").unwrap().as_str(), Some("test"));
    assert_eq!(only.get("place").unwrap().as_str(), Some("property rules"));
    for answer in [api.put("rules/test", &pack(8)).await, api.put("switches/all", "").await] {
        assert!(answer.status == 409 && message(&answer).contains("rules.topic"), "{answer:?}");
    }
}
