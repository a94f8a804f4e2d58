//! From texts to values of types.

use std::collections::BTreeMap;

use super::parsed::{NameMatch, Originals, Parsed};
use super::wording::Problem;
use super::{Config, ConfigDef, ConfigKey, ConfigType, DefaultValue, Props, Secret, Validator, Wording};
use crate::java_regex::split_list;

/// The longest list that a property may have.
const MAX_LIST: usize = 10_000;

/// What is wrong with a property.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) property: String,
    pub(super) message: String,
}

/// All values, null where one is wrong, and what is.
pub(super) fn read(definition: &ConfigDef, props: &Props) -> (Config, Vec<Fault>) {
    let mut config = Config { values: BTreeMap::new(), matches: BTreeMap::new(), originals: Originals(props.clone()) };
    let mut faults = Vec::new();
    for key in definition.keys() {
        let given = match &key.pattern {
            None => vec![(key.name.as_str(), given(key, props))],
            Some(pattern) => {
                if let Some(fault) = pattern.fault() {
                    faults.push(Fault { property: key.name.clone(), message: format!("{}: {fault}", key.name) });
                }
                let others = props.iter().filter(|(name, _)| definition.key(name).is_none());
                let found: Vec<_> = others
                    .filter_map(|(name, text)| {
                        let groups = pattern.groups(name)?;
                        Some((NameMatch { name: name.clone(), groups }, (name.as_str(), Some(text.as_str()))))
                    })
                    .collect();
                let (matches, given) = found.into_iter().unzip();
                config.matches.insert(key.name.clone(), matches);
                given
            }
        };
        for (name, text) in given {
            let parsed = parse(key, name, text).unwrap_or_else(|message| {
                faults.push(Fault { property: name.to_owned(), message });
                Parsed::Null
            });
            config.values.insert(name.to_owned(), parsed);
        }
    }
    (config, faults)
}

/// What is given of a key, under its own name or one from before.
pub(super) fn given<'a>(key: &ConfigKey, props: &'a Props) -> Option<&'a str> {
    let names = std::iter::once(&key.name).chain(&key.deprecated_names);
    names.filter_map(|name| props.get(name)).map(String::as_str).next()
}

fn parse(key: &ConfigKey, name: &str, given: Option<&str>) -> Result<Parsed, String> {
    let text = match (given, &key.default) {
        // Debezium does not distinguish unset from empty.
        (Some(text), DefaultValue::Required) if key.wording == Wording::Debezium && text.trim().is_empty() => {
            return Err(Problem::Missing.message(key, name, ""));
        }
        (Some(text), _) => current(key, text),
        (None, DefaultValue::Value(text)) => text.as_str(),
        (None, DefaultValue::Null) => return Ok(Parsed::Null),
        (None, DefaultValue::Required) => return Err(Problem::Missing.message(key, name, "")),
    };
    let shown = if key.is_secret() { "[hidden]" } else { text };
    let parsed = parse_text(key, text).map_err(|problem| problem.message(key, name, shown))?;
    if let Some(validator) = &key.validator {
        validator.check(&parsed, text).map_err(|problem| problem.message(key, name, shown.trim()))?;
    }
    Ok(parsed)
}

/// The text, or what a value from before is read as.
fn current<'a>(key: &'a ConfigKey, text: &'a str) -> &'a str {
    let replaced = key.deprecated_values.iter().find(|(value, _)| value.eq_ignore_ascii_case(text.trim()));
    replaced.map_or(text, |(_, read_as)| read_as)
}

/// A text by its type alone.
pub(super) fn parse_text(key: &ConfigKey, text: &str) -> Result<Parsed, Problem> {
    let trimmed = text.trim();
    let integer = |min: i64, max: i64| match trimmed.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(Parsed::Integer(number)),
        _ => Err(Problem::Type),
    };
    match key.kind {
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Parsed::Boolean(true)),
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Parsed::Boolean(false)),
        ConfigType::Boolean => Err(Problem::Type),
        ConfigType::Short => integer(i16::MIN.into(), i16::MAX.into()),
        ConfigType::Int => integer(i32::MIN.into(), i32::MAX.into()),
        ConfigType::Long => integer(i64::MIN, i64::MAX),
        ConfigType::Double => trimmed.parse().map(Parsed::Double).map_err(|_| Problem::Type),
        ConfigType::List if trimmed.is_empty() => Ok(Parsed::List(Vec::new())),
        ConfigType::List if trimmed.split(',').nth(MAX_LIST).is_some() => Err(Problem::LongList(MAX_LIST)),
        ConfigType::List if key.validator == Some(Validator::RegexList) => Ok(Parsed::List(split_list(trimmed))),
        ConfigType::List => Ok(Parsed::List(trimmed.split(',').map(|item| item.trim().to_owned()).collect())),
        ConfigType::String | ConfigType::Class => Ok(Parsed::Text(trimmed.to_owned())),
        ConfigType::Password => Ok(Parsed::Secret(Secret::new(trimmed))),
    }
}

/// The value as it is shown; a comma within a regular expression has its backslash again.
pub(super) fn shown(key: &ConfigKey, value: &Parsed) -> Option<String> {
    match value {
        Parsed::List(items) if key.validator == Some(Validator::RegexList) => {
            let items: Vec<String> = items.iter().map(|item| item.replace(',', "\\,")).collect();
            Some(items.join(","))
        }
        value => value.shown(),
    }
}

pub(super) fn deprecations(key: &ConfigKey, props: &Props) -> Vec<String> {
    let name = &key.name;
    let names =
        key.deprecated_names.iter().filter(|old| props.contains_key(*old)).map(|old| match props.contains_key(name) {
            true => format!("{old} is deprecated and has no effect beside {name}: remove it"),
            false => format!("{old} is deprecated and will be removed: write {name} instead"),
        });
    let values = given(key, props).into_iter().flat_map(|text| {
        let used = key.deprecated_values.iter().filter(|(value, _)| value.eq_ignore_ascii_case(text.trim()));
        used.map(|(old, read_as)| {
            format!("{name}={old} is deprecated and will be removed: write {name}={read_as} instead")
        })
    });
    names.chain(values).collect()
}
