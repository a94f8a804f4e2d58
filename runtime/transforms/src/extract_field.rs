use std::sync::Arc;

use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, Factory, Importance, KAFKA_VERSION, Plugin, Record,
    Records, Result, SchemaType, TransformContext, Transformation, Validator, Value,
};

use crate::support::{REPLACE_NULL, Side, field_value, replace_null_key};

const FIELD: &str = "field";
const SYNTAX: &str = "field.syntax.version";

pub(crate) fn plugins() -> [Plugin; 2] {
    Side::BOTH.map(|side| {
        let config = ConfigDef::new([
            ConfigKey::new(FIELD, ConfigType::String)
                .required()
                .importance(Importance::Medium)
                .doc("The field that replaces the whole."),
            ConfigKey::new(SYNTAX, ConfigType::String)
                .default("V1")
                .validator(Validator::OneOfIgnoringCase(["V1", "V2"].map(str::to_owned).to_vec()))
                .importance(Importance::High)
                .doc(
                    "V1: the field's name. V2: a path of names separated by dots; a name with a dot is written in \
                      backticks.",
                ),
            replace_null_key(),
        ]);
        let make = move |config: &Config| ExtractField::new(side, config);
        let factory = Factory::Transformation(Arc::new(move |config| Ok(Box::new(make(config)?))));
        Plugin::new(side.class("org.apache.kafka.connect.transforms.ExtractField"), KAFKA_VERSION, config, factory)
            .doc("Replaces the whole key or value by one of its fields; null stays null.")
    })
}

struct ExtractField {
    side: Side,
    /// As it is configured, for messages.
    field: String,
    path: Vec<String>,
    replace_null: bool,
}

impl ExtractField {
    fn new(side: Side, config: &Config) -> Result<Self> {
        let field = config.string(FIELD)?.to_owned();
        let path =
            if config.string(SYNTAX)?.eq_ignore_ascii_case("V2") { parse_path(&field)? } else { vec![field.clone()] };
        Ok(Self { side, field, path, replace_null: config.boolean(REPLACE_NULL)? })
    }

    fn of_map(&self, datum: Datum) -> Result<Datum> {
        let mut value = datum.value;
        for (depth, name) in self.path.iter().enumerate() {
            value = match value {
                Value::Map(entries) => {
                    let found = entries.into_iter().find(|(key, _)| key.as_str() == Some(name));
                    found.map(|(_, value)| value).unwrap_or_default()
                }
                Value::Null => return Ok(Datum::NULL),
                other => {
                    let purpose = if depth == 0 { "field extraction" } else { "nested field access" };
                    let message = "Only Map objects supported in absence of schema for";
                    return Err(Error::data(format!("{message} [{purpose}], found: {}", other.java_class())));
                }
            };
        }
        Ok(Datum::schemaless(value))
    }

    fn of_struct(&self, datum: Datum) -> Result<Datum> {
        if !matches!(datum.value, Value::Struct(_) | Value::Null) {
            let class = datum.value.java_class();
            let message = "Only Struct objects supported for [field extraction], found:";
            return Err(Error::data(format!("{message} {class}")));
        }
        let unknown = || {
            let error = Error::data(format!("Unknown field: {}", self.field));
            error.with_class("java.lang.IllegalArgumentException")
        };
        let (mut schema, mut value) = (datum.schema.ok_or_else(unknown)?, datum.value);
        for name in &self.path {
            if schema.kind != SchemaType::Struct {
                return Err(Error::data("Cannot look up fields on non-struct type"));
            }
            let index = schema.field_index(name).ok_or_else(unknown)?;
            schema = schema.fields[index].schema.clone();
            value = match value {
                Value::Struct(object) => {
                    let found = object.into_parts().1.swap_remove(index);
                    field_value(&schema, found, self.replace_null)
                }
                _ => Value::Null,
            };
        }
        Ok(Datum { schema: Some(schema), value })
    }
}

impl Transformation for ExtractField {
    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        let side = self.side.of(&mut record);
        let datum = std::mem::take(side);
        *side = if datum.schema.is_some() { self.of_struct(datum)? } else { self.of_map(datum)? };
        Ok(record.into())
    }
}

/// Splits a path at its dots. A name with dots is enclosed in backticks; a backtick within it has a backslash before it
/// when a dot or the end follows.
fn parse_path(path: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = path;
    loop {
        let (name, behind) = match rest.strip_prefix('`') {
            Some(quoted) => quoted_name(path, quoted)?,
            None => match rest.split_once('.') {
                Some((name, behind)) => (name.to_owned(), Some(behind)),
                None => (rest.to_owned(), None),
            },
        };
        names.push(name);
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(names),
        }
    }
}

/// A name up to its closing backtick, and the rest after the following dot.
fn quoted_name<'a>(path: &str, quoted: &'a str) -> Result<(String, Option<&'a str>)> {
    let mut name = String::new();
    for (index, c) in quoted.char_indices() {
        let behind = &quoted[index + c.len_utf8()..];
        let closes = c == '`' && (behind.is_empty() || behind.starts_with('.'));
        if closes && name.ends_with('\\') {
            name.pop();
        } else if closes {
            return Ok((name, behind.strip_prefix('.')));
        }
        name.push(c);
    }
    Err(Error::config_at(
        FIELD,
        format!("a backtick is not closed in {FIELD} {path}: close it before a dot or the end"),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::parse_path;

    #[test]
    fn paths_are_divided_at_dots_outside_backticks() {
        assert_eq!(parse_path("a.b.c").unwrap(), ["a", "b", "c"]);
        assert_eq!(parse_path("a").unwrap(), ["a"]);
        assert_eq!(parse_path("`a.b`.c").unwrap(), ["a.b", "c"]);
        assert_eq!(parse_path("a.`b.c`").unwrap(), ["a", "b.c"]);
        assert_eq!(parse_path("a`b.c").unwrap(), ["a`b", "c"]);
        assert_eq!(parse_path(r"`a\`.b`.c").unwrap(), ["a`.b", "c"]);
        assert!(parse_path("`a.b").is_err());
    }
}
