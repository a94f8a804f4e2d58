//! Parsing, validation and masking; the messages are Kafka's, because clients match them.
#![allow(clippy::unwrap_used)]

use tributary_api::{
    Config, ConfigDef, ConfigIssue, ConfigKey, ConfigType, Error, ErrorKind, Props, Result, Validator,
};

fn props(pairs: &[(&str, &str)]) -> Props {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parse(key: ConfigKey, text: &str) -> Result<Config> {
    let props = [(key.name.clone(), text.to_owned())].into();
    ConfigDef::new([key]).parse(&props)
}

#[track_caller]
fn refused(key: ConfigKey, text: &str, reason: &str) {
    let expected = format!("Invalid value {text} for configuration k: {reason}");
    assert_eq!(parse(key, text).err().unwrap().to_string(), expected);
}

fn key(kind: ConfigType) -> ConfigKey {
    ConfigKey::new("k", kind)
}

#[test]
fn texts_become_values() {
    assert!(parse(key(ConfigType::Boolean), " TRUE ").unwrap().boolean("k").unwrap());
    assert_eq!(parse(key(ConfigType::Int), "-5").unwrap().int::<i32>("k").unwrap(), -5);
    assert_eq!(parse(key(ConfigType::Long), "9223372036854775807").unwrap().int::<i64>("k").unwrap(), i64::MAX);
    assert_eq!(parse(key(ConfigType::Double), "1e3").unwrap().double("k").unwrap().to_string(), "1000");
    assert_eq!(parse(key(ConfigType::List), "a, b ,c").unwrap().list("k").unwrap(), ["a", "b", "c"]);
    assert!(parse(key(ConfigType::List), " ").unwrap().list("k").unwrap().is_empty());
    assert_eq!(parse(key(ConfigType::String), " x ").unwrap().string("k").unwrap(), "x");
    assert_eq!(parse(key(ConfigType::Password), "p").unwrap().secret("k").unwrap().unwrap().expose(), "p");
}

#[test]
fn wrong_texts_are_refused_in_kafkas_words() {
    refused(key(ConfigType::Boolean), "yes", "Expected value to be either true or false");
    refused(key(ConfigType::Int), "x", "Not a number of type INT");
    refused(key(ConfigType::Int), "2147483648", "Not a number of type INT");
    refused(key(ConfigType::Short), "40000", "Not a number of type SHORT");
    refused(key(ConfigType::Long), "1.5", "Not a number of type LONG");
    refused(key(ConfigType::Double), "x", "Not a number of type DOUBLE");
    refused(key(ConfigType::Int).validator(Validator::AtLeast(1)), "0", "Value must be at least 1");
    refused(key(ConfigType::Int).validator(Validator::Between(0, 5)), "6", "Value must be no more than 5");
    refused(key(ConfigType::Int).validator(Validator::Between(0, 5)), "-1", "Value must be at least 0");
    refused(key(ConfigType::String).one_of(&["a", "b"]), "c", "String must be one of: a, b");
    let any_case = Validator::OneOfIgnoringCase(vec!["A".to_owned()]);
    refused(key(ConfigType::String).validator(any_case.clone()), "b", "String must be one of (case insensitive): A");
    assert!(parse(key(ConfigType::String).validator(any_case), "a").is_ok());
    refused(key(ConfigType::String).validator(Validator::NonEmpty), "", "String must be non-empty");
    refused(key(ConfigType::String).validator(Validator::Name), "", "String may not be empty");
    let control = "String may not contain control sequences but had the following ASCII chars: 9, 0";
    refused(key(ConfigType::String).validator(Validator::Name), "a\tb\0c", control);
    assert!(parse(key(ConfigType::String).validator(Validator::Name), "a b\u{e9}").is_ok());
    let topic = |kind| key(kind).validator(Validator::TopicName);
    refused(topic(ConfigType::String), "", "String must be non-empty");
    refused(topic(ConfigType::String), "..", "'..' is not allowed as a topic name");
    let strange = "'b c' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-', which a topic \
                   name may not have";
    refused(topic(ConfigType::List), "a, b c", strange);
    assert!(parse(topic(ConfigType::List), "a.B_0-9, c").is_ok() && parse(topic(ConfigType::List), "").is_ok());
    assert!(parse(topic(ConfigType::String), &"t".repeat(250)).is_err());
    let long = vec!["x"; 10_001].join(",");
    let message = parse(key(ConfigType::List), &long).err().unwrap().to_string();
    assert!(
        message.len() < 2_000 && message.ends_with("A list may have 10000 elements at the most"),
        "{} bytes",
        message.len()
    );
    assert!(parse(key(ConfigType::List), &long[2..]).is_ok());
}

#[test]
fn lists_without_empty_or_duplicate_elements() {
    for (empty, text, fault) in [
        (false, "", Some("must not be empty. Valid values include: any non-empty value")),
        (true, " ", None),
        (false, "a , b", None),
        (true, "a, b ,a", Some("values must not be duplicated.")),
        (true, "a,", Some("values must not be empty.")),
        (true, ",a", Some("values must not be empty.")),
        (true, ",", Some("values must not be duplicated.")),
    ] {
        let key = ConfigKey::new("fields", ConfigType::List).validator(Validator::Distinct { empty });
        let props = Props::from([("fields".to_owned(), text.to_owned())]);
        let message = ConfigDef::new([key]).parse(&props).err().map(|error| error.to_string());
        assert_eq!(message, fault.map(|fault| format!("Configuration 'fields' {fault}")), "{text:?}");
    }
}

#[test]
fn a_property_defined_again_keeps_its_place_and_headings_count_on() {
    let key = |name: &str, group: &str| ConfigKey::new(name, ConfigType::Int).group(group);
    let def = ConfigDef::new([key("a", "G"), key("b", "G"), key("a", "H").default(1), key("c", "G"), key("d", "H")]);
    let shown: Vec<_> = def.keys().map(|key| (key.name.as_str(), key.group.as_deref().unwrap(), key.order)).collect();
    assert_eq!(shown, [("a", "H", 1), ("b", "G", 2), ("c", "G", 2), ("d", "H", 2)]);
    assert_eq!(def.groups(), ["H", "G"]);
    assert_eq!(def.key("c").unwrap().name, "c");
}

#[test]
fn every_error_is_reported() {
    let def = ConfigDef::new([
        ConfigKey::new("a", ConfigType::Int).required(),
        ConfigKey::new("b", ConfigType::Int),
        ConfigKey::new("c", ConfigType::Int).default(7),
    ]);
    let error = def.parse(&props(&[("b", "x")])).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "Missing required configuration \"a\" which has no default value. \
         Invalid value x for configuration b: Not a number of type INT"
    );
    let values = def.validate(&props(&[("b", "x")]));
    let shown: Vec<_> = values.iter().map(|value| (value.value.as_deref(), value.errors.len())).collect();
    assert_eq!(shown, [(None, 1), (Some("x"), 1), (Some("7"), 0)]);
}

#[test]
fn what_is_absent_is_null_or_the_default() {
    let def = ConfigDef::new([
        ConfigKey::new("text", ConfigType::String),
        ConfigKey::new("list", ConfigType::List),
        ConfigKey::new("number", ConfigType::Int).default(3),
    ]);
    let config = def.parse(&props(&[("more", "kept")])).unwrap();
    assert_eq!(config.optional_string("text").unwrap(), None);
    assert_eq!(config.string("text").err().unwrap().to_string(), "text is null: give it a value");
    assert!(config.list("list").unwrap().is_empty());
    assert_eq!(config.int::<u8>("number").unwrap(), 3);
    assert!(config.boolean("number").is_err() && config.int::<i32>("unknown").is_err());
    assert_eq!(config.originals()["more"], "kept");
}

#[test]
fn secrets_are_seen_nowhere() {
    let def = ConfigDef::new([
        ConfigKey::new("user", ConfigType::String),
        ConfigKey::new("password", ConfigType::Password),
        ConfigKey::new("pin", ConfigType::Password).validator(Validator::NonEmpty),
    ]);
    let given = props(&[("user", "ada"), ("password", "hunter2"), ("pin", "1234")]);
    let config = def.parse(&given).unwrap();
    let shown = format!("{config:?} {:?} {:?} {:?}", def.validate(&given), def.mask(&given), config.secret("pin"));
    assert!(shown.contains("ada") && shown.contains("[hidden]"));
    assert!(!shown.contains("hunter2") && !shown.contains("1234"), "{shown}");
    assert_eq!(config.secret("password").unwrap().unwrap().to_string(), "[hidden]");
}

#[test]
fn definitions_are_put_together() {
    let inner = ConfigDef::new([
        ConfigKey::new("a", ConfigType::Int).group("Inner").dependents(&["b"]),
        ConfigKey::new("b", ConfigType::Int).group("Inner"),
    ]);
    let outer = ConfigDef::new([ConfigKey::new("x", ConfigType::Int).group("Outer")]);
    let both = outer.embed("in.", None, &inner).embed("again.", Some("Again"), &inner);
    let names: Vec<&str> = both.keys().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["x", "in.a", "in.b", "again.a", "again.b"]);
    assert_eq!(both.groups(), ["Outer", "Inner", "Again"]);
    assert_eq!(both.key("again.a").unwrap().dependents, ["again.b"]);
    assert_eq!(both.key("in.b").unwrap().order, 2);
    let replaced = both.with(ConfigKey::new("x", ConfigType::String));
    assert_eq!((replaced.keys().count(), replaced.key("x").unwrap().kind), (5, ConfigType::String));
}

#[test]
fn a_fault_is_of_the_property_that_has_it() {
    let def = ConfigDef::new([key(ConfigType::Int), ConfigKey::new("other", ConfigType::Int).required()]);
    let name = key(ConfigType::Int).name;
    let error = def.parse(&[("other".to_owned(), "x".to_owned())].into()).unwrap_err();
    assert_eq!(error.property(), Some("other"));
    let error = def.parse(&[(name.clone(), "x".to_owned())].into()).unwrap_err();
    assert_eq!(error.property(), Some(name.as_str()), "the first of two");
    let config = def.parse(&[("other".to_owned(), "300".to_owned())].into()).unwrap();
    assert_eq!(config.int::<u8>("other").unwrap_err().property(), Some("other"), "out of range");
    let issue = ConfigIssue::of_error(&Error::config("who knows"), "other");
    assert_eq!(issue, ConfigIssue::new("other", "who knows"));
    let issue = ConfigIssue::new("timezone", "is missing");
    assert_eq!(ConfigIssue::of_error(&issue.clone().into_error(), "other"), issue);
}
