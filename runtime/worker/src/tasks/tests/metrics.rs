use std::time::Duration;

use crate::tasks::TaskMetrics;

fn value(metrics: &TaskMetrics, source: bool, name: &str) -> f64 {
    let found: Vec<f64> =
        metrics.snapshot(source).iter().filter(|(_, known, _)| *known == name).map(|(_, _, value)| *value).collect();
    assert_eq!(found.len(), 1, "{name}");
    found[0]
}

#[test]
fn names_are_those_of_jmx_and_values_in_its_units() {
    let metrics = TaskMetrics::default();
    metrics.offsets_committed(Duration::from_millis(4), true);
    metrics.offsets_committed(Duration::from_millis(2), false);
    metrics.batch_size.record(10);
    metrics.batch_size.record(30);
    metrics.source.written.add(7);
    assert_eq!(value(&metrics, true, "offset-commit-max-time-ms"), 4.0);
    assert_eq!(value(&metrics, true, "offset-commit-avg-time-ms"), 3.0);
    assert_eq!(value(&metrics, true, "offset-commit-failure-percentage"), 0.5);
    assert_eq!(value(&metrics, false, "batch-size-avg"), 20.0);
    assert_eq!(value(&metrics, true, "source-record-write-total"), 7.0);
}

#[test]
fn a_task_shows_the_metrics_of_its_kind() {
    let names = |source: bool| {
        let all = TaskMetrics::default().snapshot(source);
        all.into_iter().map(|(group, name, _)| format!("{}:{name}", group.name())).collect::<Vec<_>>()
    };
    assert!(names(true).contains(&"source-task-metrics:source-record-poll-total".to_owned()));
    assert!(!names(false).iter().any(|name| name.starts_with("source-task-metrics")));
    assert!(names(false).contains(&"sink-task-metrics:put-batch-max-time-ms".to_owned()));
    assert!(names(false).contains(&"task-error-metrics:deadletterqueue-produce-failures".to_owned()));
}
