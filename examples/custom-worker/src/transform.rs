use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Counter, Datum, Error, Importance, Plugin, PluginMetrics, Record,
    Records, Result, TransformContext, Transformation,
};

const CLASS: &str = "com.example.Prefix";

pub(crate) fn plugin() -> Plugin {
    Plugin::transformation(CLASS, env!("CARGO_PKG_VERSION"), definition(), Prefix::new)
        .doc("Puts a text in front of each value.")
}

fn definition() -> ConfigDef {
    ConfigDef::new([ConfigKey::new("prefix", ConfigType::String)
        .required()
        .importance(Importance::High)
        .doc("The text; white space at its ends does not count.")])
}

struct Prefix {
    prefix: String,
    changed: Counter,
}

impl Prefix {
    fn new(config: &Config) -> Result<Self> {
        Ok(Self { prefix: config.string("prefix")?.to_owned(), changed: Counter::default() })
    }
}

impl Transformation for Prefix {
    fn with_plugin_metrics(&mut self, metrics: &PluginMetrics) -> Result<()> {
        self.changed = metrics.counter("prefixed", "Records that got the text.", &[])?;
        Ok(())
    }

    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        // Tombstones pass unchanged.
        if record.value.value.is_null() {
            return Ok(record.into());
        }
        let Some(text) = record.value.value.as_str() else {
            return Err(Error::data("the value is no text: use the StringConverter"));
        };
        record.value = Datum::schemaless(format!("{}{text}", self.prefix));
        self.changed.add(1);
        Ok(record.into())
    }
}
