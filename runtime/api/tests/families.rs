//! What the large definitions of Debezium's connectors need: families of names, former names and values, regular
//! expressions, dependencies between properties, and wording of messages.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tributary_api::{
    ConfigDef, ConfigIssue, ConfigKey, ConfigType, ConfigValue, Error, KeyNames, Props, Recommendation, Validator,
    Wording,
};

fn props(pairs: &[(&str, &str)]) -> Props {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn shown<'a>(values: &'a [ConfigValue], name: &str) -> &'a ConfigValue {
    values.iter().find(|value| value.name == name).unwrap()
}

/// Some properties of Debezium's, as its connector for SQL Server defines them.
fn debezium() -> ConfigDef {
    let text = |name: &str| ConfigKey::new(name, ConfigType::String);
    ConfigDef::new([
        text("topic.prefix").required(),
        text("snapshot.mode")
            .default("initial")
            .enumeration(&["always", "initial", "no_data"])
            .deprecated_value("schema_only", "no_data"),
        ConfigKey::new("max.batch.size", ConfigType::Int).default(2048).validator(Validator::AtLeast(1)),
        ConfigKey::new("poll.interval.ms", ConfigType::Long).default(500).validator(Validator::AtLeast(0)),
        ConfigKey::new("tombstones.on.delete", ConfigType::Boolean).default(true),
        ConfigKey::new("table.include.list", ConfigType::List)
            .validator(Validator::RegexList)
            .deprecated_name("table.whitelist"),
        ConfigKey::new("table.exclude.list", ConfigType::List).validator(Validator::RegexList),
        text("custom.sanitize.pattern").validator(Validator::Regex),
        ConfigKey::new("column.truncate.to.(d+).chars", ConfigType::Int)
            .name_matches(r"column\.truncate\.to\.(\d+)\.chars"),
        ConfigKey::new("driver.*", ConfigType::String).name_begins("driver."),
        ConfigKey::new("secret.*", ConfigType::Password).name_begins("secret."),
        ConfigKey::new("driver.timeout", ConfigType::Int),
    ])
    .check(|config| {
        let both = !config.list("table.include.list")?.is_empty() && !config.list("table.exclude.list")?.is_empty();
        let issue = || ConfigIssue::new("table.exclude.list", "table.include.list is set too: remove one of them");
        Ok(both.then(issue).into_iter().collect())
    })
    .wording(Wording::Debezium)
}

#[test]
fn a_pattern_stands_for_every_name_that_it_means() {
    let given = props(&[
        ("topic.prefix", "t"),
        ("column.truncate.to.20.chars", "7"),
        ("column.truncate.to.3.chars", "8"),
        ("column.truncate.to.x.chars", "no number"),
        ("driver.encrypt", "false"),
        ("driver.timeout", "5"),
    ]);
    let config = debezium().parse(&given).unwrap();
    let found: Vec<_> = config.matching("column.truncate.to.(d+).chars").unwrap().iter().collect();
    let read = |at: usize| (found[at].groups.concat(), config.int::<i32>(&found[at].name).unwrap());
    assert_eq!((read(0), read(1), found.len()), (("20".to_owned(), 7), ("3".to_owned(), 8), 2));
    let driver: Vec<&str> = config.matching("driver.*").unwrap().iter().map(|found| found.groups[0].as_str()).collect();
    assert_eq!(driver, ["encrypt"], "what is defined by its name is of that key");
    assert_eq!((config.string("driver.encrypt").unwrap(), config.int::<i32>("driver.timeout").unwrap()), ("false", 5));
    assert!(config.matching("topic.prefix").is_err() && config.matching("secret.*").unwrap().is_empty());
}

#[test]
fn a_wrong_value_is_shown_on_the_name_that_is_given() {
    let given = props(&[("topic.prefix", "t"), ("column.truncate.to.20.chars", "x"), ("secret.a", "hidden-one")]);
    let values = debezium().validate(&given);
    let wrong = shown(&values, "column.truncate.to.20.chars");
    assert_eq!(wrong.value.as_deref(), Some("x"));
    assert_eq!(wrong.errors, ["The 'column.truncate.to.20.chars' value is invalid: An integer is expected"]);
    assert_eq!(shown(&values, "column.truncate.to.(d+).chars").errors, [""; 0]);
    assert_eq!(debezium().parse(&given).unwrap_err().property(), Some("column.truncate.to.20.chars"));
    assert_eq!(debezium().mask(&given)["secret.a"], "[hidden]");
    assert!(!format!("{values:?}").contains("hidden-one"));
}

#[test]
fn a_pattern_is_embedded_and_one_that_is_none_is_told() {
    let outer = ConfigDef::default().embed("in.", None, &debezium());
    assert_eq!(outer.key("in.driver.*").unwrap().names(), KeyNames::Begin("in.driver.".to_owned()));
    let config = outer.parse(&props(&[("in.topic.prefix", "t"), ("in.driver.a", "b"), ("driver.c", "d")])).unwrap();
    let names: Vec<&str> = config.matching("in.driver.*").unwrap().iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["in.driver.a"]);
    let wrong = ConfigDef::new([ConfigKey::new("a", ConfigType::Int).name_matches("(")]);
    assert!(wrong.parse(&Props::new()).unwrap_err().to_string().starts_with("a: ( is not a regular expression"));
}

#[test]
fn names_and_values_from_before_are_read_and_told() {
    let def = debezium();
    let given = props(&[("topic.prefix", "t"), ("table.whitelist", "a"), ("snapshot.mode", "Schema_Only")]);
    let config = def.parse(&given).unwrap();
    assert_eq!(
        (config.list("table.include.list").unwrap(), config.string("snapshot.mode").unwrap()),
        (&["a".to_owned()][..], "no_data")
    );
    assert_eq!(
        def.deprecations(&given),
        [
            "snapshot.mode=schema_only is deprecated and will be removed: write snapshot.mode=no_data instead",
            "table.whitelist is deprecated and will be removed: write table.include.list instead",
        ]
    );
    let both = props(&[("topic.prefix", "t"), ("table.whitelist", "a"), ("table.include.list", "b")]);
    assert_eq!(def.parse(&both).unwrap().list("table.include.list").unwrap(), ["b"]);
    assert_eq!(
        def.deprecations(&both),
        ["table.whitelist is deprecated and has no effect beside table.include.list: remove it"]
    );
    assert_eq!(def.deprecations(&props(&[("topic.prefix", "t")])), [""; 0]);
    assert_eq!(def.key_of("table.whitelist").unwrap().name, "table.include.list");
}

#[test]
fn regular_expressions_are_compiled_and_judged() {
    let def = debezium();
    let given = props(&[
        ("topic.prefix", "t"),
        ("table.include.list", r"dbo\.a{1\,2} , dbo\.b"),
        ("custom.sanitize.pattern", ".*secret$|.*password$"),
    ]);
    let config = def.parse(&given).unwrap();
    let tables = config.regexes("table.include.list").unwrap();
    assert!(tables[0].matches("dbo.aa").unwrap() && !tables[0].matches("dbo.aaa").unwrap() && tables.len() == 2);
    assert!(config.regexes("table.exclude.list").unwrap().is_empty());
    assert!(config.regex("custom.sanitize.pattern").unwrap().unwrap().matches("my.password").unwrap());
    let values = def.validate(&given);
    assert_eq!(shown(&values, "table.include.list").value.as_deref(), Some(r"dbo\.a{1\,2},dbo\.b"));
    let wrong =
        def.validate(&props(&[("topic.prefix", "t"), ("table.include.list", "a,+"), ("custom.sanitize.pattern", "(")]));
    let expected = "The 'table.include.list' value is invalid: A comma-separated list of valid regular expressions is expected, but ";
    assert!(shown(&wrong, "table.include.list").errors[0].starts_with(expected), "{wrong:?}");
    let expected = "The 'custom.sanitize.pattern' value is invalid: A valid regular expressions is expected, but ";
    assert!(shown(&wrong, "custom.sanitize.pattern").errors[0].starts_with(expected), "{wrong:?}");
}

#[test]
fn debezium_says_it_in_its_own_words() {
    let ask = |name: &str, value: &str| {
        let values = debezium().validate(&props(&[("topic.prefix", "t"), (name, value)]));
        let errors = &shown(&values, name).errors;
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].strip_prefix(&format!("The '{name}' value is invalid: ")).unwrap().to_owned()
    };
    assert_eq!(ask("topic.prefix", " "), "A value is required");
    assert_eq!(ask("snapshot.mode", "never"), "Value must be one of always, initial, no_data");
    assert_eq!(ask("max.batch.size", "0"), "A positive, non-zero integer value is expected");
    assert_eq!(ask("max.batch.size", "x"), "A positive, non-zero integer value is expected");
    assert_eq!(ask("poll.interval.ms", "-1"), "A non-negative long value is expected");
    assert_eq!(ask("tombstones.on.delete", "yes"), "Either 'true' or 'false' is expected");
    let values = debezium().validate(&Props::new());
    assert_eq!(shown(&values, "topic.prefix").errors, ["The 'topic.prefix' value is invalid: A value is required"]);
    assert_eq!(shown(&values, "snapshot.mode").recommended_values, ["always", "initial", "no_data"]);
}

#[test]
fn a_check_sees_several_properties_and_names_one() {
    let both = [("table.include.list", "a"), ("table.exclude.list", "b")];
    // It is called although another property is missing.
    let values = debezium().validate(&props(&both));
    assert_eq!(shown(&values, "table.exclude.list").errors, ["table.include.list is set too: remove one of them"]);
    assert_eq!(shown(&values, "topic.prefix").errors.len(), 1);
    let error = debezium().parse(&props(&[&both[..], &[("topic.prefix", "t")]].concat())).unwrap_err();
    assert_eq!(error.property(), Some("table.exclude.list"));
    let embedded = ConfigDef::new([ConfigKey::new("x", ConfigType::Int)]).embed("in.", None, &debezium());
    let under: Vec<(String, &str)> = both.iter().map(|(name, value)| (format!("in.{name}"), *value)).collect();
    let under: Vec<(&str, &str)> = under.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let values = embedded.validate(&props(&under));
    assert_eq!(shown(&values, "in.table.exclude.list").errors.len(), 1, "{values:?}");
}

#[test]
fn an_error_of_a_check_is_shown_where_all_parses() {
    let def =
        ConfigDef::new([ConfigKey::new("a", ConfigType::Int), ConfigKey::new("b", ConfigType::Int)]).check(|config| {
            match config.int::<i32>("b") {
                Ok(_) => Ok(Vec::new()),
                Err(_) => Err(Error::config_at("b", "b is needed")),
            }
        });
    let errors = |pairs: &[(&str, &str)]| shown(&def.validate(&props(pairs)), "b").errors.clone();
    assert_eq!(errors(&[]), ["b is needed"]);
    assert_eq!(errors(&[("b", "x")]), ["Invalid value x for configuration b: Not a number of type INT"]);
    assert_eq!(def.parse(&Props::new()).unwrap_err().property(), Some("b"));
}

#[test]
fn recommendations_depend_on_other_values_by_the_names_of_the_definition() {
    let inner = ConfigDef::new([
        ConfigKey::new("auth", ConfigType::String).enumeration(&["none", "password"]).default("none"),
        ConfigKey::new("user", ConfigType::String).recommender(|config| match config.string("auth") {
            Ok("password") => Recommendation::values(["sa"]),
            _ => Recommendation::visible(false),
        }),
    ]);
    let def = ConfigDef::default().embed("db.", None, &inner);
    assert!(!shown(&def.validate(&Props::new()), "db.user").visible);
    let values = def.validate(&props(&[("db.auth", "password")]));
    assert_eq!(
        (shown(&values, "db.user").visible, &shown(&values, "db.user").recommended_values[..]),
        (true, &["sa".to_owned()][..])
    );
}

#[test]
fn durations_and_choices_have_their_types() {
    let config = debezium().parse(&props(&[("topic.prefix", "t"), ("snapshot.mode", "ALWAYS")])).unwrap();
    assert_eq!(config.millis("poll.interval.ms").unwrap(), Duration::from_millis(500));
    let choices = [("always", 1), ("initial", 2)];
    assert_eq!(config.choice("snapshot.mode", &choices).unwrap(), 1);
    let error = config.choice("topic.prefix", &choices).unwrap_err();
    assert_eq!(
        (error.property(), error.to_string().as_str()),
        (Some("topic.prefix"), "topic.prefix is t: write one of always, initial")
    );
    let negative =
        ConfigDef::new([ConfigKey::new("wait.ms", ConfigType::Long)]).parse(&props(&[("wait.ms", "-1")])).unwrap();
    assert_eq!(negative.millis("wait.ms").unwrap_err().property(), Some("wait.ms"));
}
