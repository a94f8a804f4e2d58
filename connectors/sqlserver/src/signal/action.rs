use serde_json::{Map, Value};
use tributary_api::{Error, Result};

use super::{Signal, WINDOW_CLOSE, WINDOW_OPEN};
use crate::history::Change;
use crate::incremental::Request;

/// The action that a signal requests.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Log(String),
    Execute {
        kind: SnapshotKind,
        request: Request,
    },
    Stop(Vec<String>),
    Pause,
    Resume,
    /// In the order of the list.
    ChangeStructures(Vec<Change>),
    OpenWindow,
    CloseWindow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SnapshotKind {
    Incremental,
    Blocking,
}

impl Action {
    /// # Errors
    /// If the type is unknown, or the data lacks what the type needs.
    pub(super) fn of(signal: &Signal) -> Result<Self> {
        let data = object(&signal.data)?;
        Ok(match signal.kind.as_str() {
            "log" => Self::Log(text(&data, "message").ok_or_else(|| missing("message"))?.to_owned()),
            "execute-snapshot" => {
                let request = Request {
                    collections: names(&data)?.ok_or_else(|| missing("data-collections"))?,
                    conditions: conditions(&data)?,
                    surrogate: text(&data, "surrogate-key").filter(|name| !name.trim().is_empty()).map(str::to_owned),
                };
                Self::Execute { kind: kind(&data)?, request }
            }
            "stop-snapshot" if kind(&data)? == SnapshotKind::Blocking => {
                return Err(Error::data("a blocking snapshot cannot be stopped"));
            }
            "stop-snapshot" => Self::Stop(names(&data)?.unwrap_or_default()),
            "pause-snapshot" => Self::Pause,
            "resume-snapshot" => Self::Resume,
            "schema-changes" => {
                text(&data, "database").ok_or_else(|| missing("database"))?;
                let changes = Change::list(data.get("changes").unwrap_or(&Value::Null))?;
                if changes.is_empty() {
                    return Err(missing("changes"));
                }
                Self::ChangeStructures(changes)
            }
            WINDOW_OPEN => Self::OpenWindow,
            WINDOW_CLOSE => Self::CloseWindow,
            other => return Err(Error::data(format!("the type {other:?} is not known"))),
        })
    }
}

fn object(data: &str) -> Result<Map<String, Value>> {
    if data.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(data).map_err(|error| Error::data("the data is no JSON object").cause(&error))
}

fn missing(name: &str) -> Error {
    Error::data(format!("the data has no {name}"))
}

fn text<'a>(data: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn kind(data: &Map<String, Value>) -> Result<SnapshotKind> {
    match text(data, "type").map(str::to_uppercase).as_deref() {
        None | Some("INCREMENTAL") => Ok(SnapshotKind::Incremental),
        Some("BLOCKING") => Ok(SnapshotKind::Blocking),
        Some(other) => {
            Err(Error::data(format!("the snapshot type {other} is not known: write incremental or blocking")))
        }
    }
}

/// `None` if there is none.
fn names(data: &Map<String, Value>) -> Result<Option<Vec<String>>> {
    let Some(list) = data.get("data-collections").filter(|value| !value.is_null()) else { return Ok(None) };
    let wrong = || Error::data("data-collections is no array of texts");
    let names = list.as_array().ok_or_else(wrong)?.iter();
    let names: Vec<String> =
        names.map(|name| name.as_str().map(|name| name.trim().to_owned()).ok_or_else(wrong)).collect::<Result<_>>()?;
    Ok(Some(names).filter(|names| !names.is_empty()))
}

fn conditions(data: &Map<String, Value>) -> Result<Vec<(String, String)>> {
    let Some(list) = data.get("additional-conditions").filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let wrong = || Error::data("additional-conditions is no array of objects with data-collection and filter");
    let condition = |value: &Value| {
        let part = |name: &str| value[name].as_str().map(str::to_owned);
        Some((part("data-collection")?, part("filter")?))
    };
    list.as_array().ok_or_else(wrong)?.iter().map(|value| condition(value).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn action(kind: &str, data: &str) -> Result<Action> {
        Action::of(&Signal { id: "1".to_owned(), kind: kind.to_owned(), data: data.to_owned() })
    }

    #[test]
    fn a_request_for_a_snapshot_has_all_that_it_needs() {
        let data = r#"{"data-collections": [" shop.dbo.a ", "shop.dbo.b"], "surrogate-key": "c",
            "additional-conditions": [{"data-collection": "shop.dbo.a", "filter": "id > 3"}]}"#;
        let request = Request {
            collections: vec!["shop.dbo.a".to_owned(), "shop.dbo.b".to_owned()],
            conditions: vec![("shop.dbo.a".to_owned(), "id > 3".to_owned())],
            surrogate: Some("c".to_owned()),
        };
        let expected = Action::Execute { kind: SnapshotKind::Incremental, request };
        assert_eq!(action("execute-snapshot", data).unwrap(), expected);
        let blocking = action("execute-snapshot", r#"{"type": "blocking", "data-collections": ["a"]}"#).unwrap();
        assert!(matches!(blocking, Action::Execute { kind: SnapshotKind::Blocking, .. }));
    }

    #[test]
    fn a_stop_without_names_is_one_of_all() {
        assert_eq!(action("stop-snapshot", "").unwrap(), Action::Stop(Vec::new()));
        let some = r#"{"type":"INCREMENTAL","data-collections":["a"]}"#;
        assert_eq!(action("stop-snapshot", some).unwrap(), Action::Stop(vec!["a".to_owned()]));
    }

    #[test]
    fn what_cannot_be_followed_says_why() {
        let refused = |kind, data| action(kind, data).unwrap_err().to_string();
        assert!(refused("log", "{}").contains("message"));
        assert!(refused("execute-snapshot", "{}").contains("data-collections"));
        assert!(refused("execute-snapshot", r#"{"data-collections": "a"}"#).contains("array"));
        assert!(refused("execute-snapshot", r#"{"data-collections": ["a"], "type": "x"}"#).contains("blocking"));
        assert!(refused("execute-snapshot", "[1]").contains("JSON"));
        assert!(refused("dance", "{}").contains("dance"));
        assert!(refused("schema-changes", r#"{"changes": []}"#).contains("database"));
        assert!(refused("schema-changes", r#"{"database": "shop"}"#).contains("changes"));
        let changes = |table| {
            format!(r#"{{"database": "shop", "changes": [{{"type": "ALTER", "id": "a.b.c", "table": {table}}}]}}"#)
        };
        let columns = |jdbc| {
            let column = format!(r#"{{"name": "n", "jdbcType": {jdbc}, "typeName": "int", "position": 1}}"#);
            changes(format!(r#"{{"primaryKeyColumnNames": [], "columns": [{column}]}}"#))
        };
        assert!(matches!(action("schema-changes", &columns("4")).unwrap(), Action::ChangeStructures(_)));
        assert!(refused("schema-changes", &columns("\"int\"")).contains("a.b.c"), "no column is left out silently");
    }
}
