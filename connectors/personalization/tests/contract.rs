//! The promises of the plugin contract, kept by the transforms of this crate.
#![allow(clippy::unwrap_used)]

use tributary_api::{Datum, Plugin, Props, Record, json};
use tributary_testkit::battery::{self, TransformationSubject};

const RULES: &str = "\
line_of_business: test
version: 7
holdouts:
  all: {share: 1.0}
  none: {share: 0.0}
signals:
  lingering_return:
    dwell: {heartbeat_s: 10, min_visit_s: 5, at_least_s: 20}
    seen_before: {sessions: \">=1\", within: P30D}
offers:
  - id: come-back
    when: signal.lingering_return
    voucher: {code: BACK10, title: Welcome back}
";

struct Subject(Plugin);

impl TransformationSubject for Subject {
    fn plugin(&self) -> Plugin {
        self.0.clone()
    }

    fn props(&self) -> Props {
        match self.0.description.class.as_str() {
            "tributary.Personalize" => Props::from([("rules".to_owned(), RULES.to_owned())]),
            _ => Props::new(),
        }
    }

    fn records(&self) -> Vec<Record> {
        let click = |number: i64| {
            let at = 1_780_000_000_000 + number * 1_000;
            let click = format!(
                r#"{{"event_id":"e{number}","type":"product_view","page_id":"p","product_id":"mug","url":"/p/mug","ts":{at},
                   "received_at":{at},"session_id":"s","customer_id":"c1","person_id":"c1"}}"#
            );
            Record::new("clicks.raw", Datum::schemaless(json::from_slice(click.as_bytes()).unwrap())).at(at)
        };
        (0..3).map(click).collect()
    }
}

#[test]
fn each_transform_keeps_the_contract() {
    for plugin in tributary_personalization::plugins() {
        let class = plugin.description.class.clone();
        assert_eq!(battery::transformation(&Subject(plugin)), [], "{class}");
    }
}
