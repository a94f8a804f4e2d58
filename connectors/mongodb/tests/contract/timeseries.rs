//! Collections for time series.

use mongodb::bson::doc;
use tributary_api::{ErrorKind, Value};

use crate::double::{Double, SEVEN};
use crate::support::{OTHER, TOPIC, Task, record};

const TIME: [(&str, &str); 2] = [("timeseries.timefield", "at"), ("timeseries.timefield.auto.convert", "true")];

fn measured() -> Value {
    Value::map([("at", Value::Int64(1_700_000_000_000)), ("value", Value::Int64(7))])
}

#[tokio::test]
async fn the_collection_is_created_once_and_written_by_inserts() {
    let double = Double::start(SEVEN);
    let more = [
        ("timeseries.metafield", "sensor"),
        ("timeseries.granularity", "minutes"),
        ("timeseries.expire.after.seconds", "3600"),
    ];
    let mut task = Task::start(&double, &[&TIME[..], &more].concat()).await;
    for offset in 0..2 {
        task.put(&[record(TOPIC, offset, measured()), record(OTHER, offset, measured())]).await.unwrap();
    }
    let commands = double.take_commands();
    assert!(commands.iter().all(|command| command.contains_key("insert")), "{commands:?}");
    let made = double.timeseries("shop.orders").unwrap();
    assert_eq!(
        made.get_document("timeseries").unwrap(),
        &doc! { "timeField": "at", "metaField": "sensor", "granularity": "minutes" }
    );
    assert_eq!(made.get_i64("expireAfterSeconds").unwrap(), 3600);
    assert!(double.timeseries("shop.returns").is_some());
    assert_eq!(double.documents("shop.orders").len(), 2);
    assert!(double.documents("shop.orders")[0].get_datetime("at").is_ok());

    // There already, as for another task.
    let mut other = Task::start(&double, &TIME).await;
    other.put(&[record(TOPIC, 2, measured())]).await.unwrap();
    assert_eq!(double.documents("shop.orders").len(), 3);
}

#[tokio::test]
async fn a_collection_of_another_kind_is_not_written_to() {
    let double = Double::start(SEVEN);
    double.put("shop.orders", doc! { "_id": 1 });
    let mut task = Task::start(&double, &TIME).await;
    let error = task.put(&[record(TOPIC, 0, measured())]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no time-series collection"), "{error}");
    assert_eq!(double.documents("shop.orders").len(), 1);
}
