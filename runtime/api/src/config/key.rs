use serde::{Deserialize, Serialize};

/// The type of a property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
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
    /// Texts divided by commas.
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
    /// Think about it.
    High,
    /// Know about it.
    Medium,
    /// Leave it.
    Low,
}

/// How wide a form's field should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Width {
    /// Not said.
    None,
    /// A word.
    Short,
    /// A few words.
    Medium,
    /// A line.
    Long,
}

/// What holds when a property is not given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Default {
    /// Nothing: it must be given.
    Required,
    /// Null.
    Null,
    /// This text, parsed as if given.
    Value(String),
}

/// What a value must be beyond its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Validator {
    /// Not below.
    AtLeast(i64),
    /// Within, both ends included.
    Between(i64, i64),
    /// One of these texts; for a list, each element.
    OneOf(Vec<String>),
    /// One of these texts in any case.
    OneOfIgnoringCase(Vec<String>),
    /// Some text.
    NonEmpty,
    /// Some text without control characters: a name.
    Name,
    /// A list of which no element is empty or comes twice.
    Distinct {
        /// Whether it may have no element.
        empty: bool,
    },
}

/// One property. Built by chaining; a new one is an optional `MEDIUM` without a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConfigKey {
    /// The name.
    pub name: String,
    /// The type.
    pub kind: ConfigType,
    /// What holds when it is not given.
    pub default: Default,
    /// What it must be beyond its type.
    pub validator: Option<Validator>,
    /// How much it matters.
    pub importance: Importance,
    /// What it does: the text of the generated documentation.
    pub documentation: String,
    /// The heading it stands under.
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
}

impl ConfigKey {
    /// A property of a type.
    pub fn new(name: impl Into<String>, kind: ConfigType) -> Self {
        let name = name.into();
        Self {
            display_name: name.clone(),
            name,
            kind,
            default: Default::Null,
            validator: None,
            importance: Importance::Medium,
            documentation: String::new(),
            group: None,
            order: -1,
            width: Width::None,
            dependents: Vec::new(),
            internal: false,
        }
    }

    /// It must be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.default = Default::Required;
        self
    }

    /// What holds when it is not given.
    #[must_use]
    pub fn default(mut self, value: impl ToString) -> Self {
        self.default = Default::Value(value.to_string());
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

    /// The heading it stands under; the order comes from the order of definition unless set.
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

    /// Whether the value is never shown.
    pub fn is_secret(&self) -> bool {
        self.kind == ConfigType::Password
    }
}
