//! Conversion of tables to and from Debezium's JSON.

use serde_json::{Map, Value, json};

use crate::table::{Column, Table, TableId};

/// The members are in Debezium's order.
pub(super) fn table_to_json(table: &Table) -> Value {
    let key: Vec<&str> = table.key.iter().map(|name| &**name).collect();
    let columns: Vec<Value> =
        table.columns.iter().enumerate().map(|(place, column)| column_to_json(column, place + 1)).collect();
    json!({"defaultCharsetName": null, "primaryKeyColumnNames": key, "columns": columns, "attributes": []})
}

fn column_to_json(column: &Column, position: usize) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    put("name", json!(&*column.name));
    put("jdbcType", json!(column.jdbc_type));
    put("typeName", json!(column.type_name));
    put("typeExpression", json!(column.type_name));
    put("charsetName", Value::Null);
    put("length", json!(column.length));
    if let Some(scale) = column.scale {
        put("scale", json!(scale));
    }
    put("position", json!(position));
    put("optional", json!(column.optional));
    put("autoIncremented", json!(column.identity));
    put("generated", json!(column.computed));
    put("comment", Value::Null);
    // For Debezium an optional column without a default has the default null.
    put("hasDefaultValue", json!(column.optional || column.default.is_some()));
    if let Some(default) = &column.default {
        put("defaultValueExpression", json!(default));
    }
    put("enumValues", json!([]));
    Value::Object(object)
}

/// `None` if the JSON does not describe a table.
pub(super) fn table_from_json(id: TableId, table: &Value) -> Option<Table> {
    let names = table["primaryKeyColumnNames"].as_array()?;
    let key = names.iter().map(|name| Some(name.as_str()?.into())).collect::<Option<_>>()?;
    let columns = table["columns"].as_array()?.iter().map(column_from_json);
    let mut columns = columns.collect::<Option<Vec<(i64, Column)>>>()?;
    columns.sort_by_key(|(position, _)| *position);
    Some(Table { id, columns: columns.into_iter().map(|(_, column)| column).collect(), key })
}

fn column_from_json(column: &Value) -> Option<(i64, Column)> {
    let number = |name: &str| column[name].as_i64().and_then(|number| i32::try_from(number).ok());
    let flag = |name: &str| column[name].as_bool().unwrap_or(false);
    let column_ = Column {
        name: column["name"].as_str()?.into(),
        jdbc_type: number("jdbcType")?,
        type_name: column["typeName"].as_str()?.to_owned(),
        length: number("length").unwrap_or(i32::MAX),
        scale: number("scale"),
        optional: flag("optional"),
        identity: flag("autoIncremented"),
        computed: flag("generated"),
        default: column["defaultValueExpression"].as_str().map(str::to_owned),
    };
    Some((column["position"].as_i64().unwrap_or(i64::MAX), column_))
}

/// `"db"."schema"."table"`; quotes within a part are doubled.
pub(crate) fn quoted_id(id: &TableId) -> String {
    let part = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    format!("{}.{}.{}", part(&id.database), part(&id.schema), part(&id.name))
}

/// The parts of a name, with or without quotes.
pub(super) fn id_from_text(text: &str) -> Option<TableId> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars().peekable();
    let mut inside = false;
    while let Some(c) = characters.next() {
        match (c, inside) {
            ('"', true) if characters.peek() == Some(&'"') => {
                characters.next();
                parts.last_mut()?.push('"');
            }
            ('"', _) => inside = !inside,
            ('.', false) => parts.push(String::new()),
            (c, _) => parts.last_mut()?.push(c),
        }
    }
    let [database, schema, name] = <[String; 3]>::try_from(parts).ok()?;
    Some(TableId { database: database.into(), schema: schema.into(), name: name.into() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_with_quotes_and_dots_are_read_as_they_are_written() {
        let id = TableId { database: "a\"b".into(), schema: "dbo".into(), name: "x.y".into() };
        assert_eq!(quoted_id(&id), "\"a\"\"b\".\"dbo\".\"x.y\"");
        assert_eq!(id_from_text(&quoted_id(&id)), Some(id));
        assert_eq!(id_from_text("a.b"), None);
    }

    #[test]
    fn a_table_is_the_same_after_it_was_written_and_read() {
        let column = |name: &str, default: Option<&str>| Column {
            name: name.into(),
            jdbc_type: 4,
            type_name: "int identity".to_owned(),
            length: 10,
            scale: Some(0),
            optional: default.is_none(),
            identity: true,
            computed: false,
            default: default.map(str::to_owned),
        };
        let id = TableId { database: "shop".into(), schema: "dbo".into(), name: "t".into() };
        let table = Table {
            id: id.clone(),
            columns: vec![column("a", Some("((1))")), column("b", None)],
            key: vec!["a".into()],
        };
        assert_eq!(table_from_json(id, &table_to_json(&table)), Some(table.clone()));
        let first = r#"{"name":"a","jdbcType":4,"typeName":"int identity","typeExpression":"int identity","charsetName":null,"length":10,"scale":0,"position":1,"optional":false,"autoIncremented":true,"generated":false,"comment":null,"hasDefaultValue":true,"defaultValueExpression":"((1))","enumValues":[]}"#;
        assert_eq!(table_to_json(&table)["columns"][0].to_string(), first);
    }
}
