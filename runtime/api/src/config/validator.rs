use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::parsed::Parsed;
use super::wording::Problem;
use crate::JavaRegex;
use crate::java_regex::split_list;

/// What a value must be beyond its type.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Validator {
    /// Not below.
    AtLeast(i64),
    /// Within, both ends included.
    Between(i64, i64),
    /// One of these texts; for a list, each element.
    OneOf(Vec<String>),
    /// One of these texts in any case; for a list, each element.
    OneOfIgnoringCase(Vec<String>),
    /// Some text.
    NonEmpty,
    /// Some text without control characters: a name.
    Name,
    /// A name that a topic can have; for a list, each element.
    TopicName,
    /// A list of which no element is empty or comes twice.
    Distinct {
        /// Whether it may have no element.
        empty: bool,
    },
    /// A regular expression in Java's dialect: [`Config::regex`](super::Config::regex) has it compiled.
    Regex,
    /// Regular expressions in Java's dialect, separated by commas; a comma that is part of one is quoted by a
    /// backslash. [`Config::regexes`](super::Config::regexes) has them compiled. Of a `LIST` they are the elements.
    RegexList,
    /// The check is a function.
    Custom(CustomValidator),
}

/// A validator of an author's own.
#[derive(Clone)]
pub struct CustomValidator {
    description: String,
    check: Arc<Check>,
}

type Check = dyn Fn(&str) -> Result<(), String> + Send + Sync;

impl Validator {
    /// A validator of an author's own: what it allows, for the documentation, and a function that is given the text and
    /// answers why it is wrong. The answer must not quote a secret.
    ///
    /// ```
    /// use tributary_api::{ConfigDef, ConfigKey, ConfigType, Props, Validator};
    /// let even = Validator::custom("an even number", |text| match text.parse::<i64>() {
    ///     Ok(number) if number % 2 == 0 => Ok(()),
    ///     _ => Err("Value must be even".to_owned()),
    /// });
    /// let def = ConfigDef::new([ConfigKey::new("size", ConfigType::Int).validator(even)]);
    /// let error = def.parse(&Props::from([("size".to_owned(), "3".to_owned())])).unwrap_err();
    /// assert_eq!(error.to_string(), "Invalid value 3 for configuration size: Value must be even");
    /// ```
    pub fn custom(
        description: impl Into<String>,
        check: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self::Custom(CustomValidator { description: description.into(), check: Arc::new(check) })
    }

    /// Looks at a value, which is given as text too.
    pub(super) fn check(&self, value: &Parsed, text: &str) -> Result<(), Problem> {
        match (self, value) {
            (_, Parsed::Null) => Ok(()),
            (Self::AtLeast(min) | Self::Between(min, _), Parsed::Integer(number)) if number < min => {
                Err(Problem::Below(*min))
            }
            (Self::Between(_, max), Parsed::Integer(number)) if number > max => Err(Problem::Above(*max)),
            (Self::OneOf(allowed), value) => one_of(value, |text| allowed.iter().any(|one| one == text))
                .map_err(|()| Problem::NotOneOf { allowed: allowed.clone(), any_case: false }),
            (Self::OneOfIgnoringCase(allowed), value) => {
                one_of(value, |text| allowed.iter().any(|one| one.eq_ignore_ascii_case(text)))
                    .map_err(|()| Problem::NotOneOf { allowed: allowed.clone(), any_case: true })
            }
            (Self::NonEmpty, Parsed::Text(text)) if text.is_empty() => Err(Problem::Empty),
            (Self::Name, Parsed::Text(text)) if text.is_empty() => Err(Problem::EmptyName),
            (Self::Name, Parsed::Text(text)) if text.contains(is_control) => {
                Err(Problem::Control(text.chars().filter(|c| is_control(*c)).map(u32::from).collect()))
            }
            (Self::TopicName, Parsed::Text(text)) => topic_name(text),
            (Self::TopicName, Parsed::List(items)) => items.iter().try_for_each(|item| topic_name(item)),
            (Self::Distinct { empty }, Parsed::List(items)) => distinct(items, *empty),
            (Self::Regex, _) => match JavaRegex::compile(text.trim()) {
                Ok(_) => Ok(()),
                Err(error) => Err(Problem::Regex(error.to_string())),
            },
            (Self::RegexList, _) => {
                match split_list(text).iter().find_map(|pattern| JavaRegex::compile(pattern).err()) {
                    None => Ok(()),
                    Some(error) => Err(Problem::RegexList(error.to_string())),
                }
            }
            (Self::Custom(custom), _) => (custom.check)(text.trim()).map_err(Problem::Other),
            _ => Ok(()),
        }
    }
}

fn one_of(value: &Parsed, is_allowed: impl Fn(&str) -> bool) -> Result<(), ()> {
    let allowed = match value {
        Parsed::Text(text) => is_allowed(text),
        Parsed::List(items) => items.iter().all(|item| is_allowed(item)),
        _ => true,
    };
    if allowed { Ok(()) } else { Err(()) }
}

fn distinct(items: &[String], may_be_empty: bool) -> Result<(), Problem> {
    if items.is_empty() && !may_be_empty {
        return Err(Problem::NoElement);
    }
    if items.iter().collect::<HashSet<_>>().len() < items.len() {
        return Err(Problem::Duplicates);
    }
    if items.iter().any(String::is_empty) {
        return Err(Problem::EmptyElement);
    }
    Ok(())
}

/// The longest name that a topic can have, in bytes.
const MAX_TOPIC: usize = 249;

fn topic_name(name: &str) -> Result<(), Problem> {
    if name.is_empty() { Err(Problem::Empty) } else { check_topic_name(name).map_err(Problem::Other) }
}

/// Says what brokers refuse in the name of a topic, in their words. For validators of names in which something is replaced;
/// others are [`Validator::TopicName`].
///
/// ```
/// use tributary_api::{Validator, check_topic_name};
/// let of_connector = Validator::custom("a topic's name, in which ${connector} is replaced", |text| {
///     check_topic_name(&text.replace("${connector}", "c"))
/// });
/// ```
///
/// # Errors
/// What is wrong.
pub fn check_topic_name(name: &str) -> Result<(), String> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => Err("the name of a topic is empty".to_owned()),
        "." | ".." => Err(format!("'{name}' is not allowed as a topic name")),
        name if name.len() > MAX_TOPIC => {
            Err(format!("the length of a topic name is longer than the max allowed length {MAX_TOPIC}"))
        }
        name if !name.chars().all(is_legal) => Err(format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-', which a topic name \
             may not have"
        )),
        _ => Ok(()),
    }
}

/// As Java's `Character.isISOControl`.
fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}')
}

/// The allowed values, as shown in a property's documentation.
impl fmt::Display for CustomValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

impl fmt::Debug for CustomValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomValidator({self})")
    }
}

impl PartialEq for CustomValidator {
    fn eq(&self, other: &Self) -> bool {
        self.description == other.description && Arc::ptr_eq(&self.check, &other.check)
    }
}
