use tributary_api::{
    Datum, Headers, Record, Result, Schema, SchemaRef, SchemaType, SourceOffset, SourcePartition, Struct, Topic, Value,
};

use super::{Adjustment, Names, Source, SourceSchema};
use crate::clock::now_millis;
use crate::history::{TableChange, quoted_id};
use crate::table::{Column, Table};

/// Builds the records of the schema change topic.
#[derive(Debug)]
pub(crate) struct SchemaChanges {
    topic: Topic,
    key: SchemaRef,
    value: SchemaRef,
    change: SchemaRef,
    table: SchemaRef,
    column: SchemaRef,
}

impl SchemaChanges {
    pub(crate) fn new(names: &Names, adjustment: Adjustment, source: &SchemaRef) -> Self {
        let named =
            |schema: Schema, name: &str| schema.named(adjustment.schema_name(name).into_owned()).with_version(1);
        let plain = |kind| Schema::new(kind).into_ref();
        let optional = |kind| Schema::new(kind).optional().into_ref();
        let (text, optional_text) = (plain(SchemaType::String), optional(SchemaType::String));
        let (number, flag) = (optional(SchemaType::Int32), optional(SchemaType::Boolean));
        let texts = Schema::array(text.clone()).optional().into_ref();
        let column = Schema::structure([
            ("name", text.clone()),
            ("jdbcType", plain(SchemaType::Int32)),
            ("nativeType", number.clone()),
            ("typeName", text.clone()),
            ("typeExpression", optional_text.clone()),
            ("charsetName", optional_text.clone()),
            ("length", number.clone()),
            ("scale", number),
            ("position", plain(SchemaType::Int32)),
            ("optional", flag.clone()),
            ("autoIncremented", flag.clone()),
            ("generated", flag),
            ("comment", optional_text.clone()),
            ("defaultValueExpression", optional_text.clone()),
            ("enumValues", texts.clone()),
        ]);
        let column = named(column, "io.debezium.connector.schema.Column").into_ref();
        let table = Schema::structure([
            ("defaultCharsetName", optional_text.clone()),
            ("primaryKeyColumnNames", texts),
            ("columns", Schema::array(column.clone()).into_ref()),
            ("comment", optional_text.clone()),
        ]);
        let table = named(table, "io.debezium.connector.schema.Table").optional().into_ref();
        let change = Schema::structure([("type", text.clone()), ("id", text.clone()), ("table", table.clone())]);
        let change = named(change, "io.debezium.connector.schema.Change").into_ref();
        let key = named(Schema::structure([("databaseName", text)]), "io.debezium.connector.sqlserver.SchemaChangeKey");
        let value = Schema::structure([
            ("source", source.clone()),
            ("ts_ms", plain(SchemaType::Int64)),
            ("databaseName", optional_text.clone()),
            ("schemaName", optional_text.clone()),
            ("ddl", optional_text),
            ("tableChanges", Schema::array(change.clone()).into_ref()),
        ]);
        let value = named(value, "io.debezium.connector.sqlserver.SchemaChangeValue").into_ref();
        Self { topic: names.schema_changes(), key: key.into_ref(), value, change, table, column }
    }

    /// The record of a table's change, with the position where it happened.
    pub(crate) fn record(&self, change: SchemaChange<'_>, headers: &Headers) -> Result<Record> {
        let id = &change.table.id;
        let key = Struct::new(self.key.clone(), vec![Value::String(id.database.clone())])?;
        let table_change = vec![change.change.text().into(), quoted_id(id).into(), self.table(change.table)?];
        let values = vec![
            change.source.value(change.place)?,
            Value::Int64(now_millis()),
            Value::String(id.database.clone()),
            Value::String(id.schema.clone()),
            change.ddl.into(),
            Value::Array(vec![Struct::new(self.change.clone(), table_change)?.into()]),
        ];
        let value = Struct::new(self.value.clone(), values)?;
        let mut record = Record::new(Topic::clone(&self.topic), Datum::new(self.value.clone(), value))
            .with_key(Datum::new(self.key.clone(), key))
            .with_partition(0)
            .from_source(change.partition, change.offset.clone());
        record.headers = headers.clone();
        Ok(record)
    }

    fn table(&self, table: &Table) -> Result<Value> {
        let columns: Result<Vec<Value>> =
            table.columns.iter().zip(1..).map(|(column, position)| self.column(column, position)).collect();
        let key = table.key.iter().map(|name| Value::String(name.clone())).collect();
        let values = vec![Value::Null, Value::Array(key), Value::Array(columns?), Value::Null];
        Ok(Struct::new(self.table.clone(), values)?.into())
    }

    fn column(&self, column: &Column, position: i32) -> Result<Value> {
        let values = vec![
            Value::String(column.name.clone()),
            Value::Int32(column.jdbc_type),
            Value::Null,
            column.type_name.as_str().into(),
            column.type_name.as_str().into(),
            Value::Null,
            Value::Int32(column.length),
            column.scale.into(),
            Value::Int32(position),
            Value::Boolean(column.optional),
            Value::Boolean(column.identity),
            Value::Boolean(column.computed),
            Value::Null,
            column.default.as_deref().into(),
            Value::Null,
        ];
        Ok(Struct::new(self.column.clone(), values)?.into())
    }
}

/// A change of a table's structure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchemaChange<'a> {
    pub(crate) change: TableChange,
    pub(crate) table: &'a Table,
    pub(crate) ddl: Option<&'a str>,
    pub(crate) source: &'a SourceSchema,
    pub(crate) place: Source<'a>,
    pub(crate) partition: &'a SourcePartition,
    pub(crate) offset: &'a SourceOffset,
}
