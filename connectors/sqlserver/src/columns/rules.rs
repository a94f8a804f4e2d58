use std::borrow::Cow;

use bytestring::ByteString;
use tributary_api::{Config, Error, Props, Result};

use super::hash::{Algorithm, Form};
use super::mapping::Mapper;
use crate::config::{Patterns, patterns};
use crate::table::{Column, Table, TableId};

const INCLUDE: &str = "column.include.list";
const EXCLUDE: &str = "column.exclude.list";
const KEYS: &str = "message.key.columns";
const MASK: &str = "column.mask.";
const HASH: &str = "column.mask.hash.";
const SALT: &str = ".with.salt.";
const TRUNCATE: &str = "column.truncate.to.";

/// The configured rules for columns. A rule names its columns by regular expressions that must match a whole name, in
/// any case.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnRules {
    include: Option<Patterns>,
    exclude: Patterns,
    /// The first rule that matches a column is used.
    mappers: Vec<Rule>,
    /// The patterns for the key's columns, each of which selects columns in the order of the table.
    keys: Vec<Patterns>,
}

#[derive(Clone, Debug)]
struct Rule {
    patterns: Patterns,
    matched_by: MatchedBy,
    mapper: Mapper,
}

/// What the last part of a matched name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MatchedBy {
    Column,
    Type,
}

impl ColumnRules {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let props = config.originals();
        let given = |name: &str| props.get(name).map(String::as_str).filter(|list| !list.trim().is_empty());
        if given(INCLUDE).is_some() && given(EXCLUDE).is_some() {
            return Err(Error::config_at(EXCLUDE, format!("\"{INCLUDE}\" is already specified")));
        }
        let include = given(INCLUDE).map(|list| patterns(INCLUDE, Some(list))).transpose()?;
        let keys = given(KEYS).map(keys).transpose()?.unwrap_or_default();
        Ok(Self { include, exclude: patterns(EXCLUDE, given(EXCLUDE))?, mappers: mappers(props)?, keys })
    }

    /// Whether rows have the column. Keys keep their columns in any case.
    pub(crate) fn includes(&self, id: &TableId, column: &Column) -> Result<bool> {
        let name = format!("{}.{}.{}", id.schema, id.name, column.name);
        match &self.include {
            Some(include) => include.fit(&name),
            None => Ok(!self.exclude.fit(&name)?),
        }
    }

    /// What is done to a column; `None` if nothing is.
    pub(crate) fn mapper(&self, id: &TableId, column: &Column) -> Result<Option<&Mapper>> {
        for rule in &self.mappers {
            let last = match rule.matched_by {
                MatchedBy::Column => &*column.name,
                MatchedBy::Type => &column.type_name,
            };
            if fits_either(&rule.patterns, id, last)? {
                return Ok(Some(&rule.mapper));
            }
        }
        Ok(None)
    }

    /// The places of the key's columns.
    pub(crate) fn key(&self, table: &Table) -> Result<Vec<usize>> {
        let mut own = Vec::new();
        for patterns in &self.keys {
            for (place, column) in table.columns.iter().enumerate() {
                if fits_either(patterns, &table.id, &column.name)? {
                    own.push(place);
                }
            }
        }
        if !own.is_empty() {
            return Ok(own);
        }
        let place = |name: &ByteString| table.columns.iter().position(|column| column.name == *name);
        Ok(table.key.iter().filter_map(place).collect())
    }
}

/// A pattern may match a name with or without the database.
fn fits_either(patterns: &Patterns, id: &TableId, last: &str) -> Result<bool> {
    if patterns.is_empty() {
        return Ok(false);
    }
    Ok(patterns.fit(&format!("{id}.{last}"))? || patterns.fit(&format!("{}.{last}", id.in_database()))?)
}

/// In Debezium's order: truncation, masks, source types by column, source types by type, hashes.
fn mappers(props: &Props) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for (name, list) in props {
        let Some((order, matched_by, mapper)) = mapper(name)? else { continue };
        // The message of `patterns` quotes the name it is given, which must not contain the salt. The error keeps the
        // full name as its property.
        let patterns = patterns(&shown(name), Some(list)).map_err(|error| Error::config_at(name, error.to_string()))?;
        rules.push((order, Rule { patterns, matched_by, mapper }));
    }
    rules.sort_by_key(|(order, _)| *order);
    Ok(rules.into_iter().map(|(_, rule)| rule).collect())
}

/// A property's name for messages: without the salt that it may contain.
fn shown(name: &str) -> Cow<'_, str> {
    let Some(rest) = name.strip_prefix(HASH) else { return name.into() };
    let algorithm = rest.split_once(SALT).map_or("", |(algorithm, _)| algorithm);
    format!("{HASH}{algorithm}..").into()
}

fn mapper(name: &str) -> Result<Option<(u8, MatchedBy, Mapper)>> {
    let wrong = |form: &str| Error::config_at(name, format!("{} is no property: write {form}", shown(name)));
    let number = |text: &str| text.strip_suffix(".chars").and_then(|number| number.parse::<u16>().ok());
    if let Some(rest) = name.strip_prefix(TRUNCATE) {
        let length =
            number(rest).ok_or_else(|| wrong("column.truncate.to.20.chars, with a length of at most 65535"))?;
        return Ok(Some((0, MatchedBy::Column, Mapper::Truncate(length.into()))));
    }
    if let Some(rest) = name.strip_prefix(MASK) {
        if let Some(rest) = rest.strip_prefix("with.") {
            let length =
                number(rest).ok_or_else(|| wrong("column.mask.with.5.chars, with a length of at most 65535"))?;
            return Ok(Some((1, MatchedBy::Column, Mapper::Mask("*".repeat(length.into()).into()))));
        }
        let (rest, form, order) = match rest.strip_prefix("hash.v2.") {
            Some(rest) => (Some(rest), Form::Plain, 5),
            None => (rest.strip_prefix("hash."), Form::Serialized, 4),
        };
        let parts = rest.and_then(|rest| rest.split_once(SALT));
        let hash = parts.and_then(|(algorithm, salt)| Some((Algorithm::named(algorithm)?, salt)));
        let (algorithm, salt) = hash.filter(|(_, salt)| !salt.is_empty()).ok_or_else(|| {
            wrong("column.mask.hash.SHA-256.with.salt.SALT or column.mask.hash.v2.SHA-256.with.salt.SALT, with MD5, SHA-1, SHA-224, SHA-256, SHA-384 or SHA-512")
        })?;
        return Ok(Some((order, MatchedBy::Column, Mapper::Hash { algorithm, salt: salt.to_owned(), form })));
    }
    Ok(match name {
        "column.propagate.source.type" => Some((2, MatchedBy::Column, Mapper::Propagate)),
        "datatype.propagate.source.type" => Some((3, MatchedBy::Type, Mapper::Propagate)),
        _ => None,
    })
}

/// Parses `table:column,column;table:column`, where all parts are regular expressions.
fn keys(text: &str) -> Result<Vec<Patterns>> {
    let mut keys = Vec::new();
    for element in text.split(';') {
        let parts = element.split_once(':').filter(|(table, columns)| {
            !table.trim().is_empty() && !columns.contains(':') && columns.split(',').all(|column| !column.is_empty())
        });
        let Some((table, columns)) = parts else {
            let message = format!("{element} has an invalid format (expecting '^\\s*([^:]+):([^:,]+(,[^:,]+)*)\\s*$')");
            return Err(Error::config_at(KEYS, message));
        };
        for column in columns.split(',') {
            keys.push(patterns(KEYS, Some(&format!("{table}.{}", column.trim())))?);
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::table::jdbc;

    fn rules(props: &[(&str, &str)]) -> Result<ColumnRules> {
        let required = [("topic.prefix", "p"), ("database.names", "d"), ("database.hostname", "h")];
        let props = required.iter().chain(props).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ColumnRules::new(&crate::config::properties().parse(&props.collect())?)
    }

    fn table() -> Table {
        let column = |name: &str, type_name: &str| Column {
            jdbc_type: jdbc::VARCHAR,
            type_name: type_name.to_owned(),
            ..Column::for_test(name)
        };
        let columns = vec![column("id", "int"), column("Name", "varchar"), column("mail", "varchar")];
        let id = TableId { database: "shop".into(), schema: "dbo".into(), name: "t".into() };
        Table { id, columns, key: vec!["id".into()] }
    }

    fn included(props: &[(&str, &str)]) -> Vec<String> {
        let (rules, table) = (rules(props).unwrap(), table());
        let columns = table.columns.iter().filter(|column| rules.includes(&table.id, column).unwrap());
        columns.map(|column| column.name.to_string()).collect()
    }

    #[test]
    fn columns_are_named_without_their_database() {
        assert_eq!(included(&[]), ["id", "Name", "mail"]);
        assert_eq!(included(&[(INCLUDE, r"dbo\.t\.(id|name)")]), ["id", "Name"]);
        assert_eq!(included(&[(EXCLUDE, "dbo.t.mail, dbo.u.id")]), ["id", "Name"]);
        assert_eq!(included(&[(INCLUDE, "shop.dbo.t.id")]), [""; 0]);
        let both = rules(&[(INCLUDE, "a"), (EXCLUDE, "b")]).unwrap_err();
        assert_eq!((both.property(), both.to_string()), (Some(EXCLUDE), format!("\"{INCLUDE}\" is already specified")));
    }

    #[test]
    fn keys_are_of_the_columns_that_are_named_in_this_order() {
        let key = |text: &str| rules(&[(KEYS, text)]).and_then(|rules| rules.key(&table()));
        assert_eq!(key("dbo.t:mail,id").unwrap(), [2, 0]);
        assert_eq!(key(r"shop\.dbo\..:NAME; dbo.u:id").unwrap(), [1]);
        assert_eq!(key("dbo.u:name").unwrap(), [0], "the primary key");
        for wrong in ["dbo.t", "dbo.t:", ":id", "dbo.t:a,,b", "dbo.t:a:b"] {
            let error = key(wrong).unwrap_err();
            assert!(error.to_string().contains("has an invalid format"), "{wrong}: {error}");
        }
    }

    #[test]
    fn the_first_mapper_of_debeziums_order_counts() {
        let of = |props: &[(&str, &str)], column: usize| {
            let (rules, table) = (rules(props).unwrap(), table());
            rules.mapper(&table.id, &table.columns[column]).unwrap().cloned()
        };
        let props = [
            ("column.mask.hash.MD5.with.salt.a.b", "dbo.t.name,shop.dbo.t.mail"),
            ("column.mask.with.3.chars", "dbo.t.mail"),
            ("datatype.propagate.source.type", r".+\.varchar,dbo.t.int"),
        ];
        assert_eq!(of(&props, 0), Some(Mapper::Propagate));
        assert_eq!(of(&props, 1), Some(Mapper::Propagate));
        assert_eq!(of(&props, 2), Some(Mapper::Mask("***".into())));
        let (algorithm, salt) = (Algorithm::Md5, "a.b".to_owned());
        assert_eq!(of(&props[..1], 2), Some(Mapper::Hash { algorithm, salt, form: Form::Serialized }));
    }

    #[test]
    fn an_error_does_not_show_the_salt() {
        for (name, list) in [
            ("column.mask.hash.CRC.with.salt.pepper", "dbo.t.a"),
            ("column.mask.hash.v2.SHA-256.with.slat.pepper", "dbo.t.a"),
            ("column.mask.hash.pepper", "dbo.t.a"),
            ("column.mask.hash.v2.SHA-256.with.salt.pepper", "dbo.("),
        ] {
            let error = rules(&[(name, list)]).unwrap_err();
            assert!(!error.to_string().contains("pepper"), "{error}");
            assert_eq!(error.property(), Some(name));
        }
    }

    #[test]
    fn a_malformed_mask_property_is_refused() {
        for name in ["column.mask.with.x.chars", "column.mask.hash.CRC.with.salt.s", "column.truncate.to.-1.chars"] {
            assert_eq!(rules(&[(name, "dbo.t.a")]).unwrap_err().property(), Some(name));
        }
    }
}
