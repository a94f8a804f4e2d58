use std::sync::Arc;

use tributary_api::{
    ConfigDef, ConfigKey, ConfigType, Factory, Importance, KAFKA_VERSION, Plugin, Predicate, Record, Result, Validator,
};

const NAME: &str = "name";

pub(crate) fn plugin() -> Plugin {
    let config = ConfigDef::new([ConfigKey::new(NAME, ConfigType::String)
        .required()
        .validator(Validator::NonEmpty)
        .importance(Importance::Medium)
        .doc("The name of the header.")]);
    let factory = Factory::Predicate(Arc::new(|config| {
        let name = config.string(NAME)?.to_owned();
        Ok(Box::new(HasHeaderKey { name }))
    }));
    Plugin::new("org.apache.kafka.connect.transforms.predicates.HasHeaderKey", KAFKA_VERSION, config, factory)
        .doc("Holds for records with at least one header of the name.")
}

struct HasHeaderKey {
    name: String,
}

impl Predicate for HasHeaderKey {
    fn test(&mut self, record: &Record) -> Result<bool> {
        Ok(record.headers.last(&self.name).is_some())
    }
}
