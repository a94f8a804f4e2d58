use tributary_api::{ByteString, Error, Record, Result, Value};

use crate::session::Session;

/// The addressee of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Address {
    /// All sessions of a person.
    Person(ByteString),
    /// One session, of a known or unknown person.
    Session(ByteString),
}

impl Address {
    /// The addressee: the field `person_id`, otherwise the field `session_id`, otherwise the key as a person.
    pub(super) fn of(record: &Record) -> Result<Self> {
        let (Value::Map(_) | Value::Struct(_)) = record.value.value else {
            return Err(Error::data(
                "the value is not an object: set value.converter to one that reads the topic's format",
            ));
        };
        let field = |name| record.value.value.get(name).and_then(text);
        let person = || field("person_id").map(Self::Person);
        let session = || field("session_id").map(Self::Session);
        let key = || text(&record.key.value).map(Self::Person);
        person().or_else(session).or_else(key).ok_or_else(|| {
            Error::data(
                "the record has no recipient: it needs the field person_id or session_id, or a person as its \
                         key",
            )
        })
    }

    /// The addresses that a session may receive messages of.
    pub(super) fn of_session(session: &Session) -> [Self; 2] {
        [Self::Person(session.person()), Self::Session(session.id().clone())]
    }
}

fn text(value: &Value) -> Option<ByteString> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tributary_api::{Datum, json};

    use super::*;

    fn address(key: &str, value: &str) -> Result<Address> {
        let record = Record::new("offers", Datum::schemaless(json::from_slice(value.as_bytes())?));
        Address::of(&record.with_key(Datum::schemaless(key)))
    }

    #[test]
    fn a_record_names_whom_it_is_for() {
        let person = |id: &str| Address::Person(id.to_owned().into());
        assert_eq!(address("k", r#"{"person_id":"p","session_id":"s"}"#).unwrap(), person("p"));
        assert_eq!(address("k", r#"{"session_id":"s"}"#).unwrap(), Address::Session("s".into()));
        assert_eq!(address("k", r#"{"person_id":""}"#).unwrap(), person("k"));
        assert!(address("", "{}").unwrap_err().to_string().contains("no recipient"));
        assert!(address("k", "7").unwrap_err().to_string().contains("value.converter"));
    }
}
