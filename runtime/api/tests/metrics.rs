//! Metrics of a plugin's own: names, tags, and when they go.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tributary_api::PluginMetrics;

fn metrics() -> PluginMetrics {
    PluginMetrics::new([("connector", "c"), ("task", "0")])
}

fn shown(metrics: &PluginMetrics) -> Vec<(String, f64)> {
    metrics.samples().into_iter().map(|sample| (sample.name, sample.value)).collect()
}

#[test]
fn each_kind_shows_its_values() {
    let metrics = metrics();
    let counter = metrics.counter("rows", "Rows read.", &[]).unwrap();
    let gauge = metrics.gauge("lag.ms", "Behind.", &[]).unwrap();
    let sensor = metrics.sensor("query", "How long.", &[]).unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let function =
        metrics.gauge_function("queue", "Waiting.", &[], move || count.fetch_add(1, Ordering::Relaxed).into());
    let same = counter.clone();
    counter.add(2);
    same.add(3);
    gauge.set(7.5);
    gauge.add(-0.5);
    [4.0, 8.0, -1.0].into_iter().for_each(|value| sensor.record(value));
    let expected = [
        ("lag.ms", 7.0),
        ("query-avg", 4.0),
        ("query-max", 8.0),
        ("query-total", 3.0),
        ("queue", 0.0),
        ("rows-total", 5.0),
    ];
    assert_eq!(shown(&metrics), expected.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!((shown(&metrics)[4].1, function.is_ok()), (1.0, true), "it is asked each time");
    assert_eq!(metrics.samples()[0].description, "Behind.");
}

#[test]
fn a_metric_goes_with_the_last_of_its_handles_and_may_come_again() {
    let metrics = metrics();
    let counter = metrics.counter("rows", "", &[]).unwrap();
    assert!(metrics.counter("rows", "", &[]).unwrap_err().to_string().contains("there is one of this name"));
    let other = counter.clone();
    drop(counter);
    assert_eq!(shown(&metrics).len(), 1);
    drop(other);
    assert!(shown(&metrics).is_empty());
    assert!(metrics.counter("rows", "", &[]).is_ok());
}

#[test]
fn tags_say_whose_it_is() {
    let metrics = metrics();
    let converter = metrics.tagged("converter", "key");
    let _table = converter.gauge("lookups", "", &[("subject", "orders-key")]).unwrap();
    let _other = converter.gauge("lookups", "", &[("subject", "rest")]).unwrap();
    let tags: Vec<_> = metrics.samples().iter().map(|sample| sample.tags.clone()).collect();
    let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let own = [tag("connector", "c"), tag("task", "0"), tag("converter", "key")];
    assert_eq!(tags[0], [&own[..], &[tag("subject", "orders-key")]].concat());
    let refused = converter.gauge("x", "", &[("task", "1")]).unwrap_err().to_string();
    assert!(refused.contains("its tag task is there already"), "{refused}");
}

#[test]
fn a_name_is_one_that_any_collector_takes() {
    let metrics = metrics();
    for wrong in ["", "1st", "a b", "a{b}", "\u{e9}"] {
        assert!(metrics.gauge(wrong, "", &[]).is_err() && metrics.gauge("a", "", &[(wrong, "b")]).is_err(), "{wrong}");
    }
    assert!(
        metrics.gauge("rows-total", "", &[]).unwrap_err().to_string().contains("only a counter's name ends in total")
    );
    assert!(metrics.sensor("total", "", &[]).is_err());
}

#[test]
fn there_are_so_many_and_no_more() {
    let metrics = metrics();
    let held: Vec<_> = (0..10_000).map(|number| metrics.gauge(&format!("g{number}"), "", &[]).unwrap()).collect();
    assert!(metrics.gauge("one", "", &[]).unwrap_err().to_string().contains("there are 10000 already"));
    drop(held);
    assert!(metrics.gauge("one", "", &[]).is_ok());
}

#[test]
fn a_function_that_panics_has_no_number() {
    let metrics = metrics();
    let _bad = metrics.gauge_function("bad", "", &[], || panic!("no")).unwrap();
    let _good = metrics.gauge("good", "", &[]).unwrap();
    let shown = shown(&metrics);
    assert!(shown[0].1.is_nan() && shown[1].1 == 0.0);
    assert!(metrics.gauge("more", "", &[]).is_ok());
}
