use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tributary_api::{Error, Result};

use crate::connector_config::InputTopics;
use crate::tasks::sink::Subscription;
use crate::tasks::sink::subscription::TopicList;
use crate::tasks::tests::fakes::props;

#[derive(Default)]
struct Cluster(Mutex<Vec<&'static str>>, Mutex<Option<Error>>);

#[async_trait]
impl TopicList for Cluster {
    async fn names(&self) -> Result<Vec<String>> {
        match self.1.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(self.0.lock().unwrap().iter().map(|name| (*name).to_owned()).collect()),
        }
    }
}

const OFTEN: Duration = Duration::from_millis(100);

fn subscribed(pattern: &str, cluster: &Arc<Cluster>) -> Subscription {
    let input = InputTopics::parse(&props(&[("topics.regex", pattern)]), &mut Vec::new()).unwrap();
    Subscription::new(&input, OFTEN, || Ok(Arc::clone(cluster) as _)).unwrap()
}

#[tokio::test]
async fn a_pattern_means_whole_names_and_does_not_keep_the_task_from_running() {
    let cluster = Arc::new(Cluster(Mutex::new(vec!["my.orders", "orders.old"]), Mutex::default()));
    let mut matching = subscribed("orders|orders-(?!x).*", &cluster);
    assert!(matching.first_topics().await.unwrap().is_empty());
    cluster.0.lock().unwrap().extend(["orders-y", "orders-x", "orders", "__consumer_offsets"]);
    assert_eq!(next(&mut matching).await, Some(vec!["orders".to_owned(), "orders-y".to_owned()]));
}

#[tokio::test]
async fn topics_that_cannot_be_listed_for_now_are_listed_again() {
    let cluster = Arc::new(Cluster(Mutex::new(vec!["a"]), Mutex::new(Some(Error::retriable("broker is away")))));
    let mut matching = subscribed("a", &cluster);
    assert!(matching.first_topics().await.unwrap().is_empty());
    *cluster.1.lock().unwrap() = None;
    assert_eq!(next(&mut matching).await, Some(vec!["a".to_owned()]));
    *cluster.1.lock().unwrap() = Some(Error::fatal("not authorized"));
    let mut refused = subscribed("a", &cluster);
    assert!(refused.first_topics().await.is_err());
}

/// What a loop that looks often enough finds within some refreshes.
async fn next(matching: &mut Subscription) -> Option<Vec<String>> {
    for _ in 0..30 {
        if let Some(topics) = matching.changed(&Handle::current()) {
            return Some(topics);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

#[tokio::test]
async fn new_topics_are_found_with_the_next_metadata() {
    let cluster = Arc::new(Cluster(Mutex::new(vec!["a1"]), Mutex::default()));
    let mut matching = subscribed("a.*", &cluster);
    matching.first_topics().await.unwrap();
    assert_eq!(next(&mut matching).await, None, "nothing has changed");
    cluster.0.lock().unwrap().push("a0");
    assert_eq!(next(&mut matching).await, Some(vec!["a0".to_owned(), "a1".to_owned()]));
    *cluster.1.lock().unwrap() = Some(Error::retriable("broker is away"));
    assert_eq!(next(&mut matching).await, None);
    *cluster.1.lock().unwrap() = None;
    cluster.0.lock().unwrap().clear();
    assert_eq!(next(&mut matching).await, None, "a subscription to nothing is none");
}
