use std::borrow::Cow;

use tributary_api::Topic;

use crate::table::TableId;

/// The longest name that a topic may have.
const LONGEST_TOPIC: usize = 249;

/// `schema.name.adjustment.mode`, `field.name.adjustment.mode`: how names are changed that Avro does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adjustment {
    None,
    /// Replaces each character that is not allowed by an underscore.
    Avro,
    /// Replaces each character that is not allowed by its number, as `_u0041`.
    AvroUnicode,
}

impl Adjustment {
    /// Adjusts a full name, which may contain dots.
    pub(crate) fn schema_name(self, name: &str) -> Cow<'_, str> {
        self.adjusted(name, |c| c == '.')
    }

    pub(crate) fn field_name(self, name: &str) -> Cow<'_, str> {
        self.adjusted(name, |_| false)
    }

    fn adjusted(self, name: &str, also: impl Fn(char) -> bool) -> Cow<'_, str> {
        // With numbers an underscore starts an escape, so it must be escaped itself.
        let underscore = self == Self::Avro;
        let first = |c: char| c.is_ascii_alphabetic() || (c == '_' && underscore);
        let valid = |place: usize, c: char| first(c) || (place > 0 && (c.is_ascii_digit() || also(c)));
        if self == Self::None || name.char_indices().all(|(place, c)| valid(place, c)) {
            return Cow::Borrowed(name);
        }
        let mut adjusted = String::with_capacity(name.len() + 8);
        for (place, c) in name.char_indices() {
            match self {
                _ if valid(place, c) => adjusted.push(c),
                Self::AvroUnicode => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        adjusted.push_str(&format!("_u{unit:04x}"));
                    }
                }
                _ => {
                    adjusted.push('_');
                    // A leading digit is kept after the underscore, so that names that differ only in it stay
                    // different.
                    if c.is_ascii_digit() {
                        adjusted.push(c);
                    }
                }
            }
        }
        Cow::Owned(adjusted)
    }
}

/// Names of topics.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) prefix: String,
    pub(crate) delimiter: String,
    pub(crate) transaction: String,
    pub(crate) heartbeat_prefix: String,
    /// The configured name, which replaces prefix and suffix.
    pub(crate) heartbeat_topic: Option<String>,
}

impl Names {
    /// The topic of a table's changes.
    pub(crate) fn table(&self, id: &TableId) -> Topic {
        let parts = [&*self.prefix, &*id.database, &*id.schema, &*id.name];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.trim().is_empty()).collect();
        Topic::from(sanitized(&parts.join(&self.delimiter)))
    }

    pub(crate) fn schema_changes(&self) -> Topic {
        Topic::from(self.prefix.as_str())
    }

    pub(crate) fn transactions(&self) -> Topic {
        Topic::from(format!("{}{}{}", self.prefix, self.delimiter, self.transaction))
    }

    pub(crate) fn heartbeats(&self) -> Topic {
        match &self.heartbeat_topic {
            Some(topic) => Topic::from(topic.as_str()),
            None => Topic::from(format!("{}{}{}", self.heartbeat_prefix, self.delimiter, self.prefix)),
        }
    }
}

fn sanitized(name: &str) -> String {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut units = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            c if valid(c) => units.push(c),
            // Java counts a character beyond U+FFFF as two.
            c => units.extend(std::iter::repeat_n('_', c.len_utf16())),
        }
    }
    units.truncate(LONGEST_TOPIC);
    match units.as_str() {
        "." | ".." => units.replace('.', "_"),
        _ => units,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            prefix: "server1".to_owned(),
            delimiter: ".".to_owned(),
            transaction: "transaction".to_owned(),
            heartbeat_prefix: "__debezium-heartbeat".to_owned(),
            heartbeat_topic: None,
        }
    }

    fn id(name: &str) -> TableId {
        TableId { database: "shop".into(), schema: "dbo".into(), name: name.into() }
    }

    #[test]
    fn a_tables_topic_names_its_database() {
        assert_eq!(&*names().table(&id("orders")), "server1.shop.dbo.orders");
        assert_eq!(&*names().table(&id("odd näme 🐎")), "server1.shop.dbo.odd_n_me___");
        assert_eq!(names().table(&id(&"x".repeat(300))).len(), 249);
    }

    #[test]
    fn other_topics_have_the_prefix() {
        assert_eq!(&*names().heartbeats(), "__debezium-heartbeat.server1");
        assert_eq!(&*names().schema_changes(), "server1");
        assert_eq!(&*names().transactions(), "server1.transaction");
    }

    #[test]
    fn names_are_adjusted_to_avro_on_request() {
        assert_eq!(Adjustment::None.schema_name("a-b.c"), "a-b.c");
        assert_eq!(Adjustment::Avro.schema_name("a-b.c d"), "a_b.c_d");
        assert_eq!(Adjustment::Avro.field_name("1a.b"), "_1a_b");
        assert_eq!(Adjustment::AvroUnicode.field_name("a-b_c"), "a_u002db_u005fc");
    }
}
