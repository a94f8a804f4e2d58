use std::sync::Arc;

use bytestring::ByteString;
use tiberius::ColumnData;
use tributary_api::{Datum, Error, Field, Result, Schema, SchemaRef, SchemaType, Struct, Topic, Value};

use super::envelope::envelope;
use super::{Adjustment, Names};
use crate::columns::{ColumnRules, Mapping};
use crate::table::{Column, Table};
use crate::types::{ConversionError, Kind, Modes, convert};

/// How a table's rows become records. Immutable: when a table is altered a new one is made.
#[derive(Debug)]
pub(crate) struct TableSchema {
    pub(crate) table: Arc<Table>,
    pub(crate) topic: Topic,
    /// The table's full name.
    pub(crate) name: ByteString,
    pub(crate) envelope: SchemaRef,
    row: SchemaRef,
    key: Option<SchemaRef>,
    /// Indexes of the columns that are in the key, and of those that are in a row.
    key_columns: Vec<usize>,
    row_columns: Vec<usize>,
    /// For each column of the table; `None` for a type that cannot be represented.
    kinds: Vec<Option<Kind>>,
    /// Changes to the values of a row, by index of the column. Keys are not changed.
    mappings: Vec<(usize, Mapping)>,
    /// For each column that the change table leaves out of updates that do not change it: the placeholder.
    unavailable: Vec<Option<Value>>,
}

/// Whether a field belongs to the key or to the row.
#[derive(Clone, Copy)]
enum Part {
    Key,
    Row,
}

/// How schemas are made.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) names: Names,
    pub(crate) modes: Modes,
    pub(crate) schema_names: Adjustment,
    pub(crate) field_names: Adjustment,
    pub(crate) source: SchemaRef,
    /// The schema of the place in a transaction.
    pub(crate) transaction: SchemaRef,
    pub(crate) columns: Arc<ColumnRules>,
    pub(crate) placeholder: String,
}

impl TableSchema {
    /// `defaults` has the literal default of each column, in the order of the columns.
    pub(crate) fn new(table: Arc<Table>, defaults: &[Option<Value>], layout: &Layout) -> Result<Self> {
        let topic = layout.names.table(&table.id);
        let named = |ending: &str| layout.schema_names.schema_name(&format!("{topic}.{ending}")).into_owned();
        let kinds: Vec<Option<Kind>> = table.columns.iter().map(|column| Kind::of(column, layout.modes)).collect();
        for (column, _) in table.columns.iter().zip(&kinds).filter(|(_, kind)| kind.is_none()) {
            tracing::warn!(table = %table.id, column = %column.name, r#type = column.type_name,
                "a column's type cannot be represented: the column is left out");
        }
        let rules = &layout.columns;
        let mut mappers = Vec::with_capacity(table.columns.len());
        let mut row_columns = Vec::with_capacity(table.columns.len());
        for (place, column) in table.columns.iter().enumerate() {
            mappers.push(rules.mapper(&table.id, column)?);
            if kinds[place].is_some() && rules.includes(&table.id, column)? {
                row_columns.push(place);
            }
        }
        let field = |place: usize, part: Part| {
            let (column, kind) = (&table.columns[place], kinds[place]?);
            let schema = match part {
                Part::Key => kind.schema(),
                Part::Row => match mappers[place] {
                    Some(mapper) => mapper.alter(column, kind.schema()),
                    None => kind.schema(),
                },
            };
            let default = defaults.get(place).cloned().flatten();
            Some(Field::new(field_name(column, layout.field_names), field_schema(column, schema, default)))
        };
        let with_kind = |place: &usize| kinds[*place].is_some();
        let key_columns: Vec<usize> = rules.key(&table)?.into_iter().filter(with_kind).collect();
        let structure = |places: &[usize], part: Part| {
            Schema::new(SchemaType::Struct).with_fields(places.iter().filter_map(|place| field(*place, part)).collect())
        };
        let key = (!key_columns.is_empty()).then(|| structure(&key_columns, Part::Key).named(named("Key")).into_ref());
        let row = structure(&row_columns, Part::Row).named(named("Value")).optional().into_ref();
        let envelope = envelope(&named("Envelope"), &row, &layout.source, &layout.transaction);
        let mapping = |place: &usize| Some((*place, mappers[*place]?.mapping(&table.columns[*place])?));
        let mappings = row_columns.iter().filter_map(mapping).collect();
        let unavailable =
            table.columns.iter().zip(&kinds).map(|(column, kind)| unavailable(column, *kind, &layout.placeholder));
        let unavailable = unavailable.collect();
        let name = table.id.to_string().into();
        Ok(Self { topic, name, envelope, row, key, key_columns, row_columns, kinds, mappings, unavailable, table })
    }

    /// Indexes of the columns that are in the key or in the row.
    pub(crate) fn needed(&self) -> Vec<usize> {
        let needed = |place: &usize| self.row_columns.contains(place) || self.key_columns.contains(place);
        (0..self.table.columns.len()).filter(needed).collect()
    }

    /// Converts `data`, which is in the order of `places`, to values in the order of the table's columns. A value that
    /// does not fit an optional column becomes null.
    pub(crate) fn values(&self, data: Vec<ColumnData<'static>>, places: &[Option<usize>]) -> Result<Vec<Value>> {
        self.read(data, places, false).map_err(|unfit| unfit.error)
    }

    /// As [`values`](Self::values), but a value of an altered type is an error even if the column is optional.
    pub(crate) fn current_values(
        &self,
        data: Vec<ColumnData<'static>>,
        places: &[Option<usize>],
    ) -> Result<Vec<Value>, ConversionError> {
        self.read(data, places, true)
    }

    fn read(
        &self,
        data: Vec<ColumnData<'static>>,
        places: &[Option<usize>],
        current: bool,
    ) -> Result<Vec<Value>, ConversionError> {
        let mut values = vec![Value::Null; self.table.columns.len()];
        for (data, place) in data.into_iter().zip(places) {
            let Some(place) = *place else { continue };
            let Some(kind) = self.kinds[place] else { continue };
            values[place] = match convert(kind, data) {
                Ok(value) => value,
                Err(unfit) if unfit.altered && current => return Err(unfit),
                Err(ConversionError { error, .. }) if self.table.columns[place].optional => {
                    let column = &self.table.columns[place].name;
                    tracing::warn!(table = %self.table.id, %column, %error, "a value cannot be represented: it is null");
                    Value::Null
                }
                Err(ConversionError { error, .. }) => {
                    let column = &self.table.columns[place].name;
                    let message = format!("cannot represent a value of {}.{column}", self.table.id);
                    return Err(Error::fatal(message).cause(&error).into());
                }
            };
        }
        Ok(values)
    }

    /// The placeholder for a null that means that an update has not changed the column; `None` for a column that change
    /// tables always have.
    pub(crate) fn unavailable(&self, place: usize) -> Option<&Value> {
        self.unavailable.get(place).and_then(Option::as_ref)
    }

    /// The places of the columns of the key.
    pub(crate) fn key_columns(&self) -> &[usize] {
        &self.key_columns
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
        for (place, mapping) in &self.mappings {
            values[*place] = mapping.apply(std::mem::take(&mut values[*place]));
        }
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

fn field_schema(column: &Column, mut schema: Schema, default: Option<Value>) -> SchemaRef {
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
