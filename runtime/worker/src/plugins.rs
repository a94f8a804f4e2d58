//! Plugins that a configuration names: the class in one property, the plugin's own properties under a prefix.
//!
//! What is wrong is an error of the property that it is about, and the same one for a task as for `/validate`.

use std::sync::Arc;

use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigProvider, ConfigType, Converter, ConverterOptions, Error, Factory,
    HeaderConverter, Plugin, PluginKind, PluginRegistry, Predicate, Props, RequestHandler, Result, Transformation,
    list_items,
};

use crate::settings::with_prefix;

/// The one converter that is a plugin of another kind than the others.
pub(crate) const HEADER_CONVERTER: &str = "header.converter";

/// The framework's properties of transforms and predicates, under the same prefix as their own.
const FRAMEWORK_KEYS: [&str; 4] = ["type", "plugin.version", "predicate", "negate"];

/// A plugin as a configuration names it: found, and not made yet.
#[derive(Debug)]
pub(crate) struct NamedPlugin<'a> {
    pub(crate) plugin: &'a Plugin,
    /// The property that has the class.
    property: String,
    /// What the names of its own properties begin with.
    prefix: String,
    /// Its own properties, without the prefix.
    own: Props,
}

impl<'a> NamedPlugin<'a> {
    /// `transforms.<alias>`.
    ///
    /// # Errors
    /// `Config`, of the property with the class, when there is none or no plugin of that name; as for all kinds.
    pub(crate) fn transformation(alias: &str, props: &Props, plugins: &'a PluginRegistry) -> Result<Self> {
        Self::aliased("transforms", alias, PluginKind::Transformation, props, plugins)
    }

    /// `predicates.<alias>`.
    ///
    /// # Errors
    /// As for [`transformation`](Self::transformation).
    pub(crate) fn predicate(alias: &str, props: &Props, plugins: &'a PluginRegistry) -> Result<Self> {
        Self::aliased("predicates", alias, PluginKind::Predicate, props, plugins)
    }

    /// `key.converter`, `value.converter` or `header.converter`.
    ///
    /// # Errors
    /// As for [`transformation`](Self::transformation).
    pub(crate) fn converter(property: &str, props: &Props, plugins: &'a PluginRegistry) -> Result<Self> {
        let kind = if property == HEADER_CONVERTER { PluginKind::HeaderConverter } else { PluginKind::Converter };
        Self::find(property.to_owned(), format!("{property}."), kind, props, plugins)
    }

    /// `config.providers.<name>`.
    ///
    /// # Errors
    /// As for [`transformation`](Self::transformation).
    pub(crate) fn config_provider(name: &str, props: &Props, plugins: &'a PluginRegistry) -> Result<Self> {
        let prefix = format!("config.providers.{name}.");
        Self::find(format!("{prefix}class"), format!("{prefix}param."), PluginKind::ConfigProvider, props, plugins)
    }

    fn aliased(list: &str, alias: &str, kind: PluginKind, props: &Props, plugins: &'a PluginRegistry) -> Result<Self> {
        let prefix = format!("{list}.{alias}.");
        let mut named = Self::find(format!("{prefix}type"), prefix, kind, props, plugins)?;
        named.own.retain(|name, _| !FRAMEWORK_KEYS.contains(&name.as_str()));
        Ok(named)
    }

    fn find(
        property: String,
        prefix: String,
        kind: PluginKind,
        props: &Props,
        plugins: &'a PluginRegistry,
    ) -> Result<Self> {
        let Some(class) = props.get(&property).map(|class| class.trim()).filter(|class| !class.is_empty()) else {
            let message = format!("Missing required configuration \"{property}\" which has no default value.");
            return Err(Error::config_at(property, message));
        };
        let plugin = plugins.find(class, |other| other == kind).map_err(|error| {
            Error::config_at(&property, format!("Invalid value {class} for configuration {property}: {error}"))
        })?;
        Ok(Self { plugin, own: with_prefix(props, &prefix), property, prefix })
    }

    /// Its class, in full.
    pub(crate) fn class(&self) -> Arc<str> {
        self.plugin.description.class.as_str().into()
    }

    /// What the names of its own properties begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Its own properties, parsed.
    ///
    /// # Errors
    /// `Config`, of the first property that is wrong.
    pub(crate) fn config(&self) -> Result<Config> {
        self.plugin.description.config.parse(&self.own).map_err(|error| self.within(error))
    }

    /// Makes the transform.
    ///
    /// # Errors
    /// The plugin's own, of the property that it is about; as for all kinds.
    pub(crate) fn make_transformation(&self) -> Result<Box<dyn Transformation>> {
        match &self.plugin.factory {
            Factory::Transformation(make) => self.make(|config| make(config)),
            _ => Err(self.other_kind()),
        }
    }

    /// Makes what answers requests about the transform; none of one that answers none.
    ///
    /// # Errors
    /// As for [`make_transformation`](Self::make_transformation).
    pub(crate) fn make_request_handler(&self) -> Result<Option<Box<dyn RequestHandler>>> {
        self.plugin.requests.as_ref().map(|make| self.make(|config| make(config))).transpose()
    }

    /// Makes the predicate.
    ///
    /// # Errors
    /// As for [`make_transformation`](Self::make_transformation).
    pub(crate) fn make_predicate(&self) -> Result<Box<dyn Predicate>> {
        match &self.plugin.factory {
            Factory::Predicate(make) => self.make(|config| make(config)),
            _ => Err(self.other_kind()),
        }
    }

    /// Makes the converter, of keys or of values as the property says.
    ///
    /// # Errors
    /// As for [`make_transformation`](Self::make_transformation).
    pub(crate) fn make_converter(&self) -> Result<Box<dyn Converter>> {
        let options = if self.property == "key.converter" { ConverterOptions::KEY } else { ConverterOptions::VALUE };
        match &self.plugin.factory {
            Factory::Converter(make) => self.make(|config| make(config, options)),
            _ => Err(self.other_kind()),
        }
    }

    /// Makes the converter of headers.
    ///
    /// # Errors
    /// As for [`make_transformation`](Self::make_transformation).
    pub(crate) fn make_header_converter(&self) -> Result<Box<dyn HeaderConverter>> {
        match &self.plugin.factory {
            Factory::HeaderConverter(make) => self.make(|config| make(config)),
            _ => Err(self.other_kind()),
        }
    }

    /// Makes the configuration provider.
    ///
    /// # Errors
    /// As for [`make_transformation`](Self::make_transformation).
    pub(crate) fn make_config_provider(&self) -> Result<Box<dyn ConfigProvider>> {
        match &self.plugin.factory {
            Factory::ConfigProvider(make) => self.make(|config| make(config)),
            _ => Err(self.other_kind()),
        }
    }

    /// The error of a transform that keeps state in a connector that hosts none.
    pub(crate) fn needs_processor(&self) -> Error {
        let (class, property) = (&self.plugin.description.class, &self.property);
        let message = format!(
            "Invalid value {class} for configuration {property}: it keeps state, which only a connector of class \
             tributary.StreamProcessor can host"
        );
        Error::config_at(property, message)
    }

    fn make<T>(&self, make: impl FnOnce(&Config) -> Result<T>) -> Result<T> {
        make(&self.config()?).map_err(|error| self.within(error))
    }

    /// The plugin names its properties without the prefix.
    fn within(&self, error: Error) -> Error {
        let property = match error.property() {
            Some(own) => format!("{}{own}", self.prefix),
            None => self.property.clone(),
        };
        error.context(self.prefix.trim_end_matches('.')).with_property(property)
    }

    fn other_kind(&self) -> Error {
        let message = format!("{} is a plugin of another kind than {}", self.plugin.description.class, self.property);
        Error::config_at(&self.property, message)
    }
}

/// Whether a transform applies to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// The alias of the predicate that is asked.
    pub(crate) predicate: String,
    /// It applies where the predicate does not.
    pub(crate) negate: bool,
}

impl Condition {
    /// The condition of a transform, if it has one.
    ///
    /// # Errors
    /// `Config`, of the property, when there is no such predicate, or nothing to be negated.
    pub(crate) fn of(alias: &str, props: &Props) -> Result<Option<Self>> {
        let (predicate, negate) = (format!("transforms.{alias}.predicate"), format!("transforms.{alias}.negate"));
        let negated = ConfigKey::new(&negate, ConfigType::Boolean).default(false);
        let negated = ConfigDef::new([negated]).parse(props)?.boolean(&negate)?;
        let name = props.get(&predicate).map(|name| name.trim()).filter(|name| !name.is_empty());
        match name {
            None if props.contains_key(&negate) => {
                let message = format!(
                    "Config '{negate}' was provided but there is no config '{predicate}' defining a predicate to be \
                     negated."
                );
                Err(Error::config_at(negate, message))
            }
            None => Ok(None),
            Some(name) if list_items(props, "predicates").any(|known| known == name) => {
                Ok(Some(Self { predicate: name.to_owned(), negate: negated }))
            }
            Some(name) => {
                let message =
                    format!("Invalid value {name} for configuration {predicate}: not one of the aliases in predicates");
                Err(Error::config_at(predicate, message))
            }
        }
    }
}
