use std::panic::{AssertUnwindSafe, catch_unwind};

use tributary_api::{
    Datum, Error, ErrorKind, Factory, Plugin, PluginMetrics, Props, Record, Records, Result, Transformation,
};

use super::{Checked, Findings, Violation, values};
use crate::MemoryTransformHost;

/// The current time of all checks, in milliseconds since the epoch.
const NOW: i64 = 1_700_000_000_000;
const SAME: &str = "the same record gives a different result the second time";

/// A transform with records that it handles.
///
/// ```
/// use tributary_api::{Datum, Plugin, Props, Record};
/// use tributary_testkit::battery::{self, TransformationSubject};
///
/// struct Mask(Plugin);
///
/// impl TransformationSubject for Mask {
///     fn plugin(&self) -> Plugin {
///         self.0.clone()
///     }
///
///     fn props(&self) -> Props {
///         Props::from([("fields".to_owned(), "card".to_owned())])
///     }
///
///     fn records(&self) -> Vec<Record> {
///         vec![Record::new("orders", Datum::schemaless("4111 1111"))]
///     }
/// }
///
/// /// What a test of the transform calls.
/// fn keeps_the_contract(transform: Plugin) {
///     assert_eq!(battery::transformation(&Mask(transform)), []);
/// }
/// ```
pub trait TransformationSubject {
    /// The transform.
    fn plugin(&self) -> Plugin;

    /// A valid configuration.
    fn props(&self) -> Props;

    /// Records that it handles without an error.
    fn records(&self) -> Vec<Record>;

    /// Whether a record may give a different result each time, for example because the transform generates an identifier.
    fn is_random(&self) -> bool {
        false
    }
}

/// Runs all checks of a transform.
pub fn transformation(subject: &impl TransformationSubject) -> Vec<Violation> {
    let (plugin, props) = (subject.plugin(), subject.props());
    let mut found = Findings::of_definition(&plugin, &props);
    found.note("declares whether it needs state", asks_for_what_it_says(&plugin, &props));
    found.note("handles its records", handles_its_records(subject));
    found.note("gives the same result again", gives_the_same_result_again(subject));
    found.note("keeps the origin of records", keeps_the_origin(subject));
    found.note("handles any record without a fatal error", handles_any_record_without_a_fatal_error(subject));
    found.note("registers its metrics", registers_its_metrics(&plugin, &props));
    found.0
}

/// The plugin says whether its transform needs state, so that a configuration can be refused without making the transform.
fn asks_for_what_it_says(plugin: &Plugin, props: &Props) -> Checked {
    let needs = make(plugin, props)?.requirements();
    if needs != make(plugin, props)?.requirements() {
        return Err("its requirements differ from instance to instance".to_owned());
    }
    match (plugin.description.needs_processor, needs.is_empty()) {
        (true, true) => Err("the plugin has needs_processor, but the transform has no requirements: remove needs_processor or declare them".to_owned()),
        (false, false) => Err("the transform has requirements: add needs_processor to its plugin".to_owned()),
        _ => Ok(()),
    }
}

fn handles_its_records(subject: &impl TransformationSubject) -> Checked {
    let mut run = Run::new(subject)?;
    for record in subject.records() {
        run.apply(record)?.map_err(|error| format!("a record from records() failed: {error:?}"))?;
    }
    Ok(())
}

/// A record is handled again after a crash, and when another record of its batch has failed.
fn gives_the_same_result_again(subject: &impl TransformationSubject) -> Checked {
    if subject.is_random() {
        return Ok(());
    }
    let mut first = Run::new(subject)?;
    let outcomes: Vec<_> = subject.records().into_iter().map(|record| first.apply(record)).collect();
    let mut second = Run::new(subject)?;
    for (record, outcome) in subject.records().into_iter().zip(outcomes) {
        if second.apply(record)? != outcome? {
            return Err(format!("{SAME}, in another task"));
        }
    }
    // Without state in the host's stores the transform must not remember earlier records: its memory is lost with the process.
    if first.transform.requirements().is_empty() {
        for record in subject.records() {
            let outcome = first.apply(record.clone())?;
            if first.apply(record)? != outcome {
                return Err(format!("{SAME}, in the same task"));
            }
        }
    }
    Ok(())
}

/// Sinks derive names from the origin, and sources store offsets by it.
fn keeps_the_origin(subject: &impl TransformationSubject) -> Checked {
    let mut run = Run::new(subject)?;
    if !run.transform.requirements().is_empty() {
        // A result that depends on state comes from several records.
        return Ok(());
    }
    for record in subject.records() {
        let record = record.consumed_at(3, 7);
        let Ok(outputs) = run.apply(record.clone())? else { continue };
        if outputs.into_iter().any(|output| output.origin != record.origin) {
            return Err("an output has another origin than its record: change the record instead of making a new one, or set the origin".to_owned());
        }
    }
    Ok(())
}

/// For a record that it cannot handle the transform returns an error of kind `Data`; any other error would fail the task.
fn handles_any_record_without_a_fatal_error(subject: &impl TransformationSubject) -> Checked {
    let mut run = Run::new(subject)?;
    for key in [Datum::NULL, Datum::schemaless("key")] {
        for value in values::all() {
            let shown = format!("{value:?}");
            let record = Record::new("battery", value).with_key(key.clone());
            is_right_or_bad(&shown, run.apply(record)?)?;
        }
    }
    Ok(())
}

fn registers_its_metrics(plugin: &Plugin, props: &Props) -> Checked {
    let metrics = PluginMetrics::new([("connector", "battery"), ("task", "0")]);
    // One chain may have two transforms of a class, and a task may start while an earlier incarnation still exists.
    for alias in ["one", "two"] {
        let mut transform = make(plugin, props)?;
        let registered = transform.with_plugin_metrics(&metrics.tagged("transformation", alias));
        registered.map_err(|error| format!("its metrics are refused: {error}"))?;
    }
    Ok(())
}

/// Accepts success, and an error of kind `Data`.
pub(super) fn is_right_or_bad<T>(what: &str, outcome: Result<T>) -> Checked {
    match outcome {
        Err(error) if error.kind() != ErrorKind::Data => {
            Err(format!("{what} gives the error {error:?}: an error that is the record's fault must be of kind Data"))
        }
        _ => Ok(()),
    }
}

/// Calls a plugin, which must not panic.
pub(super) fn without_panic<T>(what: &str, call: impl FnOnce() -> T) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| format!("it panicked at {what}"))
}

fn make(plugin: &Plugin, props: &Props) -> std::result::Result<Box<dyn Transformation>, String> {
    let refused = |error: Error| format!("the valid configuration is refused: {error}");
    let config = plugin.description.config.parse(props).map_err(refused)?;
    match &plugin.factory {
        Factory::Transformation(make) => make(&config).map_err(refused),
        _ => Err(format!("{} is not a transform", plugin.description.class)),
    }
}

/// A transform with a host that fulfils its requirements.
struct Run {
    transform: Box<dyn Transformation>,
    host: MemoryTransformHost,
}

impl Run {
    fn new(subject: &impl TransformationSubject) -> std::result::Result<Self, String> {
        let transform = make(&subject.plugin(), &subject.props())?;
        let host = MemoryTransformHost::new(&transform.requirements(), NOW);
        Ok(Self { transform, host })
    }

    fn apply(&mut self, record: Record) -> std::result::Result<Result<Records>, String> {
        let shown = format!("{:?}", record.value);
        without_panic(&shown, || self.host.apply(&mut *self.transform, record))
    }
}
