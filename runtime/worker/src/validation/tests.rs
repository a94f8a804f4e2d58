#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;
use tributary_api::{
    Bytes, Config, ConfigKey, ConfigProvider, ConfigType, Connector, Converter, Datum, DecodeContext, EncodeContext,
    Predicate, Recommendation, Record, SinkConnector, SinkFactory, SinkTask, Validator as Check,
};

use super::*;
use crate::fixtures::{props, worker_props};

const SECRET: &str = "0123456789abcdef-the-session-secret";

/// Returns secrets.
struct Secrets;

impl ConfigProvider for Secrets {
    fn get(&self, _path: &str, keys: &[&str]) -> Result<BTreeMap<String, String>> {
        let values = [("long", SECRET), ("short", "zz"), ("lines", "first secret line\nsecond secret line")];
        Ok(values
            .into_iter()
            .filter(|(key, _)| keys.contains(key))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect())
    }
}

/// Its validation waits, or quotes its configuration.
struct Sink(Option<Arc<Gate>>);

/// Counts those who wait.
#[derive(Default)]
struct Gate {
    waiting: AtomicUsize,
    most: AtomicUsize,
    open: Notify,
}

#[async_trait]
impl Connector for Sink {
    async fn task_configs(&mut self, _config: &Config, _max: usize) -> Result<Vec<Props>> {
        Ok(Vec::new())
    }

    async fn validate(&mut self, config: &Config) -> Result<Vec<ConfigIssue>> {
        let Some(gate) = &self.0 else {
            let quoted =
                config.originals().iter().map(|(name, value)| ConfigIssue::new(name, format!("cannot use {value:?}")));
            return Ok(quoted.filter(|issue| issue.name != "name").collect());
        };
        gate.most.fetch_max(gate.waiting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        gate.open.notified().await;
        gate.waiting.fetch_sub(1, Ordering::SeqCst);
        gate.open.notify_one();
        Ok(Vec::new())
    }
}

impl SinkConnector for Sink {}

struct Always;

impl Predicate for Always {
    fn test(&mut self, _record: &Record) -> Result<bool> {
        Ok(true)
    }
}

fn sink(class: &str, gate: Option<Arc<Gate>>) -> Plugin {
    let connector = move || Box::new(Sink(gate.clone())) as Box<dyn SinkConnector>;
    let task = || -> Box<dyn SinkTask> { unreachable!("no task is made") };
    let config = ConfigDef::new([
        ConfigKey::new("file", ConfigType::String),
        ConfigKey::new("password", ConfigType::Password),
        ConfigKey::new("mode", ConfigType::String).one_of(&["a", "b"]),
        ConfigKey::new("size", ConfigType::Int).validator(Check::AtLeast(1)),
        ConfigKey::new("truncate.(d+)", ConfigType::Int).name_matches(r"truncate\.(\d+)"),
        ConfigKey::new("driver.*", ConfigType::Password).name_begins("driver."),
        ConfigKey::new("kind", ConfigType::String).enumeration(&["x", "y"]).deprecated_name("sort"),
        ConfigKey::new("y.size", ConfigType::Int).recommender(|config| {
            Recommendation::visible(config.optional_string("kind").is_ok_and(|kind| kind == Some("y")))
        }),
    ])
    .check(|config| {
        let wrong = config.optional_string("kind")? == Some("x") && config.optional_int::<i64>("y.size")?.is_some();
        Ok(wrong.then(|| ConfigIssue::new("y.size", "y.size is for kind y: remove it")).into_iter().collect())
    });
    Plugin::new(class, "1", config, Factory::Sink(SinkFactory::new(connector, task, format!("{class}Task"))))
}

fn predicate() -> Plugin {
    let config = ConfigDef::new([ConfigKey::new("pattern", ConfigType::String)]);
    let make = |_: &Config| -> Result<Box<dyn Predicate>> { Ok(Box::new(Always)) };
    Plugin::new("t.Always", "1", config, Factory::Predicate(Arc::new(make)))
}

struct Nulls;

impl Converter for Nulls {
    fn from_connect_data(&mut self, _cx: &mut EncodeContext<'_>, _datum: &Datum) -> Result<Option<Bytes>> {
        Ok(None)
    }

    fn to_connect_data(&mut self, _cx: &DecodeContext<'_>, _bytes: Option<Bytes>) -> Result<Datum> {
        Ok(Datum::NULL)
    }
}

/// The worker's own for keys.
fn converter() -> Plugin {
    Plugin::converter("t.K", "7.7", ConfigDef::default(), |_, _| Ok(Nulls))
}

fn validator(more: &[(&str, &str)], gate: Option<&Arc<Gate>>) -> Validator {
    let settings =
        WorkerSettings::parse(&worker_props(&[&[("key.converter", "K")], more].concat()), "w:1".to_owned(), true)
            .unwrap();
    let connectors = [sink("t.EchoConnector", None), sink("t.WaitConnector", gate.cloned())];
    let plugins = PluginRegistry::new(connectors.into_iter().chain([predicate(), converter()])).unwrap();
    Validator::new(settings, plugins, ConfigTransformer::default().with("p", Arc::new(Secrets)))
}

/// A valid sink, with more properties.
fn config(class: &str, more: &[(&str, &str)]) -> Props {
    props(&[&[("connector.class", class), ("name", "n"), ("topics", "t")], more].concat())
}

fn errors(result: &ValidationResult, name: &str) -> Vec<String> {
    result.configs.iter().filter(|(_, value)| value.name == name).flat_map(|(_, value)| value.errors.clone()).collect()
}

#[tokio::test]
async fn a_version_of_a_plugin_that_the_worker_has_not_is_refused_at_the_class_and_at_the_version() {
    let validator = validator(&[], None);
    let predicate = [("predicates", "p"), ("predicates.p.type", "t.Always")];
    let check = async |properties: [&str; 2], wanted: &str, expected: Option<&str>| {
        let config = config("t.EchoConnector", &[&predicate[..], &[(properties[1], wanted)]].concat());
        let result = validator.validate(&config).await.unwrap();
        for property in properties {
            // The plugin has a word for each property, too.
            let mut found = errors(&result, property);
            found.retain(|error| !error.starts_with("cannot use"));
            assert_eq!(found, Vec::from_iter(expected.map(str::to_owned)), "{property} for {wanted}");
        }
        let version = result.configs.iter().find(|(_, value)| value.name == properties[1]).unwrap();
        assert_eq!(version.1.recommended_values, ["1"], "{wanted}");
    };
    for properties in
        [["connector.class", "connector.plugin.version"], ["predicates.p.type", "predicates.p.plugin.version"]]
    {
        let class = if properties[0] == "connector.class" { "t.EchoConnector" } else { "t.Always" };
        for fits in ["1", " 1 ", "latest", "[1,2)", "(,5]"] {
            check(properties, fits, None).await;
        }
        for (wanted, range) in [("2", "[2,2]"), ("[2,)", "[2,)"), ("", "[,]")] {
            let message =
                format!("Plugin {class} not found that matches the version range {range}, available versions: [1]");
            check(properties, wanted, Some(&message)).await;
        }
        check(properties, "[", Some("Invalid version specification: [")).await;
    }
}

#[tokio::test]
async fn the_value_of_a_variable_is_in_no_response() {
    let validator = validator(&[], None);
    let raw = config(
        "Echo",
        &[
            ("file", "${p:long}"),
            ("password", "${p:long}"),
            ("mode", "${p:short}"),
            ("size", "x${p:long}"),
            ("tasks.max", "${p:short}"),
            ("errors.tolerance", " ${p:long} "),
            ("predicates", "${p:long}"),
            ("topics.regex", "${p:long}("),
            ("key.converter", "${p:long}"),
            ("other", "${p:lines}"),
            ("consumer.override.max.poll.records", "${p:long}"),
            ("errors.deadletterqueue.topic.name", "${p:long}"),
        ],
    );
    let result = validator.validate(&raw).await.unwrap();
    let shown = format!("{result:?}");
    for hidden in [SECRET, "first secret line", "second secret line", "'zz'", "\"zz\"", " zz "] {
        assert!(!shown.contains(hidden), "{hidden} is in {shown}");
    }
    assert!(errors(&result, "mode")[0].starts_with("Invalid value ${p:short} for configuration mode"), "{shown}");
    let quoting = config("Echo", &[("file", "${p:long}"), ("other", "${p:lines}")]);
    let quoting = validator.validate(&quoting).await.unwrap();
    assert_eq!(errors(&quoting, "file"), ["cannot use \"${p:long}\""]);
    assert_eq!(errors(&quoting, "other"), ["cannot use \"${p:lines}\\n${p:lines}\""]);
    let value = |name: &str| {
        let found = result.configs.iter().find(|(_, value)| value.name == name);
        found.and_then(|(_, value)| value.value.clone()).unwrap()
    };
    assert_eq!(
        (value("file"), value("password"), value("size")),
        ("${p:long}".to_owned(), "[hidden]".to_owned(), "x${p:long}".to_owned())
    );
    let refused = validator.ensure_valid(&raw).await.unwrap_err();
    assert!(refused.message.contains("${p:long}") && !refused.message.contains(SECRET), "{refused}");
}

#[tokio::test]
async fn a_plugin_that_never_answers_occupies_a_limited_number_of_threads() {
    let gate = Arc::new(Gate::default());
    let validator = validator(&[], Some(&gate));
    let waits = config("Wait", &[]);
    let many = futures::future::join_all((0..400).map(|_| validator.validate(&waits)));
    let others = async {
        // Another class is validated meanwhile.
        let other = validator.validate(&config("Echo", &[])).await;
        gate.open.notify_one();
        other
    };
    let (many, other) = futures::future::join(many, others).await;
    assert_eq!(errors(&other.unwrap(), "topics"), ["cannot use \"t\""]);
    assert!((1..=PLUGIN_CALLS).contains(&gate.most.load(Ordering::SeqCst)), "{:?}", gate.most);
    let refused: Vec<Error> = many.into_iter().filter_map(std::result::Result::err).collect();
    assert!(refused.len() > 300, "{}", refused.len());
    assert!(refused.iter().all(|error| error.status == Status::Unavailable), "{:?}", refused[0]);
}

#[tokio::test]
async fn a_connector_has_so_many_aliases_and_tasks() {
    let validator = validator(&[], None);
    let list = |count: usize| (0..count).map(|number| format!("p{number}")).collect::<Vec<_>>().join(",");
    let ask = async |name: &str, value: &str| {
        errors(&validator.validate(&config("Echo", &[(name, value)])).await.unwrap(), name)
    };
    let message = ask("predicates", &list(257)).await;
    assert!(message[0].contains("257 aliases, a connector may have 256 at the most"), "{message:?}");
    assert!(ask("transforms", &list(10_001)).await[0].contains("10000 elements at the most"));
    let mut all = config("Echo", &[("predicates", &list(256))]);
    all.extend((0..256).map(|number| (format!("predicates.p{number}.type"), "Always".to_owned())));
    let result = validator.validate(&all).await.unwrap();
    assert_eq!(errors(&result, "predicates.p255.pattern"), [""; 0]);
    assert!(result.configs.iter().any(|(_, value)| value.name == "predicates.p255.pattern"));
    let tasks = ask("tasks.max", "2147483647").await;
    let expected = "Invalid value 2147483647 for configuration tasks.max: Value must be no more than 1000";
    assert_eq!(tasks[0], expected);
    assert!(!ask("tasks.max", "1000").await.concat().contains("Invalid"));
}

#[tokio::test]
async fn names_topics_and_client_settings_are_validated_as_by_connect() {
    let validator = validator(&[], None);
    let ask = async |name: &str, value: &str| {
        let all = errors(&validator.validate(&config("Echo", &[(name, value)])).await.unwrap(), name);
        all.into_iter().find(|error| !error.starts_with("cannot use")).unwrap_or_default()
    };
    assert_eq!(ask("name", "").await, "Invalid value  for configuration name: String may not be empty");
    let control = "String may not contain control sequences but had the following ASCII chars: 10";
    assert_eq!(ask("name", "a\nb").await, format!("Invalid value a\nb for configuration name: {control}"));
    assert!(ask("name", "a\n").await.contains("begins or ends with control characters"));
    assert_eq!(ask("topics", "t,").await, "Configuration 'topics' values must not be empty.");
    assert_eq!(ask("topics", "t, u ,t").await, "Configuration 'topics' values must not be duplicated.");
    let name = "consumer.override.max.poll.records";
    assert_eq!(ask(name, "x").await, format!("Invalid value x for configuration {name}: Not a number of type INT"));
    assert_eq!(ask(name, "5").await, "");
    let name = "consumer.override.auto.offset.reset";
    assert!(ask(name, "yesterday").await.contains("write earliest, latest or none"));
}

#[tokio::test]
async fn an_allowlist_lets_through_what_it_names() {
    let policy = ("connector.client.config.override.policy", "Allowlist");
    let list = ("connector.client.config.override.allowlist", "max.poll.records, acks");
    let validator = validator(&[policy, list], None);
    let ask = async |name: &str| errors(&validator.validate(&config("Echo", &[(name, "1")])).await.unwrap(), name);
    assert_eq!(ask("consumer.override.max.poll.records").await.len(), 1, "what the plugin says");
    let refused = ask("consumer.override.fetch.min.bytes").await;
    let expected =
        "The 'Allowlist' policy does not allow 'fetch.min.bytes' to be overridden in the connector configuration.";
    assert_eq!(refused[0], expected);
}

#[tokio::test]
async fn families_of_names_what_depends_on_others_and_names_from_before_are_shown_as_connect_shows_them() {
    let validator = validator(&[], None);
    let ask = async |more: &[(&str, &str)]| validator.validate(&config("Echo", more)).await.unwrap();
    let given = [("truncate.5", "x"), ("driver.password", "open-sesame"), ("sort", "x"), ("y.size", "3")];
    let result = ask(&given).await;
    let shown = |name: &str| result.configs.iter().find(|(_, value)| value.name == name).unwrap();
    let (defined, wrong) = shown("truncate.5");
    assert_eq!((defined.is_none(), wrong.value.as_deref()), (true, Some("x")), "the name is the user's own");
    assert_eq!(wrong.errors, ["Invalid value x for configuration truncate.5: Not a number of type INT"]);
    let (defined, family) = shown("truncate.(d+)");
    assert_eq!((defined.is_some(), &family.value, family.errors.len()), (true, &None, 0));
    assert_eq!(shown("kind").1.value.as_deref(), Some("x"), "read by its name from before");
    assert_eq!(shown("kind").1.recommended_values, ["x", "y"]);
    assert!(!shown("y.size").1.visible && shown("size").1.visible);
    assert_eq!(shown("y.size").1.errors, ["y.size is for kind y: remove it"]);
    assert_eq!(result.error_count, 2);
    // What the connector's own code says of a property that is a secret by the pattern of its name.
    let result = ask(&[("driver.password", "open-sesame")]).await;
    let (_, secret) = result.configs.iter().find(|(_, value)| value.name == "driver.password").unwrap();
    assert_eq!((secret.value.as_deref(), secret.errors.len()), (Some("[hidden]"), 1));
}

#[tokio::test]
async fn the_version_of_a_converter_is_its_own() {
    let validator = validator(&[], None);
    let version = async |more: &[(&str, &str)], property: &str| {
        let result = validator.validate(&config("Echo", more)).await.unwrap();
        let name = format!("{property}.plugin.version");
        let found = result.configs.into_iter().find(|(_, value)| value.name == name);
        found.and_then(|(_, value)| value.value).unwrap()
    };
    assert_eq!(version(&[], "key.converter").await, "7.7", "of the worker's converter");
    assert_eq!(version(&[("value.converter", "t.K")], "value.converter").await, "7.7", "of the connector's");
}
