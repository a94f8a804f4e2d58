//! The contract battery.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tributary_api::{Datum, Plugin, Props, Value};
use tributary_testkit::battery::{self, SinkSubject, Violation};

use crate::double::{Double, EIGHT, SET, SEVEN, ServerKind};
use crate::support::{BY_PLACE, plugin, props};

/// A collection of its own on a server that all subjects share.
struct TestCollection {
    double: Arc<Double>,
    name: String,
    more: &'static [(&'static str, &'static str)],
}

#[async_trait]
impl SinkSubject for TestCollection {
    fn plugin(&self) -> Plugin {
        plugin()
    }

    fn props(&self) -> Props {
        let own = [BY_PLACE, ("database", self.name.as_str()), ("collection", "items")];
        let mut props = props(&self.double, &[self.more, &own].concat());
        // The runtime's, not the connector's.
        props.retain(|name, _| name != "name" && name != "topics");
        props
    }

    fn value(&self, item: &str) -> Datum {
        Datum::schemaless(Value::map([("item", Value::string(item.to_owned()))]))
    }

    async fn delivered(&mut self) -> Vec<String> {
        let documents = self.double.documents(&format!("{}.items", self.name));
        documents.iter().map(|document| document.get_str("item").unwrap().to_owned()).collect()
    }
}

async fn violations(kind: ServerKind, more: &'static [(&'static str, &'static str)]) -> Vec<Violation> {
    let double = Arc::new(Double::start(kind));
    let made = AtomicUsize::new(0);
    let make = || {
        let name = format!("place-{}", made.fetch_add(1, Ordering::Relaxed));
        TestCollection { double: Arc::clone(&double), name, more }
    };
    battery::sink(make).await
}

#[tokio::test]
async fn keeps_the_contract_with_a_command_for_each_collection() {
    assert_eq!(violations(SEVEN, &[]).await, Vec::<Violation>::new());
}

#[tokio::test]
async fn keeps_the_contract_with_bulk_write() {
    assert_eq!(violations(EIGHT, &[]).await, Vec::<Violation>::new());
}

#[tokio::test]
async fn keeps_the_contract_with_offsets_in_the_database() {
    assert_eq!(violations(SET, &[("exactly.once.offsets.collection", "offsets")]).await, Vec::<Violation>::new());
}
