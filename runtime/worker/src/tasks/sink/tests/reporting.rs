//! What is handed to the dead letter queue.

use tributary_api::TimestampType;
use tributary_kafka::RawRecord;

use crate::tasks::Decoder;
use crate::tasks::tests::fakes::{props, registry, settings};

/// A plugin may report a record long after the batch in which it came.
#[tokio::test]
async fn a_record_that_is_reported_late_is_as_it_was_consumed() {
    let mut decoder = Decoder::for_sink(&props(&[]), &settings(&[]).defaults, &registry()).unwrap();
    let consumed = RawRecord {
        topic: "t".into(),
        partition: 3,
        offset: 42,
        timestamp: Some(99),
        timestamp_type: TimestampType::LogAppendTime,
        key: Some("k".into()),
        value: Some("v".into()),
        headers: vec![("trace".into(), Some("1".into())), ("trace".into(), Some("2".into())), ("empty".into(), None)],
    };
    let record = decoder.decode(consumed.clone()).map_err(|failure| failure.error).unwrap();
    assert_eq!(decoder.encode_again(&record).unwrap(), consumed);
}
