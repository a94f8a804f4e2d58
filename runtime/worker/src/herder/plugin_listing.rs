//! The plugins as clients see them, and their properties.

use tributary_api::{ConfigDef, ConfigKey, PluginDescription, PluginKind, PluginRegistry, Props};
use tributary_control::{Error, PluginInfo, Result};

use crate::definitions::{connector_definition, converter_type};
use crate::versions;

/// The plugins that clients see, sorted by kind and class.
pub(super) fn list(plugins: &PluginRegistry, connectors_only: bool) -> Vec<PluginInfo> {
    let plugins = plugins.iter().map(|plugin| &plugin.description);
    let mut listed: Vec<_> = plugins.filter(|plugin| !connectors_only || plugin.kind.is_connector()).collect();
    listed.retain(|plugin| listing_order(plugin.kind).is_some());
    listed.sort_by(|a, b| (listing_order(a.kind), &a.class).cmp(&(listing_order(b.kind), &b.class)));
    let info = |plugin: &PluginDescription| PluginInfo {
        class: plugin.class.clone(),
        kind: plugin.kind.rest_name().to_owned(),
        version: Some(plugin.version.clone()),
    };
    listed.into_iter().map(info).collect()
}

/// The properties of a plugin.
///
/// # Errors
/// 404 when there is none of the name, 400 when it has no properties to be asked for, or not that version.
pub(super) fn config_keys(plugins: &PluginRegistry, name: &str, version: Option<&str>) -> Result<Vec<ConfigKey>> {
    let plugin = plugins.find(name, |kind| kind != PluginKind::ConfigProvider).map_err(|_| {
        match plugins.find(name, |_| true) {
            Ok(_) => Error::bad_request(format!(
                "Invalid plugin class {name}. Valid types are sink, source, converter, header_converter, \
                 transformation, predicate."
            )),
            Err(_) => Error::not_found(format!("Unknown plugin {name}.")),
        }
    })?;
    let PluginDescription { class, kind, config, version: own, .. } = &plugin.description;
    if let Some(wanted) = version {
        versions::check(class, &versions::available(class, plugins), wanted).map_err(Error::bad_request)?;
    }
    let keys = match kind {
        PluginKind::Converter => {
            let others = config.keys().filter(|key| key.name != "converter.type").cloned();
            ConfigDef::new([converter_type()].into_iter().chain(others))
        }
        kind if kind.is_connector() => {
            config.clone().embed("", None, &connector_definition(*kind, None, own, &Props::new()))
        }
        _ => config.clone(),
    };
    Ok(keys.keys().filter(|key| !key.internal).cloned().collect())
}

/// The order of plugin kinds in answers; configuration providers are not listed.
fn listing_order(kind: PluginKind) -> Option<u8> {
    match kind {
        PluginKind::Sink | PluginKind::Processor => Some(0),
        PluginKind::Source => Some(1),
        PluginKind::Transformation => Some(2),
        PluginKind::Predicate => Some(3),
        PluginKind::Converter => Some(4),
        PluginKind::HeaderConverter => Some(5),
        _ => None,
    }
}
