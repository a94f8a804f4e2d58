//! The tables of an incremental snapshot, as they are written in signals and in offsets.

use fancy_regex::Regex;
use serde_json::{Value, json};
use tributary_api::{Error, Result};

use crate::sql::quoted_table;
use crate::table::TableId;

const ID: &str = "incremental_snapshot_collections_id";
const CONDITION: &str = "incremental_snapshot_collections_additional_condition";
const SURROGATE: &str = "incremental_snapshot_collections_surrogate_key";

/// A table to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Collection {
    pub(crate) id: TableId,
    /// The condition for its rows, in parentheses; `None`: all rows.
    pub(crate) condition: Option<String>,
    /// The column to read it by instead of its key.
    pub(crate) surrogate: Option<String>,
}

/// What a signal asks to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// Names of tables, or regular expressions that match them.
    pub(crate) collections: Vec<String>,
    /// Regular expressions for tables, each with a condition for the rows.
    pub(crate) conditions: Vec<(String, String)>,
    pub(crate) surrogate: Option<String>,
}

impl Request {
    /// The tables that the signal selects among the known ones.
    ///
    /// # Errors
    /// If a regular expression is invalid.
    pub(crate) fn resolve<'a>(&self, known: impl Iterator<Item = &'a TableId>) -> Result<Vec<Collection>> {
        let names = expanded(&self.collections, known)?;
        let mut collections = Vec::with_capacity(names.len());
        for name in names {
            let Some(id) = parse_id(&name) else {
                tracing::warn!(name, "a table of a signal is left out: write it as database.schema.table");
                continue;
            };
            let mut condition = None;
            for (pattern, text) in &self.conditions {
                if condition.is_none() && matches_whole(pattern, &name, true)? && !text.is_empty() {
                    // Parentheses keep the condition's own operators together.
                    condition = Some(format!("({text})"));
                }
            }
            collections.push(Collection { id, condition, surrogate: self.surrogate.clone() });
        }
        Ok(collections)
    }
}

/// The known tables that match the names, each once. A name without a match is taken as the name of a table.
pub(crate) fn expanded<'a>(names: &[String], known: impl Iterator<Item = &'a TableId>) -> Result<Vec<String>> {
    let mut known: Vec<String> = known.map(ToString::to_string).collect();
    known.sort();
    let mut expanded: Vec<String> = Vec::new();
    for name in names {
        let mut fitting = Vec::new();
        for id in &known {
            if matches_whole(name, id, false)? {
                fitting.push(id.clone());
            }
        }
        if fitting.is_empty() {
            fitting.push(name.clone());
        }
        fitting.retain(|id| !expanded.contains(id));
        expanded.extend(fitting);
    }
    Ok(expanded)
}

/// Whether a regular expression matches a whole name.
pub(crate) fn matches_whole(pattern: &str, name: &str, any_case: bool) -> Result<bool> {
    let flag = if any_case { "i" } else { "" };
    let regex = Regex::new(&format!("^(?{flag}:{pattern})$"));
    let regex = regex.map_err(|error| Error::data(format!("{pattern:?} is no regular expression")).cause(&error))?;
    Ok(regex.is_match(name).unwrap_or(false))
}

/// Splits a name into database, schema and table, each of which may be in brackets or in quotation marks.
pub(crate) fn parse_id(name: &str) -> Option<TableId> {
    let mut parts = vec![String::new()];
    let mut closing = None;
    let mut characters = name.trim().chars().peekable();
    while let Some(c) = characters.next() {
        let part = parts.last_mut()?;
        match (c, closing) {
            (c, Some(end)) if c == end => {
                if characters.peek() == Some(&end) {
                    part.push(c);
                    characters.next();
                } else {
                    closing = None;
                }
            }
            (c, Some(_)) => part.push(c),
            ('[', None) if part.is_empty() => closing = Some(']'),
            ('"', None) if part.is_empty() => closing = Some('"'),
            ('.', None) => parts.push(String::new()),
            (c, None) => part.push(c),
        }
    }
    let [database, schema, table] = <[String; 3]>::try_from(parts).ok()?;
    let complete = closing.is_none() && ![&database, &schema, &table].into_iter().any(String::is_empty);
    complete.then(|| TableId { database: database.into(), schema: schema.into(), name: table.into() })
}

/// The format of offsets.
pub(super) fn to_json<'a>(collections: impl Iterator<Item = &'a Collection>) -> String {
    let member = |name: &str, value: Option<&str>| format!("{}:{}", json!(name), json!(value));
    let objects = collections.map(|collection| {
        let members = [
            member(ID, Some(&quoted_table(&collection.id))),
            member(CONDITION, collection.condition.as_deref()),
            member(SURROGATE, collection.surrogate.as_deref()),
        ];
        format!("{{{}}}", members.join(","))
    });
    format!("[{}]", objects.collect::<Vec<_>>().join(","))
}

pub(super) fn from_json(text: &str) -> Result<Vec<Collection>> {
    let wrong = || Error::config(format!("the offset's incremental_snapshot_collections are no tables: {text}"));
    let read: Value = serde_json::from_str(text).map_err(|error| wrong().cause(&error))?;
    let collection = |object: &Value| {
        let text = |name: &str| object[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Collection { id: parse_id(&text(ID)?)?, condition: text(CONDITION), surrogate: text(SURROGATE) })
    };
    read.as_array().ok_or_else(wrong)?.iter().map(|object| collection(object).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn id(name: &str) -> TableId {
        TableId { database: "shop".into(), schema: "dbo".into(), name: name.into() }
    }

    #[test]
    fn names_may_have_brackets_or_quotation_marks() {
        for name in ["shop.dbo.t", "[shop].[dbo].[t]", "\"shop\".dbo.[t]"] {
            assert_eq!(parse_id(name), Some(id("t")), "{name}");
        }
        assert_eq!(parse_id("shop.dbo.[a.]]b]"), Some(id("a.]b")));
        for wrong in ["dbo.t", "a.b.c.d", "shop..t", "shop.dbo.[t"] {
            assert_eq!(parse_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_signal_names_tables_by_regular_expressions_and_the_first_condition_that_fits_counts() {
        let request = Request {
            collections: vec![r"shop\.dbo\.[ab]".to_owned(), "shop.dbo.a".to_owned(), "shop.dbo.new".to_owned()],
            conditions: vec![("SHOP.dbo.a".to_owned(), "id > 3".to_owned()), ("shop.*".to_owned(), "x=1".to_owned())],
            surrogate: None,
        };
        let known = [id("b"), id("a"), id("c")];
        let resolved = request.resolve(known.iter()).unwrap();
        let names: Vec<String> = resolved.iter().map(|collection| collection.id.to_string()).collect();
        assert_eq!(names, ["shop.dbo.a", "shop.dbo.b", "shop.dbo.new"]);
        let conditions: Vec<_> = resolved.iter().map(|collection| collection.condition.as_deref()).collect();
        assert_eq!(conditions, [Some("(id > 3)"), Some("(x=1)"), Some("(x=1)")]);
        let wrong = Request { collections: vec!["(".to_owned()], ..Request::default() };
        assert!(wrong.resolve(known.iter()).is_err());
    }

    #[test]
    fn offsets_have_them_as_debezium_writes_them() {
        let collections = [Collection { id: id("t"), condition: Some("(a=1)".to_owned()), surrogate: None }];
        let json = r#"[{"incremental_snapshot_collections_id":"[shop].[dbo].[t]","incremental_snapshot_collections_additional_condition":"(a=1)","incremental_snapshot_collections_surrogate_key":null}]"#;
        assert_eq!(to_json(collections.iter()), json);
        assert_eq!(from_json(json).unwrap(), collections);
        assert!(from_json("{}").is_err() && from_json("[{}]").is_err());
    }
}
