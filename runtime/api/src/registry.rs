use std::sync::Arc;

use crate::{API_VERSION, Error, Plugin, PluginDescription, PluginKind, Result};

/// The plugins of a worker. Explicit data: make one with what a worker or a test should have.
///
/// A plugin is found by its full class name, by its simple name (`FileStreamSourceConnector`) or by its simple name
/// without the ending of its kind (`FileStreamSource`). A cheap handle: each task has one.
#[derive(Clone, Debug, Default)]
pub struct PluginRegistry(Arc<Vec<Plugin>>);

impl PluginRegistry {
    /// A registry of these plugins.
    ///
    /// # Errors
    /// `Config` when two of a kind have one name, or one is written for another version of the contract.
    pub fn new(plugins: impl IntoIterator<Item = Plugin>) -> Result<Self> {
        plugins.into_iter().try_fold(Self::default(), Self::with)
    }

    /// The same registry with one more.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with(mut self, plugin: Plugin) -> Result<Self> {
        let PluginDescription { class, api_version, .. } = &plugin.description;
        if *api_version != API_VERSION {
            return Err(Error::config(format!(
                "plugin {class} is written for version {api_version} of the plugin contract, this worker has \
                 {API_VERSION}: build it with the tributary-api of this worker"
            )));
        }
        if let Some((name, other)) = self.clash(&plugin) {
            return Err(Error::config(format!(
                "two plugins are called {name}: {class} of version {} and {other}: leave one of them out, or give it \
                 another name",
                plugin.description.version
            )));
        }
        Arc::make_mut(&mut self.0).push(plugin);
        Ok(self)
    }

    /// A full name that a plugin shares with one that is there, and which that is.
    fn clash(&self, plugin: &Plugin) -> Option<(String, String)> {
        let kind = plugin.description.kind;
        // `connector.class` does not say whether it means a source or a sink.
        let alike = |other: PluginKind| other == kind || other.is_connector() && kind.is_connector();
        self.0.iter().filter(|other| alike(other.description.kind)).find_map(|other| {
            let name = plugin.full_names().find(|name| other.full_names().any(|theirs| theirs == *name))?;
            let PluginDescription { class, version, .. } = &other.description;
            Some((name.to_owned(), format!("{class} of version {version}")))
        })
    }

    /// The same registry without a class.
    #[must_use]
    pub fn without(mut self, class: &str) -> Self {
        Arc::make_mut(&mut self.0).retain(|plugin| plugin.description.class != class);
        self
    }

    /// All plugins, in the order they were registered.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.0.iter()
    }

    /// The plugin of a name among those that pass the filter.
    ///
    /// # Errors
    /// `Config`, with the names there are, when there is none or the name could mean several.
    pub fn find(&self, name: &str, filter: impl Fn(PluginKind) -> bool) -> Result<&Plugin> {
        let of_kind = || self.0.iter().filter(|plugin| filter(plugin.description.kind));
        if let Some(plugin) = of_kind().find(|plugin| plugin.description.class == name) {
            return Ok(plugin);
        }
        let found: Vec<&Plugin> = of_kind().filter(|plugin| plugin.answers_to(name)).collect();
        let names = |plugins: &mut dyn Iterator<Item = &Plugin>| {
            plugins.map(|plugin| plugin.description.class.as_str()).collect::<Vec<_>>().join(", ")
        };
        // One class may be of several kinds, as converters are that do for headers too.
        let one_class = || found.iter().all(|plugin| plugin.description.class == found[0].description.class);
        match found[..] {
            [plugin, ..] if one_class() => Ok(plugin),
            [] => Err(Error::config(format!("Class {name} could not be found. There are: {}", names(&mut of_kind())))),
            _ => Err(Error::config(format!(
                "more than one plugin matches {name}: write the full name of one of {}",
                names(&mut found.iter().copied())
            ))),
        }
    }
}
