//! The documentation of plugins, generated from their definitions.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tributary_api::{
    ConfigDef, ConfigKey, DefaultValue, KeyNames, Plugin, PluginKind, PluginRegistry, Props, Validator,
};
use tributary_worker::{sink_definition, source_definition};

use crate::settings::{EMBEDDED, JSON_VALUES};
use crate::worker_properties;

/// Kinds that share a page each, with its file and heading.
const SHARED_PAGES: [(PluginKind, &str, &str); 5] = [
    (PluginKind::Transformation, "transformations.md", "Transformations"),
    (PluginKind::Predicate, "predicates.md", "Predicates"),
    (PluginKind::Converter, "converters.md", "Converters"),
    (PluginKind::HeaderConverter, "header-converters.md", "Header converters"),
    (PluginKind::ConfigProvider, "config-providers.md", "Configuration providers"),
];
const FRAMEWORK_SOURCE: &str = "source-properties.md";
const FRAMEWORK_SINK: &str = "sink-properties.md";
const WORKER: &str = "worker.md";
const WORKER_INTRODUCTION: &str = "\
They are set in `worker.properties` or in environment variables, which take precedence: `CONNECT_BOOTSTRAP_SERVERS` is
`bootstrap.servers` (`_` is a dot, `__` an underscore, `___` a dash). Settings of Kafka's clients, by Java's names, apply to the
worker's own clients; with the prefixes `producer.`, `consumer.` and `admin.` to those of tasks. `key.converter.`,
`value.converter.` and `header.converter.` are prefixes of converter settings, `config.storage.`, `offset.storage.` and
`status.storage.` of topic settings. Properties with the prefix `shared.` can be used by connectors as `${worker:NAME}`. Other
properties of Kafka Connect are accepted and have no effect; the log at the start lists them, and warns of names that look
misspelt.";
const GENERATED: &str = "<!-- written by `tributary docs`: change the plugin's definition instead -->\n";

/// Writes all pages into a folder, or checks that what is there is the same.
pub(crate) fn run(plugins: &PluginRegistry, folder: &Path, check: bool) -> Result<()> {
    let pages = pages(plugins);
    if check {
        let stale: Vec<&str> = pages
            .iter()
            .filter(|(name, text)| !is_current(folder, name, text))
            .map(|(name, _)| name.as_str())
            .collect();
        if !stale.is_empty() {
            bail!(
                "{} in {} not up to date: run `tributary docs {}`",
                stale.join(", "),
                folder.display(),
                folder.display()
            );
        }
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    for (name, text) in pages {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn is_current(folder: &Path, name: &str, text: &str) -> bool {
    fs::read_to_string(folder.join(name)).is_ok_and(|there| there == text)
}

/// File name to text.
fn pages(plugins: &PluginRegistry) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut index = format!("{GENERATED}# Plugins\n\n## Connectors\n\n");
    for plugin in plugins.iter().filter(|plugin| plugin.description.kind.is_connector()) {
        let name = page_name(plugin, plugins);
        line(&mut index, &format!("- [{}]({name}): {}", plugin.description.class, plugin.description.doc));
        pages.insert(name, connector_page(plugin));
    }
    line(&mut index, "\n## Parts of connectors\n");
    for (kind, name, heading) in SHARED_PAGES {
        line(&mut index, &format!("- [{heading}]({name})"));
        pages.insert(name.to_owned(), kind_page(plugins, kind, heading));
    }
    line(&mut index, "\n## Properties of all connectors\n");
    let version = env!("CARGO_PKG_VERSION");
    for (name, heading, definition) in [
        (FRAMEWORK_SOURCE, "Properties of every source connector", source_definition(Some(&Props::new()), version)),
        (FRAMEWORK_SINK, "Properties of every sink connector", sink_definition(Some(&Props::new()), version)),
    ] {
        line(&mut index, &format!("- [{heading}]({name})"));
        pages.insert(name.to_owned(), format!("{GENERATED}# {heading}\n\n{}", table(&definition)));
    }
    line(&mut index, "\n## The worker\n");
    line(&mut index, &format!("- [Properties of the worker]({WORKER})"));
    pages.insert(WORKER.to_owned(), worker_page());
    pages.insert("README.md".to_owned(), index);
    pages
}

fn worker_page() -> String {
    let definition = worker_properties::definition();
    let mut text = format!("{GENERATED}# Properties of the worker\n\n{WORKER_INTRODUCTION}\n");
    for group in definition.groups() {
        let keys = definition.keys().filter(|key| key.group.as_ref() == Some(&group)).cloned();
        line(&mut text, &format!("\n## {group}\n\n{}", table(&ConfigDef::new(keys)).trim_end()));
    }
    line(
        &mut text,
        "\n## On the embedded broker\n\nWithout `bootstrap.servers` these hold where they are not given:\n",
    );
    line(&mut text, "| Property | Value |\n|---|---|");
    for (name, value) in EMBEDDED.iter().chain(&JSON_VALUES) {
        line(&mut text, &format!("| `{name}` | `{value}` |"));
    }
    text
}

/// The simple name of the class, or the full one where another connector has the same simple name.
fn page_name(plugin: &Plugin, plugins: &PluginRegistry) -> String {
    let class = &plugin.description.class;
    let is_other = |other: &Plugin| other.description.kind.is_connector() && other.description.class != *class;
    let is_shared = plugins.iter().any(|other| is_other(other) && simple_name(other) == simple_name(plugin));
    format!("{}.md", if is_shared { class } else { simple_name(plugin) })
}

fn simple_name(plugin: &Plugin) -> &str {
    let class = &plugin.description.class;
    class.rsplit('.').next().unwrap_or(class)
}

fn connector_page(plugin: &Plugin) -> String {
    let (kind, framework) = match plugin.description.kind {
        PluginKind::Source => ("source", FRAMEWORK_SOURCE),
        _ => ("sink", FRAMEWORK_SINK),
    };
    let simple = simple_name(plugin);
    format!(
        "{GENERATED}# {simple}\n\n{}\nIt also has the [properties of every {kind} connector]({framework}).\n\n{}",
        introduction(plugin),
        table(&plugin.description.config)
    )
}

fn kind_page(plugins: &PluginRegistry, kind: PluginKind, heading: &str) -> String {
    let mut text = format!("{GENERATED}# {heading}\n");
    for plugin in plugins.iter().filter(|plugin| plugin.description.kind == kind) {
        let simple = simple_name(plugin);
        line(&mut text, &format!("\n## {simple}\n\n{}", introduction(plugin)));
        text.push_str(&table(&plugin.description.config));
    }
    text
}

fn introduction(plugin: &Plugin) -> String {
    let description = &plugin.description;
    let mut text = String::new();
    if !description.doc.is_empty() {
        line(&mut text, &format!("{}\n", description.doc));
    }
    line(&mut text, &format!("Class: `{}`", description.class));
    if !description.aliases.is_empty() {
        line(&mut text, &format!("\nAlso known as: `{}`", description.aliases.join("`, `")));
    }
    if description.needs_processor {
        line(&mut text, "\nIt keeps state, so it runs in a connector of class `tributary.StreamProcessor` only.");
    }
    text
}

fn table(definition: &ConfigDef) -> String {
    let keys: Vec<&ConfigKey> = definition.keys().filter(|key| !key.internal).collect();
    if keys.is_empty() {
        return "It has no properties.\n".to_owned();
    }
    let mut text = String::from("| Property | Type | Default | Allowed | Meaning |\n|---|---|---|---|---|\n");
    for key in keys {
        let row = [
            name(key),
            key.kind.name().to_lowercase(),
            default(key),
            key.validator.as_ref().map(allowed).unwrap_or_default(),
            cell(&meaning(key)),
        ];
        line(&mut text, &format!("| {} |", row.join(" | ")));
    }
    text
}

fn name(key: &ConfigKey) -> String {
    match key.names() {
        KeyNames::Own => format!("`{}`", key.name),
        KeyNames::Begin(prefix) => format!("`{}`: each name that begins with `{}`", key.name, cell(&prefix)),
        KeyNames::Match(pattern) => format!("`{}`: each name that matches `{}`", key.name, cell(&pattern)),
        // A value that was added to the contract later: shown by its name.
        other => format!("`{}`: {other:?}", key.name),
    }
}

fn meaning(key: &ConfigKey) -> String {
    let mut text = key.documentation.clone();
    if !key.deprecated_names.is_empty() {
        text.push_str(&format!(" Formerly `{}`.", key.deprecated_names.join("`, `")));
    }
    for (value, read_as) in &key.deprecated_values {
        text.push_str(&format!(" `{value}` is deprecated and read as `{read_as}`."));
    }
    text
}

fn default(key: &ConfigKey) -> String {
    match &key.default {
        DefaultValue::Required => "*required*".to_owned(),
        DefaultValue::Null => String::new(),
        DefaultValue::Value(text) if text.is_empty() => "*empty*".to_owned(),
        DefaultValue::Value(_) if key.is_secret() => "*hidden*".to_owned(),
        DefaultValue::Value(text) => format!("`{}`", cell(text)),
    }
}

fn allowed(validator: &Validator) -> String {
    match validator {
        Validator::AtLeast(min) => format!("at least {min}"),
        Validator::Between(min, max) => format!("{min} to {max}"),
        Validator::OneOf(values) => format!("`{}`", cell(&values.join("`, `"))),
        Validator::OneOfIgnoringCase(values) => format!("`{}`, in any case", cell(&values.join("`, `"))),
        Validator::NonEmpty => "not empty".to_owned(),
        Validator::Name => "not empty, no control characters".to_owned(),
        Validator::TopicName => "what a topic can be called".to_owned(),
        Validator::Distinct { empty: true } => "each once".to_owned(),
        Validator::Distinct { empty: false } => "at least one, each once".to_owned(),
        Validator::Regex => "a regular expression".to_owned(),
        Validator::RegexList => "regular expressions, separated by commas".to_owned(),
        Validator::Custom(custom) => cell(&custom.to_string()),
        // What is new in the contract says itself.
        other => format!("{other:?}"),
    }
}

/// Escapes text for a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tributary_api::{ConfigType, Factory};

    use super::*;

    #[test]
    fn connectors_of_one_simple_name_have_a_page_each() {
        let plugin = |class: &str| Plugin::new(class, "1", ConfigDef::default(), Factory::Processor).doc(class);
        let classes = ["org.example.Thing", "com.example.Thing", "com.example.Other"];
        let pages = pages(&PluginRegistry::new(classes.map(plugin)).unwrap());
        for (name, class) in ["org.example.Thing.md", "com.example.Thing.md", "Other.md"].iter().zip(classes) {
            assert!(pages[*name].contains(class), "{name}");
        }
    }

    #[test]
    fn a_page_lists_all_properties() {
        let definition = ConfigDef::new([
            ConfigKey::new("mode", ConfigType::String).required().one_of(&["a|b", "c"]).doc("How\nto."),
            ConfigKey::new("token", ConfigType::Password).default("secret").doc("Who."),
            ConfigKey::new("inner", ConfigType::Int).internal(),
            ConfigKey::new("driver.*", ConfigType::String).name_begins("driver.").doc("Passed on."),
            ConfigKey::new("cut.(d+)", ConfigType::Int).name_matches(r"cut\.(1|2)").deprecated_name("trim"),
            ConfigKey::new("tables", ConfigType::List).validator(Validator::RegexList).deprecated_value("all", ".*"),
        ]);
        let plugin =
            Plugin::new("org.example.Thing", "1", definition, Factory::Processor).alias("a.Thing").doc("Does it.");
        let pages = pages(&PluginRegistry::new([plugin]).unwrap());
        let page = &pages["Thing.md"];
        assert!(page.contains("| `mode` | string | *required* | `a\\|b`, `c` | How to. |"), "{page}");
        assert!(page.contains("| `token` | password | *hidden* |") && !page.contains("secret"), "{page}");
        assert!(page.contains("| `driver.*`: each name that begins with `driver.` | string |"), "{page}");
        assert!(page.contains(r"| `cut.(d+)`: each name that matches `cut\.(1\|2)` | int |"), "{page}");
        assert!(page.contains("Formerly `trim`.") && page.contains("`all` is deprecated and read as `.*`."), "{page}");
        assert!(page.contains("regular expressions, separated by commas"), "{page}");
        assert!(!page.contains("inner") && page.contains("Also known as: `a.Thing`"), "{page}");
        assert!(pages["README.md"].contains("[org.example.Thing](Thing.md): Does it."));
        assert!(pages["README.md"].contains("(worker.md)"));
        for key in worker_properties::definition().keys() {
            assert_eq!(
                pages["worker.md"]
                    .matches(&format!("\n| `{}` | {} |", key.name, key.kind.name().to_lowercase()))
                    .count(),
                1
            );
        }
    }

    #[test]
    fn a_stale_page_is_found() {
        let registry = PluginRegistry::new(crate::plugins()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        run(&registry, folder.path(), false).unwrap();
        run(&registry, folder.path(), true).unwrap();
        fs::write(folder.path().join("converters.md"), "old").unwrap();
        let error = run(&registry, folder.path(), true).unwrap_err().to_string();
        assert!(error.starts_with("converters.md in"), "{error}");
    }
}
