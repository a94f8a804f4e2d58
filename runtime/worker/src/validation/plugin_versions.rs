use tributary_api::{ConfigIssue, Plugin, PluginKind, PluginRegistry, Props, list_items};

use crate::versions;

/// Checks the versions that a configuration asks for against those that the worker has. As in Kafka Connect an error is
/// shown at the class and at the version.
pub(super) fn check(props: &Props, connector: &Plugin, plugins: &PluginRegistry, issues: &mut Vec<ConfigIssue>) {
    check_one(props, ["connector.class", "connector.plugin.version"], connector, plugins, issues);
    let converters = [
        ("key.converter", PluginKind::Converter),
        ("value.converter", PluginKind::Converter),
        ("header.converter", PluginKind::HeaderConverter),
    ];
    let converters = converters.map(|(name, kind)| (name.to_owned(), format!("{name}.plugin.version"), kind));
    let chains = [("transforms", PluginKind::Transformation), ("predicates", PluginKind::Predicate)];
    let chains = chains.into_iter().flat_map(|(list, kind)| {
        let property = move |alias: &str, ending: &str| format!("{list}.{alias}.{ending}");
        list_items(props, list).map(move |alias| (property(alias, "type"), property(alias, "plugin.version"), kind))
    });
    for (class, version, kind) in converters.into_iter().chain(chains) {
        // The worker's own converter is used as it is; a class that is not found has its own error.
        let plugin = props.get(&class).and_then(|class| plugins.find(class, |other| other == kind).ok());
        if let Some(plugin) = plugin {
            check_one(props, [&class, &version], plugin, plugins, issues);
        }
    }
}

fn check_one(
    props: &Props,
    properties: [&str; 2],
    plugin: &Plugin,
    plugins: &PluginRegistry,
    issues: &mut Vec<ConfigIssue>,
) {
    let Some(wanted) = props.get(properties[1]) else { return };
    let class = plugin.description.class.as_str();
    if let Err(message) = versions::check(class, &versions::available(class, plugins), wanted.trim()) {
        issues.extend(properties.map(|property| ConfigIssue::new(property, message.clone())));
    }
}
