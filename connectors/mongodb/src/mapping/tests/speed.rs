//! How long a record takes from the topic to the bytes of its write. Run it by name, with `--ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

use std::sync::Arc;
use std::time::Instant;

use tributary_api::{Datum, Origin, Props, Record, Value, json};

use crate::config::{Settings, definition};
use crate::mapping::Mapper;

const RECORDS: u32 = 200_000;
const OFFER: &str = r#"{"customer_id": 4711, "session_id": "b6b1c2f0-1f9e-4e0e-9d8d-7a1f0c1f2a3b", "offer": "free-shipping",
    "reason": {"rule": "hesitates", "score": 0.8125}, "products": [{"sku": "A-1", "price": 19.9}, {"sku": "B-2", "price": 5}],
    "shown": false, "created_at": 1577059200123}"#;

fn measure(name: &str, value: Datum, given: &[(&str, &str)]) {
    let mut props =
        Props::from([("database", "shop"), ("topics", "offers")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    props.extend(given.iter().map(|(name, value)| {
        let is_class = value.starts_with("processor.") || value.starts_with("writemodel.");
        let package = if is_class { "com.mongodb.kafka.connect.sink." } else { "" };
        ((*name).to_owned(), format!("{package}{value}"))
    }));
    let settings = Settings::new(&definition().parse(&props).unwrap()).unwrap();
    let mut mapper = Mapper::new(&Arc::new(settings));
    let mut record = Record::new("offers", value).with_key(Datum::schemaless(r#"{"customer_id": 4711}"#)).at(1);
    record.origin = Origin::Kafka { topic: Arc::clone(&record.topic), partition: 0, offset: 7 };
    let start = Instant::now();
    for _ in 0..RECORDS {
        std::hint::black_box(mapper.map(std::hint::black_box(&record)).unwrap());
    }
    println!("{name}: {:.0} ns a record", start.elapsed().as_nanos() as f64 / f64::from(RECORDS));
}

#[test]
#[ignore = "a measurement"]
fn time_per_record() {
    let key = ("document.id.strategy", "processor.id.strategy.FullKeyStrategy");
    let map = || Datum::schemaless(json::from_slice(OFFER.as_bytes()).unwrap());
    measure("map, full key", map(), &[key]);
    measure("map, new object id", map(), &[]);
    measure("text, full key", Datum::schemaless(Value::string(OFFER)), &[key]);
    measure(
        "text, update",
        Datum::schemaless(Value::string(OFFER)),
        &[key, ("writemodel.strategy", "writemodel.strategy.UpdateOneDefaultStrategy")],
    );
    let chain = |steps: &'static str| ("post.processor.chain", steps);
    let block = ("value.projection.type", "BlockList");
    let rename = |path| ("field.renamer.mapping", path);
    let renaming = "processor.field.renaming.RenameByMapping";
    measure("map, without nulls", map(), &[key, chain("processor.NullFieldValueRemover")]);
    measure("map, kafka meta", map(), &[key, chain("processor.KafkaMetaAdder")]);
    measure(
        "map, block list",
        map(),
        &[key, chain("processor.BlockListValueProjector"), block, ("value.projection.list", "reason.rule,shown")],
    );
    measure(
        "map, block list by prefix",
        map(),
        &[key, chain("processor.BlockListValueProjector"), block, ("value.projection.list", "sh*")],
    );
    measure("map, renamed", map(), &[key, chain(renaming), rename(r#"[{"oldName":"value.offer","newName":"what"}]"#)]);
}
