//! Texts with places for values: `Welcome back, {{profile.name | friend}}`.

use tributary_api::{Error, Result, Value};

use crate::expression::Schema;

/// The longest text of one value, in bytes: it may come from a browser.
const MAX_VALUE: usize = 200;
const MAX_FIELDS: usize = 16;
const ROOTS: [&str; 3] = ["event", "profile", "product"];

/// A text, parsed when its pack is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A field of one of the roots, and what is written when it has no value.
    Field {
        root: &'static str,
        path: String,
        otherwise: String,
    },
}

/// What templates are filled with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TemplateValues<'a> {
    pub(crate) event: &'a Value,
    pub(crate) profile: &'a Value,
    pub(crate) product: &'a Value,
}

impl Template {
    /// # Errors
    /// `Config` when a place is not closed, or names something unknown.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((place, behind)) = after.split_once("}}") else {
                return Err(Error::config("{{ is not closed: write {{profile.name}}"));
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(field(place)?);
            if parts.len() > 2 * MAX_FIELDS {
                return Err(Error::config(format!("there are more than {MAX_FIELDS} places for values")));
            }
            rest = behind;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Whether its fields are declared.
    pub(crate) fn check(&self, schema: &Schema) -> Result<()> {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(_) => Ok(()),
            Part::Field { root, path, .. } => schema.field(root, path).map(drop),
        })
    }

    pub(crate) fn uses_product(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Field { root: "product", .. }))
    }

    /// The text with its values. A value is text, a number or true and false; anything else counts as none.
    pub(crate) fn fill(&self, values: TemplateValues<'_>) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Field { root, path, otherwise } => {
                    let root = match *root {
                        "event" => values.event,
                        "profile" => values.profile,
                        _ => values.product,
                    };
                    match root.path(path).and_then(shown) {
                        Some(value) => text.push_str(&value),
                        None => text.push_str(otherwise),
                    }
                }
            }
        }
        text
    }
}

fn field(place: &str) -> Result<Part> {
    let (name, otherwise) = place.split_once('|').unwrap_or((place, ""));
    let unknown = || {
        let roots = ROOTS.join(", ");
        Error::config(format!(
            "{{{{{place}}}}} is unknown: write a field of one of {roots}, such as {{{{profile.name}}}}"
        ))
    };
    let (root, path) = name.trim().split_once('.').ok_or_else(unknown)?;
    let root = ROOTS.into_iter().find(|known| *known == root).ok_or_else(unknown)?;
    let plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
    if path.is_empty() || !path.chars().all(plain) {
        return Err(unknown());
    }
    Ok(Part::Field { root, path: path.to_owned(), otherwise: otherwise.trim().to_owned() })
}

/// A value as text: without control characters, and not too long.
fn shown(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) => text.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::Float32(_) | Value::Float64(_) => value.as_f64()?.to_string(),
        value => value.as_i64()?.to_string(),
    };
    let mut short = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if short.len() + c.len_utf8() > MAX_VALUE {
            break;
        }
        short.push(c);
    }
    Some(short)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tributary_api::json;

    use super::*;

    fn fill(template: &str) -> String {
        let profile =
            json::from_slice(br#"{"name":"Ann","tier":{"level":3},"empty":"","rate":2.5,"vip":true}"#).unwrap();
        let event = Value::map([("url", Value::string(format!("/a\n{}", "x".repeat(500))))]);
        let values = TemplateValues { event: &event, profile: &profile, product: &Value::Null };
        Template::parse(template).unwrap().fill(values)
    }

    #[test]
    fn values_are_put_in_and_missing_ones_have_a_substitute() {
        assert_eq!(fill("Hello {{profile.name}}!"), "Hello Ann!");
        assert_eq!(fill("{{ profile.tier.level }} {{profile.rate}} {{profile.vip}}"), "3 2.5 true");
        assert_eq!(fill("{{profile.none}}{{profile.empty | friend}}, {{product.title | this}}"), "friend, this");
        assert_eq!(fill("{{profile.tier}}"), "", "an object is no text");
        assert_eq!(fill(""), "");
        assert_eq!(fill("{{event.url}}").len(), 200);
        assert!(!fill("{{event.url}}").contains('\n'));
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        for wrong in ["{{profile.name", "{{name}}", "{{customer.name}}", "{{profile.}}", "{{profile.a b}}", "{{}}"] {
            let error = Template::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("profile.name"), "{wrong}: {error}");
        }
        assert!(Template::parse(&"{{profile.name}}".repeat(40)).unwrap_err().to_string().contains("more than"));
    }
}
