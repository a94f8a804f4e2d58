use std::sync::Arc;

use tributary_api::{Converter, Error, HeaderConverter, PluginMetrics, PluginRegistry, Props, Result};

use crate::plugins::{HEADER_CONVERTER, NamedPlugin};

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
        let find = |property| NamedPlugin::converter(property, naming(property, connector, worker), plugins);
        let (key, value) = (find("key.converter")?, find("value.converter")?);
        let header = match naming(HEADER_CONVERTER, connector, worker) {
            named if is_named(HEADER_CONVERTER, named) => NamedPlugin::converter(HEADER_CONVERTER, named, plugins)?,
            _ => NamedPlugin::converter(HEADER_CONVERTER, &default_header_converter(), plugins)?,
        };
        Ok(Self {
            key_class: key.class(),
            key: key.make_converter()?,
            value_class: value.class(),
            value: value.make_converter()?,
            header_class: header.class(),
            header: header.make_header_converter()?,
        })
    }

    /// Lets the converters register metrics of their own.
    ///
    /// # Errors
    /// Their own.
    pub(crate) fn with_plugin_metrics(&mut self, metrics: &PluginMetrics) -> Result<()> {
        let of = |part: &str| metrics.tagged("converter", part);
        let within = |part: &'static str| move |error: Error| error.context(part);
        self.key.with_plugin_metrics(&of("key")).map_err(within("key.converter"))?;
        self.value.with_plugin_metrics(&of("value")).map_err(within("value.converter"))?;
        self.header.with_plugin_metrics(&of("header")).map_err(within("header.converter"))
    }
}

/// The configuration that names a converter, and has its settings.
fn naming<'a>(property: &str, connector: &'a Props, worker: &'a Props) -> &'a Props {
    if is_named(property, connector) { connector } else { worker }
}

fn is_named(property: &str, props: &Props) -> bool {
    props.get(property).is_some_and(|class| !class.trim().is_empty())
}

fn default_header_converter() -> Props {
    Props::from([(HEADER_CONVERTER.to_owned(), DEFAULT_HEADER_CONVERTER.to_owned())])
}
