use std::sync::Arc;

use bytestring::ByteString;
use tiberius::ColumnData;
use tributary_api::{Datum, Error, ErrorKind, Field, Result, Schema, SchemaRef, SchemaType, Struct, Topic, Value};

use super::envelope::envelope;
use super::{Adjustment, Names};
use crate::table::{Column, Table};
use crate::types::{Kind, Modes, convert};

/// What is made of a table's rows. It does not change: a table that is altered has another one.
#[derive(Debug)]
pub(crate) struct TableSchema {
    pub(crate) table: Arc<Table>,
    pub(crate) topic: Topic,
    pub(crate) envelope: SchemaRef,
    row: SchemaRef,
    key: Option<SchemaRef>,
    /// Places in the table of the columns of the key, and of those of a row.
    key_columns: Vec<usize>,
    row_columns: Vec<usize>,
    /// Of each column of the table; none for a type that is left out.
    kinds: Vec<Option<Kind>>,
    /// What a change table does not tell, of each column that it may not tell of.
    unavailable: Vec<Option<Value>>,
}

/// How schemas are made.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) names: Names,
    pub(crate) modes: Modes,
    pub(crate) schema_names: Adjustment,
    pub(crate) field_names: Adjustment,
    pub(crate) source: SchemaRef,
    pub(crate) placeholder: String,
}

impl TableSchema {
    /// `defaults` are the columns' defaults that are literals, in their order.
    pub(crate) fn new(table: Arc<Table>, defaults: &[Option<Value>], layout: &Layout) -> Self {
        let topic = layout.names.table(&table.id);
        let named = |ending: &str| layout.schema_names.schema_name(&format!("{topic}.{ending}")).into_owned();
        let kinds: Vec<Option<Kind>> = table.columns.iter().map(|column| Kind::of(column, layout.modes)).collect();
        for (column, _) in table.columns.iter().zip(&kinds).filter(|(_, kind)| kind.is_none()) {
            tracing::warn!(table = %table.id, column = %column.name, r#type = column.type_name,
                "a column's type has no representation: it is left out");
        }
        let field = |place: usize| {
            let (column, kind) = (&table.columns[place], kinds[place]?);
            let default = defaults.get(place).cloned().flatten();
            Some(Field::new(field_name(column, layout.field_names), field_schema(column, kind, default)))
        };
        let with_kind = |place: &usize| kinds[*place].is_some();
        let place = |name: &ByteString| table.columns.iter().position(|column| column.name == *name);
        let key_columns: Vec<usize> = table.key.iter().filter_map(place).filter(with_kind).collect();
        let row_columns: Vec<usize> = (0..table.columns.len()).filter(with_kind).collect();
        let structure = |places: &[usize]| {
            Schema::new(SchemaType::Struct).with_fields(places.iter().filter_map(|place| field(*place)).collect())
        };
        let key = (!key_columns.is_empty()).then(|| structure(&key_columns).named(named("Key")).into_ref());
        let row = structure(&row_columns).named(named("Value")).optional().into_ref();
        let envelope = envelope(&named("Envelope"), &row, &layout.source);
        let unavailable =
            table.columns.iter().zip(&kinds).map(|(column, kind)| unavailable(column, *kind, &layout.placeholder));
        let unavailable = unavailable.collect();
        Self { topic, envelope, row, key, key_columns, row_columns, kinds, unavailable, table }
    }

    /// Values in the order of the table's columns, of data in the order of `places`.
    pub(crate) fn values(&self, data: Vec<ColumnData<'static>>, places: &[Option<usize>]) -> Result<Vec<Value>> {
        let mut values = vec![Value::Null; self.table.columns.len()];
        for (data, place) in data.into_iter().zip(places) {
            let Some(place) = *place else { continue };
            let Some(kind) = self.kinds[place] else { continue };
            values[place] = match convert(kind, data) {
                Ok(value) => value,
                Err(error) if error.kind() == ErrorKind::Data && self.table.columns[place].optional => {
                    let column = &self.table.columns[place].name;
                    tracing::warn!(table = %self.table.id, %column, %error, "a value cannot be represented: it is null");
                    Value::Null
                }
                Err(error) => {
                    let column = &self.table.columns[place].name;
                    return Err(
                        Error::fatal(format!("cannot represent a value of {}.{column}", self.table.id)).cause(&error)
                    );
                }
            };
        }
        Ok(values)
    }

    /// What stands for the value of a column that is null because an update has not changed it; none for those that a
    /// change table always tells.
    pub(crate) fn unavailable(&self, place: usize) -> Option<&Value> {
        self.unavailable.get(place).and_then(Option::as_ref)
    }

    pub(crate) fn has_unavailable(&self) -> bool {
        self.unavailable.iter().any(Option::is_some)
    }

    pub(crate) fn key(&self, values: &[Value]) -> Result<Datum> {
        let Some(schema) = &self.key else { return Ok(Datum::NULL) };
        let parts = self.key_columns.iter().map(|place| values[*place].clone()).collect();
        Ok(Datum::new(schema.clone(), Struct::new(schema.clone(), parts)?))
    }

    pub(crate) fn row(&self, mut values: Vec<Value>) -> Result<Value> {
        if self.row_columns.len() < values.len() {
            values = self.row_columns.iter().map(|place| std::mem::take(&mut values[*place])).collect();
        }
        Ok(Value::Struct(Struct::new(self.row.clone(), values)?))
    }
}

fn field_name(column: &Column, adjustment: Adjustment) -> ByteString {
    match adjustment {
        Adjustment::None => column.name.clone(),
        other => other.field_name(&column.name).into_owned().into(),
    }
}

fn field_schema(column: &Column, kind: Kind, default: Option<Value>) -> SchemaRef {
    let mut schema = kind.schema();
    if column.optional {
        schema = schema.optional();
    }
    schema.default = default;
    schema.into_ref()
}

fn unavailable(column: &Column, kind: Option<Kind>, placeholder: &str) -> Option<Value> {
    if !column.is_large() {
        return None;
    }
    match kind? {
        Kind::Text => Some(placeholder.into()),
        Kind::Binary(mode) => Some(mode.value(placeholder.as_bytes().to_vec())),
        _ => None,
    }
}
