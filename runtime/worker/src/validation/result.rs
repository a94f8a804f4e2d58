use std::collections::HashMap;

use tributary_api::{ConfigIssue, ConfigKey, ConfigValue, DefaultValue, PluginRegistry, Props};
use tributary_control::ValidationResult;

use super::FrameworkCheck;
use crate::definitions::recommended_converters;
use crate::redaction::Redaction;

const HIDDEN: &str = "[hidden]";

/// The answer for a checked configuration. It does not show the values of variables.
pub(super) fn of(
    class: &str,
    checked: FrameworkCheck,
    raw: &Props,
    plugins: &PluginRegistry,
    redaction: &Redaction,
) -> ValidationResult {
    let FrameworkCheck { definition, props, values, issues } = checked;
    let groups = definition.groups();
    // After the values of the keys come those of properties that are not keys by name, such as those of a pattern.
    let keys = definition.keys().cloned().map(Some).chain(std::iter::repeat_with(|| None));
    let mut configs: Vec<_> =
        keys.zip(values).filter(|(key, _)| key.as_ref().is_none_or(|key| !key.internal)).collect();
    add_issues(&mut configs, issues, &definition.mask(&props));
    recommend(&mut configs, plugins);
    let shown = Shown { raw, resolved: &props, redaction };
    configs.iter_mut().for_each(|(key, value)| shown.of(key.as_mut(), value));
    ValidationResult {
        name: class.to_owned(),
        error_count: configs.iter().map(|(_, value)| value.errors.len()).sum(),
        groups: groups.iter().map(|group| redaction.apply(group).into_owned()).collect(),
        configs,
    }
}

fn add_issues(configs: &mut Vec<(Option<ConfigKey>, ConfigValue)>, issues: Vec<ConfigIssue>, props: &Props) {
    let mut places: HashMap<String, usize> =
        configs.iter().enumerate().map(|(place, (_, value))| (value.name.clone(), place)).collect();
    for ConfigIssue { name, message, .. } in issues {
        let place = *places.entry(name).or_insert_with_key(|name| {
            let value = props.get(name).cloned();
            let mut shown = ConfigValue::new(name);
            shown.value = value;
            configs.push((None, shown));
            configs.len() - 1
        });
        let errors = &mut configs[place].1.errors;
        if !errors.contains(&message) {
            errors.push(message);
        }
    }
}

fn recommend(configs: &mut [(Option<ConfigKey>, ConfigValue)], plugins: &PluginRegistry) {
    for (key, value) in configs {
        let name = key.as_ref().map_or("", |key| key.name.as_str());
        match name {
            "key.converter" | "value.converter" => value.recommended_values = recommended_converters(plugins, false),
            "header.converter" => value.recommended_values = recommended_converters(plugins, true),
            _ if name.ends_with(".plugin.version") => {
                // The version of the plugin that the worker has.
                if let Some(DefaultValue::Value(version)) = key.as_ref().map(|key| &key.default) {
                    value.recommended_values.push(version.clone());
                }
            }
            _ => {}
        }
    }
}

struct Shown<'a> {
    raw: &'a Props,
    resolved: &'a Props,
    redaction: &'a Redaction,
}

impl Shown<'_> {
    fn of(&self, key: Option<&mut ConfigKey>, value: &mut ConfigValue) {
        let (raw, resolved) = (self.raw.get(&value.name), self.resolved.get(&value.name));
        if let (Some(raw), Some(resolved)) = (raw, resolved)
            && raw != resolved
        {
            // A value that is too short for the redaction may be quoted here.
            for shown in [resolved.as_str(), resolved.trim()] {
                let (quoted, written) = (format!("Invalid value {shown} for "), format!("Invalid value {raw} for "));
                value.errors.iter_mut().for_each(|error| *error = error.replace(&quoted, &written));
            }
            if value.value.as_deref().is_some_and(|shown| shown != HIDDEN) {
                value.value = Some(raw.clone());
            }
        }
        let hide = |text: &mut String| {
            if let std::borrow::Cow::Owned(hidden) = self.redaction.apply(text) {
                *text = hidden;
            }
        };
        value.errors.iter_mut().chain(&mut value.recommended_values).for_each(hide);
        // An alias may come from a variable, and is part of the names of properties.
        hide(&mut value.name);
        if let Some(key) = key {
            [&mut key.name, &mut key.display_name].into_iter().chain(&mut key.group).for_each(hide);
        }
    }
}
