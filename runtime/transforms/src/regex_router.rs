use std::collections::HashMap;
use std::sync::Arc;

use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Factory, Importance, JavaRegex, JavaReplacement, KAFKA_VERSION, Plugin,
    Record, Records, Result, Topic, TransformContext, Transformation,
};

const REGEX: &str = "regex";
const REPLACEMENT: &str = "replacement";

/// More topics than this in one task are not remembered.
const REMEMBERED: usize = 10_000;

pub(crate) fn plugin() -> Plugin {
    let config = ConfigDef::new([
        ConfigKey::new(REGEX, ConfigType::String)
            .required()
            .importance(Importance::High)
            .doc("A Java regular expression that the whole name of a topic must match."),
        ConfigKey::new(REPLACEMENT, ConfigType::String)
            .required()
            .importance(Importance::High)
            .doc("The new name; $1 is replaced by the first group of the match."),
    ]);
    let factory = Factory::Transformation(Arc::new(|config| Ok(Box::new(RegexRouter::new(config)?))));
    Plugin::new("org.apache.kafka.connect.transforms.RegexRouter", KAFKA_VERSION, config, factory)
        .doc("Sends records to another topic, whose name is made from the old one.")
}

struct RegexRouter {
    regex: JavaRegex,
    replacement: JavaReplacement,
    /// The last topic and its new name: the records of a batch share it.
    last: Option<(Topic, Topic)>,
    known: HashMap<Topic, Topic>,
}

impl RegexRouter {
    fn new(config: &Config) -> Result<Self> {
        let regex = JavaRegex::new(REGEX, config.string(REGEX)?)?;
        let replacement = regex.replacement(REPLACEMENT, config.string(REPLACEMENT)?)?;
        Ok(Self { regex, replacement, last: None, known: HashMap::new() })
    }

    fn route(&mut self, topic: &Topic) -> Result<Topic> {
        if let Some((last, routed)) = &self.last
            && Arc::ptr_eq(last, topic)
        {
            return Ok(routed.clone());
        }
        let routed = match self.known.get(topic) {
            Some(routed) => routed.clone(),
            None => {
                let routed = self.regex.replace(topic, &self.replacement)?;
                let routed = routed.map_or_else(|| topic.clone(), Topic::from);
                if self.known.len() < REMEMBERED {
                    self.known.insert(topic.clone(), routed.clone());
                }
                routed
            }
        };
        self.last = Some((topic.clone(), routed.clone()));
        Ok(routed)
    }
}

impl Transformation for RegexRouter {
    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        record.topic = self.route(&record.topic)?;
        Ok(record.into())
    }
}
