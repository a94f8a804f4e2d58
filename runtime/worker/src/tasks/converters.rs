use std::sync::Arc;

use tributary_api::{
    Converter, ConverterOptions, Error, Factory, HeaderConverter, Plugin, PluginKind, PluginRegistry, Props, Result,
};

use crate::settings::with_prefix;

const DEFAULT_HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// The converters of one task, with the class names under which their failures are shown.
pub(crate) struct Converters {
    pub(crate) key: Box<dyn Converter>,
    pub(crate) key_class: Arc<str>,
    pub(crate) value: Box<dyn Converter>,
    pub(crate) value_class: Arc<str>,
    pub(crate) header: Box<dyn HeaderConverter>,
    pub(crate) header_class: Arc<str>,
}

impl Converters {
    /// Makes the converters of a connector: its own, or the worker's where it names none. A converter named by the
    /// connector inherits no setting of the worker's.
    ///
    /// # Errors
    /// `Config` when one is unknown or its properties are wrong.
    pub(crate) fn build(connector: &Props, worker: &Props, plugins: &PluginRegistry) -> Result<Self> {
        let (key_class, key) = key_or_value("key.converter", connector, worker, plugins)?;
        let (value_class, value) = key_or_value("value.converter", connector, worker, plugins)?;
        let (header_class, header) = header(connector, worker, plugins)?;
        Ok(Self { key, key_class, value, value_class, header, header_class })
    }
}

fn key_or_value(
    property: &str,
    connector: &Props,
    worker: &Props,
    plugins: &PluginRegistry,
) -> Result<(Arc<str>, Box<dyn Converter>)> {
    let build = || {
        let (class, props) = chosen(property, connector, worker)
            .ok_or_else(|| Error::config("is missing: name a converter in the connector or the worker"))?;
        let plugin = plugins.find(class, |kind| kind == PluginKind::Converter)?;
        let Factory::Converter(make) = &plugin.factory else {
            return Err(Error::config(format!("{class} is not a converter")));
        };
        let options = if property == "key.converter" { ConverterOptions::KEY } else { ConverterOptions::VALUE };
        let converter = make(&plugin.description.config.parse(&props)?, options)?;
        Ok((class_of(plugin), converter))
    };
    build().map_err(|error| error.context(property))
}

fn header(connector: &Props, worker: &Props, plugins: &PluginRegistry) -> Result<(Arc<str>, Box<dyn HeaderConverter>)> {
    let property = "header.converter";
    let build = || {
        let (class, props) =
            chosen(property, connector, worker).unwrap_or_else(|| (DEFAULT_HEADER_CONVERTER, Props::default()));
        let plugin = plugins.find(class, |kind| kind == PluginKind::HeaderConverter)?;
        let Factory::HeaderConverter(make) = &plugin.factory else {
            return Err(Error::config(format!("{class} is not a header converter")));
        };
        Ok((class_of(plugin), make(&plugin.description.config.parse(&props)?)?))
    };
    build().map_err(|error| error.context(property))
}

/// The class in effect for a property, with the settings of the configuration (connector or worker) that names it.
fn chosen<'a>(property: &str, connector: &'a Props, worker: &'a Props) -> Option<(&'a str, Props)> {
    [connector, worker].into_iter().find_map(|props| {
        let class = props.get(property)?.trim();
        (!class.is_empty()).then(|| (class, with_prefix(props, &format!("{property}."))))
    })
}

fn class_of(plugin: &Plugin) -> Arc<str> {
    plugin.description.class.as_str().into()
}
