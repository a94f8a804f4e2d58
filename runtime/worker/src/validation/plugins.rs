use std::collections::HashSet;

use tributary_api::{
    ConfigDef, ConfigIssue, ConfigKey, ConfigType, Error, Importance, Plugin, PluginKind, PluginRegistry, Props,
    Requirements, Result, Width, list_items,
};

use crate::definitions::PLUGIN_VERSION;
use crate::plugins::{self, HEADER_CONVERTER, NamedPlugin};
use crate::processor;

const CONVERTERS: [&str; 3] = ["key.converter", "value.converter", HEADER_CONVERTER];

/// How many transforms or predicates a connector may have.
const MAX_ALIASES: usize = 256;

/// Checks the transforms, predicates and converters that a configuration names, and adds their properties to the definition.
pub(super) struct PluginCheck<'a> {
    pub(super) props: &'a Props,
    pub(super) plugins: &'a PluginRegistry,
    /// The kind of the connector.
    pub(super) host: PluginKind,
    pub(super) issues: &'a mut Vec<ConfigIssue>,
}

impl PluginCheck<'_> {
    /// Adds the properties of every transform and predicate.
    pub(super) fn chains(&mut self, mut definition: ConfigDef) -> ConfigDef {
        // What each transform that could be made asks of its host.
        let (mut made, mut requirements) = (0, Vec::new());
        let aliases = self.aliases(AliasList::TRANSFORMS.property);
        for alias in &aliases {
            let named = NamedPlugin::transformation(alias, self.props, self.plugins);
            definition = self.embed(&AliasList::TRANSFORMS, definition, alias, &named);
            self.keep(plugins::Condition::of(alias, self.props));
            if let Some(needs) = named.ok().and_then(|named| self.requirements(&named)) {
                made += 1;
                requirements.push(needs);
            }
        }
        if self.host == PluginKind::Processor && made == aliases.len() {
            self.keep(processor::check_stores(self.props, requirements));
        }
        for alias in self.aliases(AliasList::PREDICATES.property) {
            let named = NamedPlugin::predicate(&alias, self.props, self.plugins);
            definition = self.embed(&AliasList::PREDICATES, definition, &alias, &named);
            if let Ok(named) = named
                && named.config().is_ok()
            {
                self.keep(named.make_predicate());
            }
        }
        definition
    }

    /// Adds the properties of the converters that the connector names itself.
    pub(super) fn converters(&mut self, mut definition: ConfigDef) -> ConfigDef {
        for property in CONVERTERS {
            if !self.props.contains_key(property) {
                continue;
            }
            let named = NamedPlugin::converter(property, self.props, self.plugins);
            let Some(named) = self.keep(named) else { continue };
            definition = definition.embed(named.prefix(), None, &named.plugin.description.config);
            if named.config().is_ok() {
                match property {
                    HEADER_CONVERTER => drop(self.keep(named.make_header_converter())),
                    _ => drop(self.keep(named.make_converter())),
                }
            }
        }
        definition
    }

    fn embed(
        &mut self,
        chain: &AliasList,
        definition: ConfigDef,
        alias: &str,
        named: &Result<NamedPlugin<'_>>,
    ) -> ConfigDef {
        let group = format!("{}: {alias}", chain.group);
        let plugin = named.as_ref().ok().map(|named| named.plugin);
        let frame = chain.frame(alias, plugin).into_iter();
        let definition = frame.fold(definition, |definition, key| definition.with(key.group(group.clone())));
        match named {
            Ok(named) => definition.embed(named.prefix(), Some(&group), &named.plugin.description.config),
            Err(error) => {
                self.add_issue(error);
                definition
            }
        }
    }

    /// What a transform asks of its host; none if it cannot be created. Values that its definition refuses are shown by the
    /// definition.
    fn requirements(&mut self, named: &NamedPlugin<'_>) -> Option<Requirements> {
        let can_host = self.host == PluginKind::Processor;
        let made = if named.config().is_ok() { self.keep(named.make_transformation()) } else { None };
        let requirements = made.map(|transform| transform.requirements());
        let has_state = requirements.as_ref().is_some_and(|needs| !needs.is_empty());
        if !can_host && (has_state || named.plugin.description.needs_processor) {
            self.add_issue(&named.needs_processor());
        }
        requirements
    }

    fn aliases(&mut self, property: &str) -> Vec<String> {
        let all: Vec<String> = list_items(self.props, property).map(str::to_owned).collect();
        if all.len() > MAX_ALIASES {
            let message = format!(
                "Invalid value for configuration {property}: {} aliases, a connector may have {MAX_ALIASES} at the most",
                all.len()
            );
            self.issues.push(ConfigIssue::new(property, message));
            return Vec::new();
        }
        let mut seen = HashSet::new();
        let unique: Vec<String> = all.iter().filter(|alias| seen.insert(*alias)).cloned().collect();
        if unique.len() < all.len() {
            let shown = all.join(", ");
            let message = format!("Invalid value [{shown}] for configuration {property}: Duplicate alias provided.");
            self.issues.push(ConfigIssue::new(property, message));
        }
        unique
    }

    fn keep<T>(&mut self, outcome: Result<T>) -> Option<T> {
        outcome.map_err(|error| self.add_issue(&error)).ok()
    }

    fn add_issue(&mut self, error: &Error) {
        self.issues.push(ConfigIssue::of_error(error, "connector.class"));
    }
}

/// The version of each converter is the default of its property: of the connector's own converter, or of the worker's.
pub(super) fn converter_versions(
    definition: ConfigDef,
    props: &Props,
    worker: &Props,
    plugins: &PluginRegistry,
) -> ConfigDef {
    CONVERTERS.into_iter().fold(definition, |definition, property| {
        let naming = [props, worker].into_iter().find(|props| props.contains_key(property));
        let named = naming.and_then(|props| NamedPlugin::converter(property, props, plugins).ok());
        match (named, definition.key(&format!("{property}.plugin.version"))) {
            (Some(named), Some(key)) => {
                let key = key.clone().default(&named.plugin.description.version);
                definition.with(key)
            }
            _ => definition,
        }
    })
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
                .doc(PLUGIN_VERSION),
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
