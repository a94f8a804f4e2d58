use std::sync::Arc;

use fancy_regex::Regex;
use tributary_api::{ConfigIssue, Props, list_items};

/// What a sink or a processor reads.
#[derive(Clone, Debug)]
pub(crate) enum InputTopics {
    /// `topics`.
    Topics(Vec<String>),
    /// Every topic whose whole name matches `topics.regex`.
    Matching(Arc<Regex>),
}

impl InputTopics {
    /// Reads `topics` or `topics.regex`. Returns none and adds an issue when they are missing or wrong.
    pub(crate) fn parse(props: &Props, issues: &mut Vec<ConfigIssue>) -> Option<Self> {
        let given = |name: &str| props.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let mut both = |message: &str| {
            issues.extend(["topics", "topics.regex"].map(|name| ConfigIssue::new(name, message)));
            None
        };
        match (given("topics"), given("topics.regex")) {
            (Some(_), None) => Some(Self::Topics(list_items(props, "topics").map(str::to_owned).collect())),
            (None, Some(pattern)) => match whole_match(pattern) {
                Ok(pattern) => Some(Self::Matching(Arc::new(pattern))),
                Err(reason) => {
                    let message =
                        format!("Invalid value {pattern} for configuration topics.regex: Invalid regex: {reason}");
                    issues.push(ConfigIssue::new("topics.regex", message));
                    None
                }
            },
            (None, None) => both("Must configure one of topics or topics.regex"),
            (Some(_), Some(_)) => both("topics and topics.regex are mutually exclusive options, but both are set."),
        }
    }
}

/// Why a processor cannot use a pattern: all its topics must have the same number of partitions, one for each partition
/// of its state.
pub(super) const BY_NAME: &str = "a processor reads the topics that are named in topics: topics.regex is for sinks";

/// A pattern that must match the whole name, as Java's `matches` does.
///
/// # Errors
/// When it is not a regular expression.
pub(super) fn whole_match(pattern: &str) -> Result<Regex, fancy_regex::Error> {
    Regex::new(&format!(r"\A(?:{pattern})\z"))
}
