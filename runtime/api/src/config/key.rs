use serde::{Deserialize, Serialize};

use super::dependent::Recommender;
use super::pattern::NamePattern;
use super::{Config, Recommendation, Validator, Wording};

/// The type of a property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// 32 bits.
    Int,
    /// 16 bits.
    Short,
    /// 64 bits.
    Long,
    /// A double.
    Double,
    /// Texts separated by commas.
    List,
    /// The name of a plugin.
    Class,
    /// Text that is never shown.
    Password,
}

impl ConfigType {
    /// The name that REST shows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// How much a property matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Importance {
    /// Most users have to decide on it.
    High,
    /// Some users have to decide on it.
    Medium,
    /// The default suits nearly everybody.
    Low,
}

/// How wide a form's field should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Width {
    /// Not set.
    None,
    /// A word.
    Short,
    /// A few words.
    Medium,
    /// A line.
    Long,
}

/// What holds when a property is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// Nothing: it must be given.
    Required,
    /// Null.
    Null,
    /// This text, parsed as if given.
    Value(String),
}

/// Which names a key matches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyNames {
    /// Its own.
    Own,
    /// All that begin with this.
    Begin(String),
    /// All that match this regular expression as a whole.
    Match(String),
}

/// One property. Built by chaining; a new one is an optional `MEDIUM` without a default.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfigKey {
    /// The name.
    pub name: String,
    /// The type.
    pub kind: ConfigType,
    /// What holds when it is not given.
    pub default: DefaultValue,
    /// What it must be beyond its type.
    pub validator: Option<Validator>,
    /// How much it matters.
    pub importance: Importance,
    /// What it does: the text of the generated documentation.
    pub documentation: String,
    /// The group in which it is shown.
    pub group: Option<String>,
    /// The place under the heading, from 1; -1 without a group.
    pub order: i32,
    /// How wide a form's field should be.
    pub width: Width,
    /// The name that a form shows.
    pub display_name: String,
    /// Properties whose values depend on this one.
    pub dependents: Vec<String>,
    /// Whether it is left out of documentation and `/validate`.
    pub internal: bool,
    /// Names from before, which are read where this one is not given, the first of them first.
    pub deprecated_names: Vec<String>,
    /// Values from before, in any case, and what each is read as.
    pub deprecated_values: Vec<(String, String)>,
    /// Whose words say what is wrong with a value.
    pub wording: Wording,
    pub(super) pattern: Option<NamePattern>,
    pub(super) recommender: Option<Recommender>,
}

impl ConfigKey {
    /// A property of a type.
    pub fn new(name: impl Into<String>, kind: ConfigType) -> Self {
        let name = name.into();
        Self {
            display_name: name.clone(),
            name,
            kind,
            default: DefaultValue::Null,
            validator: None,
            importance: Importance::Medium,
            documentation: String::new(),
            group: None,
            order: -1,
            width: Width::None,
            dependents: Vec::new(),
            internal: false,
            deprecated_names: Vec::new(),
            deprecated_values: Vec::new(),
            wording: Wording::default(),
            pattern: None,
            recommender: None,
        }
    }

    /// It must be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.default = DefaultValue::Required;
        self
    }

    /// What holds when it is not given.
    #[must_use]
    pub fn default(mut self, value: impl ToString) -> Self {
        self.default = DefaultValue::Value(value.to_string());
        self
    }

    /// What it must be beyond its type.
    #[must_use]
    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    /// One of these texts.
    #[must_use]
    pub fn one_of(self, values: &[&str]) -> Self {
        self.validator(Validator::OneOf(values.iter().map(|&value| value.to_owned()).collect()))
    }

    /// One of these texts in any case, which a form offers. [`Config::choice`] reads it.
    #[must_use]
    pub fn enumeration(self, values: &[&str]) -> Self {
        let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        let offered = values.clone();
        let key = self.validator(Validator::OneOfIgnoringCase(values));
        key.recommender(move |_| Recommendation::values(offered.clone()))
    }

    /// What a form should offer, from the values of all properties. What did not parse is null there.
    ///
    /// ```
    /// use tributary_api::{ConfigDef, ConfigKey, ConfigType, Props, Recommendation};
    /// let def = ConfigDef::new([
    ///     ConfigKey::new("tls", ConfigType::Boolean).default(false).dependents(&["tls.version"]),
    ///     ConfigKey::new("tls.version", ConfigType::String).recommender(|config| match config.boolean("tls") {
    ///         Ok(true) => Recommendation::values(["1.2", "1.3"]),
    ///         _ => Recommendation::visible(false),
    ///     }),
    /// ]);
    /// assert!(!def.validate(&Props::new())[1].visible);
    /// let shown = def.validate(&Props::from([("tls".to_owned(), "true".to_owned())]));
    /// assert_eq!(shown[1].recommended_values, ["1.2", "1.3"]);
    /// ```
    #[must_use]
    pub fn recommender(mut self, recommend: impl Fn(&Config) -> Recommendation + Send + Sync + 'static) -> Self {
        self.recommender = Some(Recommender::new(recommend));
        self
    }

    /// The key defines every property whose whole name matches this regular expression in Java's dialect, each with a
    /// value of this type; its own name is only shown. [`Config::matching`] returns those that are set, except
    /// properties with their own definition. There is no default, and none is required.
    #[must_use]
    pub fn name_matches(mut self, pattern: &str) -> Self {
        self.pattern = Some(NamePattern::regex(pattern));
        self
    }

    /// As [`name_matches`](Self::name_matches), for every property whose name begins with a prefix, such as settings
    /// passed to a driver.
    #[must_use]
    pub fn name_begins(mut self, prefix: &str) -> Self {
        self.pattern = Some(NamePattern::prefix(prefix));
        self
    }

    /// A name from before: it is read where this one is not given, and the worker warns of it.
    #[must_use]
    pub fn deprecated_name(mut self, name: impl Into<String>) -> Self {
        self.deprecated_names.push(name.into());
        self
    }

    /// A value from before, in any case: it is read as another one, and the worker warns of it.
    #[must_use]
    pub fn deprecated_value(mut self, value: impl Into<String>, read_as: impl Into<String>) -> Self {
        self.deprecated_values.push((value.into(), read_as.into()));
        self
    }

    /// The wording of error messages; Kafka's unless set.
    #[must_use]
    pub fn wording(mut self, wording: Wording) -> Self {
        self.wording = wording;
        self
    }

    /// How much it matters.
    #[must_use]
    pub fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    /// What it does.
    #[must_use]
    pub fn doc(mut self, documentation: impl Into<String>) -> Self {
        self.documentation = documentation.into();
        self
    }

    /// The group in which it is shown; the order is that of definition unless set.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// The place under the heading.
    #[must_use]
    pub fn order(mut self, order: i32) -> Self {
        self.order = order;
        self
    }

    /// How wide a form's field should be.
    #[must_use]
    pub fn width(mut self, width: Width) -> Self {
        self.width = width;
        self
    }

    /// The name that a form shows.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = name.into();
        self
    }

    /// Properties whose values depend on this one.
    #[must_use]
    pub fn dependents(mut self, names: &[&str]) -> Self {
        self.dependents = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Left out of documentation and `/validate`.
    #[must_use]
    pub fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Which names it matches.
    pub fn names(&self) -> KeyNames {
        self.pattern.as_ref().map_or(KeyNames::Own, NamePattern::names)
    }

    /// Whether the value is never shown.
    pub fn is_secret(&self) -> bool {
        self.kind == ConfigType::Password
    }
}
