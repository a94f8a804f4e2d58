use std::collections::HashSet;

use tributary_api::{
    ConfigDef, ConfigIssue, ConfigKey, ConfigType, ConverterOptions, Factory, Importance, Plugin, PluginKind,
    PluginRegistry, Props, Width,
};

use crate::settings::{list_items, with_prefix};

/// How many transforms or predicates a connector may have.
const MAX_ALIASES: usize = 256;

/// The transforms and predicates that a configuration names.
struct AliasedPlugins<'a> {
    props: &'a Props,
    plugins: &'a PluginRegistry,
    host: PluginKind,
    predicates: HashSet<String>,
}

/// Adds the properties of every transform and predicate that the configuration names.
pub(super) fn enrich(
    mut definition: ConfigDef,
    props: &Props,
    plugins: &PluginRegistry,
    host: PluginKind,
    issues: &mut Vec<ConfigIssue>,
) -> ConfigDef {
    let predicates = list_items(props, AliasList::PREDICATES.property).map(str::to_owned).collect();
    let chains = AliasedPlugins { props, plugins, host, predicates };
    for chain in [AliasList::TRANSFORMS, AliasList::PREDICATES] {
        for alias in aliases(props, chain.property, issues) {
            definition = chain.embed(definition, &alias, &chains, issues);
        }
    }
    definition
}

/// Adds the properties of the converters that the connector names itself.
pub(super) fn converters(
    mut definition: ConfigDef,
    props: &Props,
    plugins: &PluginRegistry,
    issues: &mut Vec<ConfigIssue>,
) -> ConfigDef {
    for property in ["key.converter", "value.converter", "header.converter"] {
        let Some(class) = props.get(property) else { continue };
        let wanted = if property == "header.converter" { PluginKind::HeaderConverter } else { PluginKind::Converter };
        let Ok(plugin) = plugins.find(class, |kind| kind == wanted) else {
            issues.push(not_found(property, class));
            continue;
        };
        let prefix = format!("{property}.");
        let known = with_prefix(props, &prefix);
        issues.extend(construction_issue(plugin, &known, property));
        definition = definition.embed(&prefix, None, &plugin.description.config);
    }
    definition
}

/// A list of transforms or of predicates; both have the same form.
struct AliasList {
    property: &'static str,
    kind: PluginKind,
    group: &'static str,
    noun: &'static str,
}

impl AliasList {
    const TRANSFORMS: Self =
        Self { property: "transforms", kind: PluginKind::Transformation, group: "Transforms", noun: "Transformation" };
    const PREDICATES: Self =
        Self { property: "predicates", kind: PluginKind::Predicate, group: "Predicates", noun: "Predicate" };

    fn embed(
        &self,
        definition: ConfigDef,
        alias: &str,
        chains: &AliasedPlugins<'_>,
        issues: &mut Vec<ConfigIssue>,
    ) -> ConfigDef {
        let AliasedPlugins { props, plugins, host, predicates } = chains;
        let prefix = format!("{}.{alias}.", self.property);
        let group = format!("{}: {alias}", self.group);
        let type_name = format!("{prefix}type");
        let class = props.get(&type_name);
        let plugin = class.and_then(|class| plugins.find(class, |kind| kind == self.kind).ok());
        let frame = self.frame(alias, plugin).into_iter();
        let mut definition = frame.fold(definition, |definition, key| definition.with(key.group(group.clone())));
        let (class, plugin) = match (class, plugin) {
            (Some(class), Some(plugin)) => (class, plugin),
            (Some(class), None) => {
                issues.push(not_found(&type_name, class));
                return definition;
            }
            (None, _) => return definition,
        };
        if plugin.description.needs_processor && *host != PluginKind::Processor {
            let message = format!(
                "Invalid value {class} for configuration {type_name}: it keeps state, which only a connector of class \
                 tributary.StreamProcessor can host"
            );
            issues.push(ConfigIssue::new(&type_name, message));
        }
        definition = definition.embed(&prefix, Some(&group), &plugin.description.config);
        issues.extend(construction_issue(plugin, &with_prefix(props, &prefix), &type_name));
        if self.kind == PluginKind::Transformation {
            check_predicate(alias, props, predicates, issues);
        }
        definition
    }

    fn frame(&self, alias: &str, plugin: Option<&Plugin>) -> Vec<ConfigKey> {
        let name = |ending: &str| format!("{}.{alias}.{ending}", self.property);
        let version = ConfigKey::new(name("plugin.version"), ConfigType::String);
        let version = match plugin {
            Some(plugin) => version.default(&plugin.description.version),
            None => version,
        };
        let mut keys = vec![
            ConfigKey::new(name("type"), ConfigType::Class)
                .required()
                .importance(Importance::High)
                .width(Width::Long)
                .display_name(format!("{} type for {alias}", self.noun))
                .doc("The class."),
            version
                .importance(Importance::High)
                .width(Width::Long)
                .display_name(format!("{} version for {alias}", self.noun))
                .doc("Accepted for compatibility: a worker holds one version of each plugin."),
        ];
        if self.kind == PluginKind::Transformation {
            keys.push(
                ConfigKey::new(name("predicate"), ConfigType::String)
                    .default("")
                    .display_name("predicate")
                    .doc("The alias of a predicate that decides whether the transform applies."),
            );
            keys.push(
                ConfigKey::new(name("negate"), ConfigType::Boolean)
                    .default(false)
                    .display_name("negate")
                    .doc("Whether the transform applies where the predicate does not."),
            );
        }
        keys
    }
}

fn check_predicate(alias: &str, props: &Props, predicates: &HashSet<String>, issues: &mut Vec<ConfigIssue>) {
    let (predicate, negate) = (format!("transforms.{alias}.predicate"), format!("transforms.{alias}.negate"));
    match props.get(&predicate) {
        None if props.contains_key(&negate) => issues.push(ConfigIssue::new(
            &negate,
            format!(
                "Config '{negate}' was provided but there is no config '{predicate}' defining a predicate to be negated."
            ),
        )),
        Some(name) if !predicates.contains(name) => issues.push(ConfigIssue::new(
            &predicate,
            format!("Invalid value {name} for configuration {predicate}: not one of the aliases in predicates"),
        )),
        _ => {}
    }
}

fn aliases(props: &Props, property: &str, issues: &mut Vec<ConfigIssue>) -> Vec<String> {
    let all: Vec<String> = list_items(props, property).map(str::to_owned).collect();
    if all.len() > MAX_ALIASES {
        let message = format!(
            "Invalid value for configuration {property}: {} aliases, a connector may have {MAX_ALIASES} at the most",
            all.len()
        );
        issues.push(ConfigIssue::new(property, message));
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let unique: Vec<String> = all.iter().filter(|alias| seen.insert(*alias)).cloned().collect();
    if unique.len() < all.len() {
        let shown = all.join(", ");
        let message = format!("Invalid value [{shown}] for configuration {property}: Duplicate alias provided.");
        issues.push(ConfigIssue::new(property, message));
    }
    unique
}

/// What creating the plugin reports beyond the types of its properties (a regular expression, a rules file).
fn construction_issue(plugin: &Plugin, props: &Props, property: &str) -> Option<ConfigIssue> {
    let config = plugin.description.config.parse(props).ok()?;
    let error = match &plugin.factory {
        Factory::Transformation(make) => make(&config).err(),
        Factory::Predicate(make) => make(&config).err(),
        Factory::Converter(make) => {
            let options = if property == "key.converter" { ConverterOptions::KEY } else { ConverterOptions::VALUE };
            make(&config, options).err()
        }
        Factory::HeaderConverter(make) => make(&config).err(),
        _ => None,
    };
    error.map(|error| ConfigIssue::new(property, format!("{}: {error}", plugin.description.class)))
}

fn not_found(property: &str, class: &str) -> ConfigIssue {
    let message = format!("Invalid value {class} for configuration {property}: Class {class} could not be found.");
    ConfigIssue::new(property, message)
}
