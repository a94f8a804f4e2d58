use super::{ConfigKey, ConfigType, Validator};

/// Whose words say what is wrong with a value: clients match them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wording {
    /// Those of Kafka's `ConfigDef`.
    #[default]
    Kafka,
    /// Those of Debezium's connectors: `The 'snapshot.mode' value is invalid: Value must be one of always, initial`.
    Debezium,
}

/// What is wrong with a value.
#[derive(Debug)]
pub(super) enum Problem {
    Missing,
    Type,
    LongList(usize),
    Below(i64),
    Above(i64),
    NotOneOf { allowed: Vec<String>, any_case: bool },
    Empty,
    EmptyName,
    Control(Vec<u32>),
    NoElement,
    Duplicates,
    EmptyElement,
    Regex(String),
    RegexList(String),
    Other(String),
}

/// How much of a value a message quotes, in bytes: the error follows it.
const MAX_SHOWN_BYTES: usize = 1024;

impl Problem {
    /// The whole message: of the property by this name, whose value is shown so.
    pub(super) fn message(&self, key: &ConfigKey, name: &str, shown: &str) -> String {
        match key.wording {
            Wording::Kafka => self.kafka(key, name, shown),
            Wording::Debezium => format!("The '{name}' value is invalid: {}", self.debezium(key)),
        }
    }

    fn kafka(&self, key: &ConfigKey, name: &str, shown: &str) -> String {
        let reason = match self {
            Self::Missing => return format!("Missing required configuration \"{name}\" which has no default value."),
            Self::NoElement => {
                return format!("Configuration '{name}' must not be empty. Valid values include: any non-empty value");
            }
            Self::Duplicates => return format!("Configuration '{name}' values must not be duplicated."),
            Self::EmptyElement => return format!("Configuration '{name}' values must not be empty."),
            Self::Type if key.kind == ConfigType::Boolean => "Expected value to be either true or false".to_owned(),
            Self::Type => format!("Not a number of type {}", key.kind.name()),
            Self::LongList(most) => format!("A list may have {most} elements at the most"),
            Self::Below(min) => format!("Value must be at least {min}"),
            Self::Above(max) => format!("Value must be no more than {max}"),
            Self::NotOneOf { allowed, any_case: false } => format!("String must be one of: {}", allowed.join(", ")),
            Self::NotOneOf { allowed, any_case: true } => {
                format!("String must be one of (case insensitive): {}", allowed.join(", "))
            }
            Self::Empty => "String must be non-empty".to_owned(),
            Self::EmptyName => "String may not be empty".to_owned(),
            Self::Control(found) => {
                let found: Vec<String> = found.iter().map(u32::to_string).collect();
                let message = "String may not contain control sequences but had the following ASCII chars:";
                format!("{message} {}", found.join(", "))
            }
            Self::Regex(error) => format!("Invalid regex: {error}"),
            Self::RegexList(error) => format!("Invalid regex in the list: {error}"),
            Self::Other(reason) => reason.clone(),
        };
        let end = shown.floor_char_boundary(MAX_SHOWN_BYTES);
        let cut = if end < shown.len() { "..." } else { "" };
        format!("Invalid value {}{cut} for configuration {name}: {reason}", &shown[..end])
    }

    fn debezium(&self, key: &ConfigKey) -> String {
        let long = key.kind == ConfigType::Long;
        let text = match self {
            Self::Missing | Self::Empty | Self::EmptyName | Self::NoElement => "A value is required",
            // A value that must be positive gets the same message as one that is not a number.
            Self::Type | Self::Below(_) if matches!(key.validator, Some(Validator::AtLeast(1))) => match long {
                true => "A positive, non-zero long value is expected",
                false => "A positive, non-zero integer value is expected",
            },
            Self::Type | Self::Below(_) if matches!(key.validator, Some(Validator::AtLeast(0))) => match long {
                true => "A non-negative long value is expected",
                false => "An non-negative integer is expected",
            },
            Self::Type => match key.kind {
                ConfigType::Boolean => "Either 'true' or 'false' is expected",
                ConfigType::Short => "A short value is expected",
                ConfigType::Long => "A long value is expected",
                ConfigType::Double => "A double value is expected",
                _ => "An integer is expected",
            },
            Self::Regex(error) => return format!("A valid regular expressions is expected, but {error}"),
            Self::RegexList(error) => {
                return format!("A comma-separated list of valid regular expressions is expected, but {error}");
            }
            Self::LongList(most) => return format!("A list may have {most} elements at the most"),
            Self::Below(min) => return format!("Value must be at least {min}"),
            Self::Above(max) => return format!("Value must be no more than {max}"),
            Self::NotOneOf { allowed, .. } => return format!("Value must be one of {}", allowed.join(", ")),
            Self::Control(_) => "A value without control characters is expected",
            Self::Duplicates => "Values must not be duplicated",
            Self::EmptyElement => "Values must not be empty",
            Self::Other(reason) => reason,
        };
        text.to_owned()
    }
}
