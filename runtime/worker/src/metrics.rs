//! The metrics of all tasks as Prometheus text, under the names that jmx_exporter makes of Kafka Connect's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use tributary_control::TaskId;

use crate::tasks::TaskMetrics;

/// The tasks of this worker, with their metrics.
#[derive(Default)]
pub(crate) struct TaskRegistry(Mutex<BTreeMap<TaskId, Entry>>);

struct Entry {
    metrics: Arc<TaskMetrics>,
    is_source: bool,
}

impl TaskRegistry {
    pub(crate) fn add(&self, task: TaskId, metrics: Arc<TaskMetrics>, is_source: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(task, Entry { metrics, is_source });
    }

    pub(crate) fn remove(&self, task: &TaskId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(task);
    }

    /// One line for each metric of each task, after a comment with its type.
    pub(crate) fn prometheus(&self) -> String {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let connectors: BTreeSet<&str> = tasks.keys().map(|id| id.connector.as_str()).collect();
        let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let worker = [("connector_count", connectors.len()), ("task_count", tasks.len())];
        for (name, count) in worker {
            families.insert(format!("kafka_connect_connect_worker_metrics_{name}"), vec![format!(" {count}")]);
        }
        for (id, task) in tasks.iter() {
            for (group, name, value) in task.metrics.snapshot(task.is_source) {
                let family = format!("kafka_connect_{}_{name}", group.name()).replace('-', "_");
                let connector = id.connector.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let sample = format!("{{connector=\"{connector}\",task=\"{}\"}} {value}", id.task);
                families.entry(family).or_default().push(sample);
            }
        }
        let mut text = String::new();
        for (family, samples) in families {
            let kind = if family.ends_with("_total") { "counter" } else { "gauge" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# TYPE {family} {kind}");
            for sample in samples {
                let _ = writeln!(text, "{family}{sample}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_shows_under_the_names_of_jmx_exporter_and_goes_with_it() {
        let (registry, metrics) = (TaskRegistry::default(), Arc::<TaskMetrics>::default());
        metrics.source.polled.add(7);
        let id = TaskId::new("say \"hi\"", 0);
        registry.add(id.clone(), metrics, true);
        let text = registry.prometheus();
        let sample = r#"kafka_connect_source_task_metrics_source_record_poll_total{connector="say \"hi\"",task="0"} 7"#;
        assert!(text.lines().any(|line| line == sample), "{text}");
        assert!(text.contains("kafka_connect_connect_worker_metrics_task_count 1"));
        registry.remove(&id);
        assert!(!registry.prometheus().contains("hi"));
    }
}
