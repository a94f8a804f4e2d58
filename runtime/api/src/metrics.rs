use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::{Error, Result};

/// How many metrics a task's plugins may have together.
const MOST: usize = 10_000;

/// Metrics of a plugin's own (KIP-877): they show among those of Connect, in the group `plugins`, with tags that say which
/// connector, task, converter or transform it is, and go with the last clone of their handle, at the latest with the task.
///
/// Connectors and their tasks have it in their context, the others are given it by `with_plugin_metrics`. To register one
/// takes a lock, to count takes none: a plugin registers at its start and keeps the handles.
///
/// ```
/// use tributary_api::PluginMetrics;
/// let metrics = PluginMetrics::new([("connector", "orders"), ("task", "0")]);
/// let lag = metrics.gauge("lag-ms", "How far behind the database is read.", &[("table", "dbo.orders")]).unwrap();
/// let lookups = metrics.counter("lookups", "Answers of the registry.", &[]).unwrap();
/// lag.set(12.0);
/// lookups.add(3);
/// let shown: Vec<_> = metrics.samples().into_iter().map(|sample| (sample.name, sample.tags, sample.value)).collect();
/// let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
/// let own = vec![tag("connector", "orders"), tag("task", "0")];
/// assert_eq!(shown[0], ("lag-ms".to_owned(), [&own[..], &[tag("table", "dbo.orders")]].concat(), 12.0));
/// assert_eq!(shown[1], ("lookups-total".to_owned(), own, 3.0));
/// ```
#[derive(Clone, Default)]
pub struct PluginMetrics {
    /// The plugin's, which come first.
    tags: Vec<(String, String)>,
    registry: Arc<Registry>,
}

type Registry = Mutex<BTreeMap<MetricName, Metric>>;

/// A name with all tags: there is one metric of each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MetricName {
    name: String,
    tags: Vec<(String, String)>,
}

struct Metric {
    description: String,
    /// The metric exists as long as its handle is held.
    source: Weak<dyn Read>,
}

/// The values of a metric.
trait Read: Send + Sync {
    /// The values, with the endings of their names.
    fn values(&self) -> Vec<(&'static str, f64)>;
}

/// A number that only grows. Its name ends in `-total`.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<CounterState>);

/// A number that is set.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<GaugeState>);

/// A number that is computed when metrics are read. The metric exists as long as this is held.
#[derive(Clone)]
pub struct GaugeFunction(#[allow(dead_code)] Arc<dyn Read>);

/// How often something happened, and how large or long it was: `-total`, `-avg` and `-max`.
#[derive(Clone, Debug, Default)]
pub struct Sensor(Arc<SensorState>);

#[derive(Debug, Default)]
struct CounterState(AtomicU64);

/// The bits of a double.
#[derive(Debug, Default)]
struct GaugeState(AtomicU64);

struct FunctionState<F>(F);

/// Sum and largest are the bits of doubles.
#[derive(Debug, Default)]
struct SensorState {
    count: AtomicU64,
    sum: AtomicU64,
    max: AtomicU64,
}

/// What a metric is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricSample {
    /// The name, as the plugin gave it and with the ending of its kind.
    pub name: String,
    /// What it says.
    pub description: String,
    /// The tags: the plugin's first.
    pub tags: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

impl PluginMetrics {
    /// Metrics with the tags of a plugin: for who runs one. [`default`](Self::default) has none and is shown nowhere.
    pub fn new<N: Into<String>, V: Into<String>>(tags: impl IntoIterator<Item = (N, V)>) -> Self {
        let tags = tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { tags, registry: Arc::default() }
    }

    /// The same metrics for a plugin that is part of this one's work, as a converter is of a task's: with one more tag.
    #[must_use]
    pub fn tagged(&self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let mut tags = self.tags.clone();
        tags.push((name.into(), value.into()));
        Self { tags, registry: Arc::clone(&self.registry) }
    }

    /// Registers a counter.
    ///
    /// # Errors
    /// When there is one of this name and these tags, when a name has other signs than letters, digits, `-`, `_` and `.`, when
    /// a tag is one of the plugin's, or when there are too many.
    pub fn counter(&self, name: &str, description: &str, tags: &[(&str, &str)]) -> Result<Counter> {
        let counter = Counter::default();
        let name = if name.ends_with("-total") { name.to_owned() } else { format!("{name}-total") };
        self.register(&name, description, tags, &(Arc::clone(&counter.0) as _))?;
        Ok(counter)
    }

    /// Registers a gauge, which is 0 until it is set.
    ///
    /// # Errors
    /// As for [`counter`](Self::counter); when the name ends in `total`, as only a counter's does.
    pub fn gauge(&self, name: &str, description: &str, tags: &[(&str, &str)]) -> Result<Gauge> {
        let gauge = Gauge::default();
        no_counter(name)?;
        self.register(name, description, tags, &(Arc::clone(&gauge.0) as _))?;
        Ok(gauge)
    }

    /// Registers a gauge whose function is called whenever metrics are read: it must not block.
    ///
    /// # Errors
    /// As for [`gauge`](Self::gauge).
    pub fn gauge_function(
        &self,
        name: &str,
        description: &str,
        tags: &[(&str, &str)],
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Result<GaugeFunction> {
        let function: Arc<dyn Read> = Arc::new(FunctionState(read));
        no_counter(name)?;
        self.register(name, description, tags, &function)?;
        Ok(GaugeFunction(function))
    }

    /// Registers a sensor.
    ///
    /// # Errors
    /// As for [`gauge`](Self::gauge).
    pub fn sensor(&self, name: &str, description: &str, tags: &[(&str, &str)]) -> Result<Sensor> {
        let sensor = Sensor::default();
        no_counter(name)?;
        self.register(name, description, tags, &(Arc::clone(&sensor.0) as _))?;
        Ok(sensor)
    }

    /// What all metrics are now, in the order of their names: for who runs the plugin, and for tests.
    pub fn samples(&self) -> Vec<MetricSample> {
        // A function of the plugin's is called without the lock.
        let live: Vec<_> = {
            let registry = self.registry.lock();
            let live = registry.iter().map(|(name, metric)| (name.clone(), metric.description.clone(), &metric.source));
            live.filter_map(|(name, description, source)| Some((name, description, source.upgrade()?))).collect()
        };
        let sample = |(MetricName { name, tags }, description, source): (MetricName, String, Arc<dyn Read>)| {
            let values = source.values().into_iter();
            let sample = move |(ending, value)| MetricSample {
                name: format!("{name}{ending}"),
                description: description.clone(),
                tags: tags.clone(),
                value,
            };
            values.map(sample).collect::<Vec<_>>()
        };
        live.into_iter().flat_map(sample).collect()
    }

    fn register(&self, name: &str, description: &str, tags: &[(&str, &str)], source: &Arc<dyn Read>) -> Result<()> {
        let refuse = |reason: String| Err(Error::config(format!("metric {name} cannot be registered: {reason}")));
        if !is_name(name) || tags.iter().any(|(tag, _)| !is_name(tag)) {
            return refuse("write its name and those of its tags in letters, digits, -, _ and .".to_owned());
        }
        let mut all = self.tags.clone();
        for (tag, value) in tags {
            if all.iter().any(|(known, _)| known == tag) {
                return refuse(format!("its tag {tag} is there already: give it another name"));
            }
            all.push(((*tag).to_owned(), (*value).to_owned()));
        }
        let mut registry = self.registry.lock();
        let key = MetricName { name: name.to_owned(), tags: all };
        if registry.len() >= MOST || registry.contains_key(&key) {
            registry.retain(|_, metric| metric.source.strong_count() > 0);
        }
        if registry.len() >= MOST {
            return refuse(format!("there are {MOST} already"));
        }
        if registry.contains_key(&key) {
            return refuse("there is one of this name and these tags already".to_owned());
        }
        registry.insert(key, Metric { description: description.to_owned(), source: Arc::downgrade(source) });
        Ok(())
    }
}

/// A name that ends so is taken for a counter's by who collects metrics.
fn no_counter(name: &str) -> Result<()> {
    match name.ends_with("total") {
        true => Err(Error::config(format!("metric {name} cannot be registered: only a counter's name ends in total"))),
        false => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[allow(clippy::cast_precision_loss)] // what is counted stays below 2^53
impl Read for CounterState {
    fn values(&self) -> Vec<(&'static str, f64)> {
        vec![("", self.0.load(Ordering::Relaxed) as f64)]
    }
}

impl Read for GaugeState {
    fn values(&self) -> Vec<(&'static str, f64)> {
        vec![("", float(&self.0))]
    }
}

impl<F: Fn() -> f64 + Send + Sync> Read for FunctionState<F> {
    /// One that panics has no number, and takes no other's with it.
    fn values(&self) -> Vec<(&'static str, f64)> {
        vec![("", catch_unwind(AssertUnwindSafe(&self.0)).unwrap_or(f64::NAN))]
    }
}

#[allow(clippy::cast_precision_loss)] // what is counted stays below 2^53
impl Read for SensorState {
    fn values(&self) -> Vec<(&'static str, f64)> {
        let count = self.count.load(Ordering::Relaxed) as f64;
        let mean = if count == 0.0 { 0.0 } else { float(&self.sum) / count };
        vec![("-avg", mean), ("-max", float(&self.max)), ("-total", count)]
    }
}

impl Counter {
    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.0.fetch_add(more, Ordering::Relaxed);
    }
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Changes the value by so much.
    pub fn add(&self, change: f64) {
        update(&self.0.0, |value| value + change);
    }
}

impl Sensor {
    /// It happened once more, and was so large or long. Below 0 counts as 0.
    pub fn record(&self, value: f64) {
        let value = value.max(0.0);
        self.0.count.fetch_add(1, Ordering::Relaxed);
        update(&self.0.sum, |sum| sum + value);
        update(&self.0.max, |max| max.max(value));
    }
}

fn float(bits: &AtomicU64) -> f64 {
    f64::from_bits(bits.load(Ordering::Relaxed))
}

fn update(bits: &AtomicU64, change: impl Fn(f64) -> f64) {
    let changed = |bits| Some(change(f64::from_bits(bits)).to_bits());
    // The function never gives up.
    let _ = bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
}

impl fmt::Debug for PluginMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginMetrics").field("tags", &self.tags).finish_non_exhaustive()
    }
}

impl fmt::Debug for GaugeFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GaugeFunction")
    }
}
