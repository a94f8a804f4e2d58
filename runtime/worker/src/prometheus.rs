//! The metrics of all tasks as Prometheus text, under the names that jmx_exporter makes of Kafka Connect's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use tributary_api::{MetricSample, PluginMetrics};
use tributary_control::{Measure, Progress, TaskId, TaskProgress};

use crate::tasks::TaskMetrics;

/// The tasks that run here, with what they count, and the metrics of connectors' own.
#[derive(Default)]
pub(crate) struct TaskRegistry {
    tasks: Mutex<BTreeMap<TaskId, Entry>>,
    connectors: Mutex<BTreeMap<String, PluginMetrics>>,
}

#[derive(Clone)]
struct Entry {
    metrics: Arc<TaskMetrics>,
    is_source: bool,
}

/// The samples of one name, with what it says if that is known.
#[derive(Default)]
struct Family {
    help: String,
    samples: Vec<String>,
}

impl TaskRegistry {
    pub(crate) fn add(&self, task: TaskId, metrics: Arc<TaskMetrics>, is_source: bool) {
        self.tasks.lock().insert(task, Entry { metrics, is_source });
    }

    pub(crate) fn remove(&self, task: &TaskId) {
        self.tasks.lock().remove(task);
    }

    /// Metrics for a connector that starts.
    pub(crate) fn add_connector(&self, name: &str) -> PluginMetrics {
        let metrics = PluginMetrics::new([("connector", name)]);
        let mut connectors = self.connectors.lock();
        connectors.insert(name.to_owned(), metrics.clone());
        metrics
    }

    pub(crate) fn remove_connector(&self, name: &str) {
        self.connectors.lock().remove(name);
    }

    /// The metrics of a connector's plugins that run here.
    pub(crate) fn progress(&self, name: &str) -> Progress {
        // As for the text: without the lock.
        let tasks = self.tasks.lock().clone();
        let connector = self.connectors.lock().get(name).cloned();
        let tasks = tasks.iter().filter(|(id, _)| id.connector == name);
        let tasks = tasks.map(|(id, task)| TaskProgress { id: id.task, metrics: measures(&task.metrics.plugins) });
        Progress {
            name: name.to_owned(),
            metrics: connector.as_ref().map(measures).unwrap_or_default(),
            tasks: tasks.collect(),
        }
    }

    /// One line for each metric of each task, after a comment with its type.
    pub(crate) fn prometheus(&self) -> String {
        // Plugins may be asked for a number: without the lock, which starts and ends of tasks wait for.
        let tasks = self.tasks.lock().clone();
        let connectors = self.connectors.lock().clone();
        let names: BTreeSet<&str> = tasks.keys().map(|id| id.connector.as_str()).collect();
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let worker = [("connector_count", names.len()), ("task_count", tasks.len())];
        for (name, count) in worker {
            let family = families.entry(format!("kafka_connect_connect_worker_metrics_{name}")).or_default();
            family.samples.push(format!(" {count}"));
        }
        for (id, task) in &tasks {
            let tags = [("connector".to_owned(), id.connector.clone()), ("task".to_owned(), id.task.to_string())];
            for (group, name, value) in task.metrics.snapshot(task.is_source) {
                let family = families.entry(family_name(group.name(), name)).or_default();
                family.samples.push(format!("{} {value}", labels(&tags)));
            }
        }
        for metrics in tasks.values().map(|task| &task.metrics.plugins).chain(connectors.values()) {
            for sample in metrics.samples() {
                let family = families.entry(family_name("plugins", &sample.name)).or_default();
                if family.help.is_empty() {
                    family.help = sample.description;
                }
                family.samples.push(format!("{} {}", labels(&sample.tags), sample.value));
            }
        }
        families.iter().map(|(name, family)| family.text(name)).collect()
    }
}

impl Family {
    fn text(&self, name: &str) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        if !self.help.is_empty() {
            let help = self.help.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = writeln!(text, "# HELP {name} {help}");
        }
        let _ = writeln!(text, "# TYPE {name} {}", if name.ends_with("_total") { "counter" } else { "gauge" });
        for sample in &self.samples {
            let _ = writeln!(text, "{name}{sample}");
        }
        text
    }
}

fn measures(metrics: &PluginMetrics) -> Vec<Measure> {
    let own = |(name, _): &(String, String)| !["connector", "task"].contains(&name.as_str());
    let measure = |sample: MetricSample| {
        let tags = sample.tags.into_iter().filter(own).collect();
        Measure { name: sample.name, tags, value: sample.value }
    };
    // JSON has no other numbers. Without the measure an answer says that it is not known.
    metrics.samples().into_iter().filter(|sample| sample.value.is_finite()).map(measure).collect()
}

/// As jmx_exporter names an attribute of an MBean of Connect's.
fn family_name(group: &str, name: &str) -> String {
    format!("kafka_connect_{group}_{name}").replace(['-', '.'], "_")
}

fn labels(tags: &[(String, String)]) -> String {
    let label = |(name, value): &(String, String)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{}=\"{value}\"", name.replace(['-', '.'], "_"))
    };
    format!("{{{}}}", tags.iter().map(label).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

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

    #[test]
    fn a_plugins_own_metrics_show_with_its_tags_and_go_with_the_task() {
        let (registry, id) = (TaskRegistry::default(), TaskId::new("c", 3));
        let metrics = Arc::new(TaskMetrics::of(&id));
        let (plugin, key) = (metrics.plugins.clone(), metrics.plugins.tagged("converter", "key"));
        registry.add(id.clone(), metrics, false);
        let lag = plugin.gauge("lag-ms", "How far\nbehind.", &[("table.name", "a\"b")]).unwrap();
        let lookups = key.counter("lookups", "", &[]).unwrap();
        let connector = registry.add_connector("c");
        let tables = connector.gauge("tables", "Tables found.", &[]).unwrap();
        lag.set(12.5);
        lookups.add(2);
        tables.set(4.0);
        let text = registry.prometheus();
        for line in [
            r"# HELP kafka_connect_plugins_lag_ms How far\nbehind.",
            "# TYPE kafka_connect_plugins_lag_ms gauge",
            r#"kafka_connect_plugins_lag_ms{connector="c",task="3",table_name="a\"b"} 12.5"#,
            "# TYPE kafka_connect_plugins_lookups_total counter",
            r#"kafka_connect_plugins_lookups_total{connector="c",task="3",converter="key"} 2"#,
            r#"kafka_connect_plugins_tables{connector="c"} 4"#,
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in {text}");
        }
        registry.remove(&id);
        registry.remove_connector("c");
        assert!(!registry.prometheus().contains("plugins"));
    }

    #[test]
    fn progress_has_the_plugins_metrics_of_one_connector() {
        let (registry, id, other) = (TaskRegistry::default(), TaskId::new("c", 3), TaskId::new("d", 0));
        let (metrics, others) = (Arc::new(TaskMetrics::of(&id)), Arc::new(TaskMetrics::of(&other)));
        registry.add(id, Arc::clone(&metrics), true);
        registry.add(other, Arc::clone(&others), true);
        let left = metrics.plugins.gauge("tables-left", "", &[("database", "shop")]).unwrap();
        let _others = others.plugins.gauge("tables-left", "", &[]).unwrap();
        let tables = registry.add_connector("c").gauge("tables", "", &[]).unwrap();
        let unknown = metrics.plugins.gauge("tables-read", "", &[]).unwrap();
        unknown.set(f64::NAN);
        left.set(2.0);
        tables.set(4.0);
        let measure = |name: &str, tags: &[(&str, &str)], value| {
            let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Measure { name: name.to_owned(), tags, value }
        };
        let task = TaskProgress { id: 3, metrics: vec![measure("tables-left", &[("database", "shop")], 2.0)] };
        let expected = Progress { name: "c".to_owned(), metrics: vec![measure("tables", &[], 4.0)], tasks: vec![task] };
        assert_eq!(registry.progress("c"), expected);
        assert_eq!(registry.progress("none").tasks, []);
    }
}
