//! `MemoryTransformHost` behaves as the host of the runtime.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use tributary_api::{
    Datum, Error, Record, Records, Requirements, Result, StoreId, TableId, Timer, TransformContext, Transformation,
    Value,
};
use tributary_testkit::MemoryTransformHost;

/// Counts records by key, names the key by a table, and repeats the count 10 s after the last record of a key.
struct Counter;

impl Transformation for Counter {
    fn requirements(&self) -> Requirements {
        Requirements::default().store("counts").table("names", "names").with_timers()
    }

    fn apply(&mut self, record: Record, cx: &mut TransformContext<'_>) -> Result<Records> {
        let key = Bytes::copy_from_slice(record.key.value.as_str().unwrap().as_bytes());
        let count = cx.get(StoreId(0), &key)?.map_or(0, |count| count[0]) + 1;
        cx.put(StoreId(0), key.clone(), Some(Bytes::copy_from_slice(&[count])))?;
        assert_eq!(cx.get(StoreId(0), &key)?.unwrap()[0], count, "a change is visible at once");
        cx.schedule(Timer::new(key.clone(), cx.now() + 10_000, Bytes::new()))?;
        if record.value.value.as_str() == Some("bad") {
            return Err(Error::data("bad"));
        }
        let name = cx.table(TableId(0), &key)?.cloned().unwrap_or_default();
        Ok(Record::new("counted", name).into())
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut TransformContext<'_>) -> Result<Records> {
        let count = cx.get(StoreId(0), &timer.key)?.unwrap()[0];
        Ok(Record::new("quiet", Datum::schemaless(Value::Int32(count.into()))).into())
    }
}

fn record(key: &str, value: &str) -> Record {
    Record::new("in", Datum::schemaless(value)).with_key(Datum::schemaless(key))
}

fn count(host: &MemoryTransformHost, key: &'static str) -> Option<u8> {
    host.store("counts").unwrap().get(key.as_bytes()).map(|count| count[0])
}

#[test]
fn changes_count_when_the_record_succeeds() {
    let mut host = MemoryTransformHost::new(&Counter.requirements(), 0);
    host.apply(&mut Counter, record("a", "good")).unwrap();
    assert_eq!((count(&host, "a"), host.timers().count()), (Some(1), 1));
    assert!(host.apply(&mut Counter, record("b", "bad")).is_err());
    assert!(host.apply(&mut Counter, record("a", "bad")).is_err());
    assert_eq!((count(&host, "a"), count(&host, "b"), host.timers().count()), (Some(1), None, 1));
}

#[test]
fn timers_fire_when_they_are_due_and_once() {
    let mut host = MemoryTransformHost::new(&Counter.requirements(), 1000);
    host.apply(&mut Counter, record("a", "1")).unwrap();
    assert!(host.advance(Duration::from_secs(9), &mut Counter).unwrap().is_empty());
    // Another record moves the timer.
    host.apply(&mut Counter, record("a", "2")).unwrap();
    assert!(host.advance(Duration::from_secs(9), &mut Counter).unwrap().is_empty());
    let fired = host.advance(Duration::from_secs(1), &mut Counter).unwrap();
    assert_eq!(fired, [Record::new("quiet", Datum::schemaless(Value::Int32(2)))]);
    assert!(host.advance(Duration::from_secs(100), &mut Counter).unwrap().is_empty());
}

#[test]
fn tables_are_read_by_the_bytes_of_the_key() {
    let mut host = MemoryTransformHost::new(&Counter.requirements(), 0);
    host.set_table("names", "a", Some(Datum::schemaless("Ada"))).unwrap();
    let named = host.apply(&mut Counter, record("a", "1")).unwrap();
    assert_eq!(named, Records::One(Record::new("counted", Datum::schemaless("Ada"))));
    host.set_table("names", "a", None).unwrap();
    assert_eq!(host.apply(&mut Counter, record("a", "1")).unwrap(), Record::new("counted", Datum::NULL).into());
}

#[test]
fn undeclared_stores_do_not_exist() {
    let mut host = MemoryTransformHost::new(&Requirements::default(), 0);
    assert!(host.apply(&mut Counter, record("a", "1")).is_err());
    assert!(host.set_table("names", "a", None).is_err());
    assert!(host.store("counts").is_err());
}
