//! Names under which plugins are found.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tributary_api::{
    API_VERSION, ConfigDef, Converter, Datum, Error, ErrorKind, Factory, HeaderConverter, Plugin, PluginKind,
    PluginRegistry, Record, Records, Result, TransformContext, Transformation,
};

struct Nothing;

impl Transformation for Nothing {
    fn apply(&mut self, record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        Ok(record.into())
    }
}

fn transform(class: &str) -> Plugin {
    Plugin::new(class, "1", ConfigDef::default(), Factory::Transformation(Arc::new(|_| Ok(Box::new(Nothing)))))
}

fn connector(class: &str) -> Plugin {
    Plugin::new(class, "1", ConfigDef::default(), Factory::Processor)
}

fn converter(class: &str) -> [Plugin; 2] {
    let never = || Error::config("not made in this test");
    let converter = Factory::Converter(Arc::new(move |_, _| Err::<Box<dyn Converter>, _>(never())));
    let header = Factory::HeaderConverter(Arc::new(move |_| Err::<Box<dyn HeaderConverter>, _>(never())));
    [converter, header].map(|factory| Plugin::new(class, "1", ConfigDef::default(), factory))
}

fn registry() -> PluginRegistry {
    let classes = ["org.example.InsertField$Key", "org.example.InsertField$Value", "org.example.RegexRouter"];
    let mut registry = PluginRegistry::new(classes.map(transform))
        .unwrap()
        .with(connector("org.example.file.FileStreamSourceConnector").alias("io.other.FileReader"))
        .unwrap();
    for plugin in converter("org.example.StringConverter") {
        registry = registry.with(plugin).unwrap();
    }
    registry
}

fn found(name: &str) -> Option<String> {
    let registry = registry();
    registry.find(name, |_| true).ok().map(|plugin| plugin.description.class.clone())
}

#[test]
fn a_plugin_is_found_by_its_full_its_simple_and_its_short_name() {
    let class = Some("org.example.file.FileStreamSourceConnector".to_owned());
    for name in ["org.example.file.FileStreamSourceConnector", "FileStreamSourceConnector", "FileStreamSource"] {
        assert_eq!(found(name), class, "{name}");
    }
    for name in ["io.other.FileReader", "FileReader"] {
        assert_eq!(found(name), class, "{name}");
    }
    for name in ["filestreamsource", "example.file.FileStreamSourceConnector", "FileStream", ""] {
        assert_eq!(found(name), None, "{name}");
    }
}

#[test]
fn a_nested_class_is_found_with_the_class_around_it() {
    for name in ["InsertField$Value", "org.example.InsertField$Value"] {
        assert_eq!(found(name).as_deref(), Some("org.example.InsertField$Value"), "{name}");
    }
    assert_eq!(found("InsertField$Key").as_deref(), Some("org.example.InsertField$Key"));
    assert_eq!(found("Value"), None);
    assert_eq!(found("InsertField"), None);
}

#[test]
fn the_kind_decides_between_plugins_of_one_class() {
    let registry = registry();
    for kind in [PluginKind::Converter, PluginKind::HeaderConverter] {
        assert_eq!(registry.find("StringConverter", |k| k == kind).unwrap().description.kind, kind);
    }
    assert_eq!(
        registry.find("String", |k| k == PluginKind::Converter).unwrap().description.kind,
        PluginKind::Converter
    );
}

#[test]
fn what_is_unknown_or_could_be_several_is_an_error_with_names() {
    let error = registry().find("Nope", |kind| kind == PluginKind::Transformation).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("org.example.RegexRouter"), "{error}");
    let twice = registry().with(transform("com.another.RegexRouter")).unwrap();
    let error = twice.find("RegexRouter", |_| true).err().unwrap();
    assert!(error.to_string().contains("com.another.RegexRouter"), "{error}");
    assert!(twice.find("com.another.RegexRouter", |_| true).is_ok(), "a full name is never ambiguous");
    assert!(twice.without("com.another.RegexRouter").find("RegexRouter", |_| true).is_ok());
}

#[test]
fn two_plugins_of_one_name_are_refused() {
    let twice = [
        transform("org.example.RegexRouter"),
        transform("com.another.Router").alias("org.example.RegexRouter"),
        transform("io.other.FileReader").alias("org.example.RegexRouter"),
        connector("io.other.FileReader"),
        connector("com.another.Reader").alias("org.example.file.FileStreamSourceConnector"),
    ];
    for plugin in twice {
        let class = plugin.description.class.clone();
        let error = registry().with(plugin).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        let message = error.to_string();
        assert!(message.starts_with("two plugins are called ") && message.contains(&class), "{message}");
    }
    let [converter, _] = converter("org.example.RegexRouter");
    assert!(registry().with(converter).is_ok(), "a converter may be called as a transform is");
    let replaced = registry().without("org.example.RegexRouter").with(transform("org.example.RegexRouter"));
    assert!(replaced.is_ok());
}

#[test]
fn a_plugin_of_another_version_of_the_contract_is_refused() {
    let plugin = transform("org.example.Next");
    assert_eq!(plugin.description.api_version, API_VERSION);
    assert!(registry().with(plugin.clone()).is_ok());
    let error = registry().with(plugin.api_version(API_VERSION + 1)).err().unwrap().to_string();
    assert!(error.contains("org.example.Next") && error.contains("tributary-api"), "{error}");
}

#[test]
fn a_stateless_context_names_the_host_that_has_state() {
    let mut cx = TransformContext::stateless(5);
    assert_eq!(cx.now(), 5);
    let error = cx.get(tributary_api::StoreId(0), b"k").err().unwrap();
    assert!(error.to_string().contains("tributary.StreamProcessor"), "{error}");
    assert_eq!(Nothing.apply(Record::new("t", Datum::NULL), &mut cx).unwrap(), Record::new("t", Datum::NULL).into());
}
