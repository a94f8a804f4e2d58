use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tributary_api::{Result, Topic};
use tributary_kafka::NewTopic;

use crate::connector_config::TopicRules;
use crate::tasks::source::topics::{TopicAdmin, TopicCreation};
use crate::tasks::tests::fakes::props;

#[derive(Default)]
struct Broker {
    asked: Mutex<Vec<String>>,
    made: Mutex<Vec<NewTopic>>,
}

#[async_trait]
impl TopicAdmin for Broker {
    async fn exists(&self, topic: &str) -> Result<bool> {
        self.asked.lock().unwrap().push(topic.to_owned());
        Ok(topic == "old")
    }

    async fn create(&self, topic: NewTopic) -> Result<()> {
        self.made.lock().unwrap().push(topic);
        Ok(())
    }
}

const RULES: [(&str, &str); 9] = [
    ("topic.creation.groups", "logs, tables"),
    ("topic.creation.default.partitions", "3"),
    ("topic.creation.default.replication.factor", "-1"),
    ("topic.creation.logs.include", r"log\..*, trace"),
    ("topic.creation.logs.partitions", "12"),
    ("topic.creation.logs.retention.ms", "1000"),
    ("topic.creation.tables.include", ".*"),
    ("topic.creation.tables.exclude", "plain.*"),
    ("topic.creation.tables.cleanup.policy", "compact"),
];

fn rules(embedded: bool) -> TopicRules {
    let mut issues = Vec::new();
    let rules = TopicRules::parse(&props(&RULES), embedded, &mut issues).unwrap();
    assert_eq!(issues, []);
    rules
}

fn shape(topic: &str) -> (i32, i32, Vec<(String, String)>) {
    let new = rules(false).describe(topic);
    (new.partitions, new.replication, new.config.into_iter().collect())
}

#[test]
fn the_first_group_that_includes_a_topic_configures_it() {
    let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(shape("log.web"), (12, -1, one("retention.ms", "1000")));
    assert_eq!(shape("trace"), (12, -1, one("retention.ms", "1000")));
    assert_eq!(shape("a.log.web"), (3, -1, one("cleanup.policy", "compact")), "a pattern means the whole name");
    assert_eq!(shape("plain.text"), (3, -1, Vec::new()), "exclude wins");
}

#[tokio::test]
async fn a_topic_is_looked_up_once_and_created_if_missing() {
    let broker = Arc::<Broker>::default();
    let rules = rules(true);
    let mut creation = TopicCreation::with(Some((rules, Arc::clone(&broker) as _)));
    let (old, new): (Topic, Topic) = ("old".into(), "new".into());
    for topic in [&old, &new, &old, &new, &"new".into()] {
        if creation.is_new(topic) {
            creation.ensure(topic).await.unwrap();
        }
    }
    assert_eq!(*broker.asked.lock().unwrap(), ["old", "new"]);
    let made = broker.made.lock().unwrap();
    assert_eq!((made.len(), made[0].name.as_str(), made[0].replication), (1, "new", 1), "one replica when embedded");
}
