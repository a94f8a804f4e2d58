use std::sync::Arc;

use tributary_api::{
    ConfigDef, ConfigKey, ConfigType, Factory, Importance, JavaRegex, KAFKA_VERSION, Plugin, Predicate, Record, Result,
    Topic, Validator,
};

const PATTERN: &str = "pattern";

pub(crate) fn plugin() -> Plugin {
    let config = ConfigDef::new([ConfigKey::new(PATTERN, ConfigType::String)
        .required()
        .validator(Validator::NonEmpty)
        .importance(Importance::Medium)
        .doc("A Java regular expression that the whole name of the record's topic must match.")]);
    let factory = Factory::Predicate(Arc::new(|config| {
        let regex = JavaRegex::new(PATTERN, config.string(PATTERN)?)?;
        Ok(Box::new(TopicNameMatches { regex, last: None }))
    }));
    Plugin::new("org.apache.kafka.connect.transforms.predicates.TopicNameMatches", KAFKA_VERSION, config, factory)
        .doc("Holds for records of topics whose names match.")
}

struct TopicNameMatches {
    regex: JavaRegex,
    /// The records of a batch share their topic.
    last: Option<(Topic, bool)>,
}

impl Predicate for TopicNameMatches {
    fn test(&mut self, record: &Record) -> Result<bool> {
        if let Some((topic, matches)) = &self.last
            && Arc::ptr_eq(topic, &record.topic)
        {
            return Ok(*matches);
        }
        let matches = self.regex.matches(&record.topic)?;
        self.last = Some((record.topic.clone(), matches));
        Ok(matches)
    }
}
