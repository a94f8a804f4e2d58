//! The contract battery.

use async_trait::async_trait;
use tributary_api::{Plugin, Props};
use tributary_testkit::battery::{self, SinkSubject, Violation};

use crate::support::{Setup, nordstrom, plugin};

struct Subject {
    place: Setup,
    plugin: Plugin,
    props: Props,
}

#[async_trait]
impl SinkSubject for Subject {
    fn plugin(&self) -> Plugin {
        self.plugin.clone()
    }

    fn props(&self) -> Props {
        self.props.clone()
    }

    /// Each item once, where it came first: a task that died has it sent again.
    async fn delivered(&mut self) -> Vec<String> {
        let mut items: Vec<String> = Vec::new();
        for event in self.place.events() {
            for record in event.json().as_array().unwrap() {
                let value = record.pointer("/payload/value").unwrap_or_else(|| &record["value"]);
                let item = value.as_str().unwrap().to_owned();
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        items
    }
}

/// Subjects are made in a closure that cannot wait.
fn make(place: Setup, plugin: Plugin, props: impl Fn(&Setup) -> Props) -> Subject {
    let props = props(&place);
    Subject { place, plugin, props }
}

fn fresh() -> Setup {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(Setup::new()))
}

#[tokio::test(flavor = "multi_thread")]
async fn confluents_keeps_the_contract() {
    for more in [&[][..], &[("aws.lambda.batch.size", "3"), ("aws.lambda.batch.window.ms", "30")]] {
        let violations = battery::sink(|| make(fresh(), plugin(), |place| place.props(more))).await;
        assert_eq!(violations, Vec::<Violation>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nordstroms_keeps_the_contract() {
    let violations = battery::sink(|| make(fresh(), nordstrom(), nordstrom_props)).await;
    assert_eq!(violations, Vec::<Violation>::new());
}

pub(crate) fn nordstrom_props(place: &Setup) -> Props {
    let url = place.front.url();
    let base = [
        ("aws.lambda.function.arn", "arn:aws:lambda:us-east-1:123456789012:function:upsert"),
        ("aws.credentials.provider.class", "com.nordstrom.kafka.connect.auth.AWSUserCredentialsProvider"),
        ("aws.credentials.provider.aws.access.key.id", "key"),
        ("aws.credentials.provider.aws.secret.access.key", "a-secret-key"),
        ("http.proxy.host", &url),
        ("retry.backoff.millis", "1"),
    ];
    base.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
