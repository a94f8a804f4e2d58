use fancy_regex::Regex;
use tributary_api::{ConfigDef, ConfigIssue, ConfigKey, ConfigType, Props, list_items};
use tributary_kafka::NewTopic;

use super::input_topics::whole_match;
use crate::settings::with_prefix;

/// The rules of `topic.creation.*`.
#[derive(Clone, Debug)]
pub(crate) struct TopicRules {
    groups: Vec<Group>,
    default: TopicSettings,
}

#[derive(Clone, Debug)]
struct Group {
    include: Vec<Regex>,
    exclude: Vec<Regex>,
    settings: TopicSettings,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct TopicSettings {
    partitions: i32,
    replication: i32,
    config: Props,
}

impl TopicRules {
    /// Reads the rules; none when the connector has no such property. On the embedded broker, which is one machine, every
    /// topic has one replica.
    ///
    /// In Java Connect `/validate` does not check these rules; there a connector fails when it starts.
    pub(crate) fn parse(props: &Props, embedded: bool, issues: &mut Vec<ConfigIssue>) -> Option<Self> {
        if !props.keys().any(|name| name.starts_with("topic.creation.")) {
            return None;
        }
        let mut default = TopicSettings::parse(props, "default", None, issues);
        let names = list_items(props, "topic.creation.groups").filter(|name| *name != "default");
        let mut groups: Vec<Group> = names.map(|name| Group::parse(props, name, &default, issues)).collect();
        if embedded {
            default.replication = 1;
            groups.iter_mut().for_each(|group| group.settings.replication = 1);
        }
        Some(Self { groups, default })
    }

    /// The settings of a new topic: those of the first group that includes it, otherwise the default group's.
    pub(crate) fn describe(&self, topic: &str) -> NewTopic {
        let settings =
            self.groups.iter().find(|group| group.wants(topic)).map_or(&self.default, |group| &group.settings);
        NewTopic {
            name: topic.to_owned(),
            partitions: settings.partitions,
            replication: settings.replication,
            config: settings.config.clone(),
        }
    }
}

impl Group {
    /// As in Connect, a group that includes no topic has no effect and is no error.
    fn parse(props: &Props, name: &str, default: &TopicSettings, issues: &mut Vec<ConfigIssue>) -> Self {
        let mut patterns = |kind: &str| -> Vec<Regex> {
            let property = format!("topic.creation.{name}.{kind}");
            let mut read = Vec::new();
            for pattern in list_items(props, &property) {
                match whole_match(pattern) {
                    Ok(pattern) => read.push(pattern),
                    Err(reason) => {
                        issues.push(fault(&property, props, &format!("Syntax error in regular expression: {reason}")))
                    }
                }
            }
            read
        };
        let (include, exclude) = (patterns("include"), patterns("exclude"));
        Self { include, exclude, settings: TopicSettings::parse(props, name, Some(default), issues) }
    }

    fn wants(&self, topic: &str) -> bool {
        let any = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(topic).unwrap_or(false));
        any(&self.include) && !any(&self.exclude)
    }
}

impl TopicSettings {
    fn parse(props: &Props, group: &str, default: Option<&Self>, issues: &mut Vec<ConfigIssue>) -> Self {
        let prefix = format!("topic.creation.{group}.");
        let mut number = |name: &str, kind: ConfigType, inherited: Option<i32>, rule: &str| {
            let property = format!("{prefix}{name}");
            let key = ConfigKey::new(&property, kind);
            let key = inherited.map_or_else(|| key.clone().required(), |inherited| key.clone().default(inherited));
            let parsed = ConfigDef::new([key]).parse(props).and_then(|config| config.int::<i32>(&property));
            match parsed {
                Ok(number) if number == -1 || number >= 1 => return number,
                Ok(_) => issues.push(fault(&property, props, rule)),
                Err(error) => issues.push(ConfigIssue::new(&property, error.to_string())),
            }
            -1
        };
        let replication = number(
            "replication.factor",
            ConfigType::Short,
            default.map(|default| default.replication),
            "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to \
             use the broker's default",
        );
        let partitions = number(
            "partitions",
            ConfigType::Int,
            default.map(|default| default.partitions),
            "Number of partitions must be positive, or -1 to use the broker's default",
        );
        let mut config = with_prefix(props, &prefix);
        config.retain(|name, _| !["include", "exclude", "partitions", "replication.factor"].contains(&name.as_str()));
        Self { partitions, replication, config }
    }
}

fn fault(property: &str, props: &Props, reason: &str) -> ConfigIssue {
    let shown = props.get(property).map_or("", |value| value.trim());
    ConfigIssue::new(property, format!("Invalid value {shown} for configuration {property}: {reason}"))
}
