//! The contract battery.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tributary_api::{Plugin, Props};
use tributary_testkit::battery::{self, SinkSubject, Violation};

use crate::support::{TestBucket, plugin};

/// A bucket of its own in a bucket that all subjects share.
struct Bucket {
    bucket: Arc<TestBucket>,
    name: String,
    rotation: &'static [(&'static str, &'static str)],
}

#[async_trait]
impl SinkSubject for Bucket {
    fn plugin(&self) -> Plugin {
        plugin()
    }

    fn props(&self) -> Props {
        let mut props = self.bucket.props(self.rotation);
        props.insert("s3.bucket.name".to_owned(), self.name.clone());
        props
    }

    async fn delivered(&mut self) -> Vec<String> {
        let mut items = Vec::new();
        for key in self.bucket.keys(&self.name).await {
            let text = String::from_utf8(self.bucket.get(&self.name, &key).await).unwrap();
            items.extend(text.lines().map(|line| line.trim_matches('"').to_owned()));
        }
        items
    }
}

async fn violations(rotation: &'static [(&'static str, &'static str)]) -> Vec<Violation> {
    let bucket = Arc::new(TestBucket::new().await);
    let made = AtomicUsize::new(0);
    battery::sink(|| {
        let name = format!("bucket-{}", made.fetch_add(1, Ordering::Relaxed));
        bucket.make_bucket(&name);
        Bucket { bucket: Arc::clone(&bucket), name, rotation }
    })
    .await
}

#[tokio::test]
async fn keeps_the_contract_with_objects_of_a_size() {
    assert_eq!(violations(&[("flush.size", "5")]).await, Vec::<Violation>::new());
}

#[tokio::test]
async fn keeps_the_contract_with_objects_by_the_clock() {
    let rotation = &[("flush.size", "1000"), ("rotate.schedule.interval.ms", "100"), ("timezone", "UTC")];
    assert_eq!(violations(rotation).await, Vec::<Violation>::new());
}
