use std::sync::Arc;

use tributary_api::{
    ByteString, Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, Factory, Field, Importance, KAFKA_VERSION,
    Plugin, Record, Records, Result, Schema, SchemaCache, SchemaRef, SchemaType, Struct, TransformContext,
    Transformation, Value,
};

use crate::support::{Fields, REPLACE_NULL, Side, field_value, fields_of, replace_null_key};

const STATIC_VALUE: &str = "static.value";
const PURPOSE: &str = "field insertion";

/// What can be inserted, with the property that names its field, in the order in which fields are added.
const INSERTED: [(Inserted, &str, &str); 5] = [
    (Inserted::Topic, "topic.field", "The field for the topic."),
    (Inserted::Partition, "partition.field", "The field for the partition."),
    (Inserted::Offset, "offset.field", "The field for the offset; only records from Kafka have one."),
    (Inserted::Timestamp, "timestamp.field", "The field for the record's timestamp."),
    (Inserted::Static, "static.field", "The field for a value that is always the same."),
];

#[derive(Clone, Copy, PartialEq)]
enum Inserted {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static,
}

pub(crate) fn plugins() -> [Plugin; 2] {
    Side::BOTH.map(|side| {
        let make = move |config: &Config| InsertField::new(side, config);
        let factory = Factory::Transformation(Arc::new(move |config| Ok(Box::new(make(config)?))));
        Plugin::new(side.class("org.apache.kafka.connect.transforms.InsertField"), KAFKA_VERSION, config(), factory)
            .doc("Adds fields with metadata of the record, or with a fixed text; null stays null.")
    })
}

fn config() -> ConfigDef {
    let field = |property: &str, doc: &str| {
        ConfigKey::new(property, ConfigType::String)
            .importance(Importance::Medium)
            .doc(format!("{doc} A suffix ! to the name makes the field required, ? (the default) optional."))
    };
    let fields = INSERTED.map(|(_, property, doc)| field(property, doc));
    let static_value = ConfigKey::new(STATIC_VALUE, ConfigType::String)
        .importance(Importance::Medium)
        .doc("The text for the static field.");
    fields.into_iter().fold(ConfigDef::default(), ConfigDef::with).with(static_value).with(replace_null_key())
}

struct InsertField {
    side: Side,
    insertions: Vec<Insertion>,
    static_value: Option<ByteString>,
    replace_null: bool,
    schemas: SchemaCache,
}

struct Insertion {
    what: Inserted,
    name: ByteString,
    schema: SchemaRef,
}

impl InsertField {
    fn new(side: Side, config: &Config) -> Result<Self> {
        let mut insertions = Vec::new();
        for (what, property, _) in INSERTED {
            if let Some(spec) = config.optional_string(property)? {
                insertions.push(Insertion::new(what, spec));
            }
        }
        let static_value: Option<ByteString> = config.optional_string(STATIC_VALUE)?.map(ByteString::from);
        if insertions.is_empty() {
            // The text is Kafka's; the property is one of those that would do.
            return Err(Error::config_at(INSERTED[0].1, "No field insertion configured"));
        }
        if insertions.iter().any(|insertion| insertion.what == Inserted::Static) && static_value.is_none() {
            let message =
                format!("Invalid value null for configuration {STATIC_VALUE}: No value specified for static field");
            return Err(Error::config_at(STATIC_VALUE, message));
        }
        let replace_null = config.boolean(REPLACE_NULL)?;
        Ok(Self { side, insertions, static_value, replace_null, schemas: SchemaCache::default() })
    }

    /// The values to insert, in the order of the insertions; absent when the record does not have one.
    fn values(&self, record: &Record) -> Result<Vec<Option<Value>>> {
        let consumed = record.consumed_from();
        let value = |insertion: &Insertion| {
            Ok(match insertion.what {
                Inserted::Topic => Some(Value::string(&*record.topic)),
                Inserted::Partition => {
                    record.partition.or_else(|| consumed.map(|(_, partition, _)| partition)).map(Value::Int32)
                }
                Inserted::Offset => {
                    let message = "Offset insertion is only supported for sink connectors, record is of type: class \
                                   org.apache.kafka.connect.source.SourceRecord";
                    let (_, _, offset) = consumed.ok_or_else(|| Error::data(message))?;
                    Some(Value::Int64(offset))
                }
                Inserted::Timestamp => record.timestamp.map(Value::Timestamp),
                Inserted::Static => self.static_value.clone().map(Value::String),
            })
        };
        self.insertions.iter().map(value).collect()
    }

    fn with_inserted(&mut self, object: &mut Struct, inserted: Vec<Option<Value>>) -> Result<Datum> {
        let insertions = &self.insertions;
        let schema = self.schemas.get([object.schema()], || with_fields(object.schema(), insertions))?;
        let old = std::mem::replace(object, Struct::new(Schema::new(SchemaType::Struct).into_ref(), Vec::new())?);
        let (old_schema, old_values) = old.into_parts();
        let mut values = Vec::with_capacity(schema.fields.len());
        for (field, value) in old_schema.fields.iter().zip(old_values) {
            values.push(field_value(&field.schema, value, self.replace_null));
        }
        values.resize(schema.fields.len(), Value::Null);
        for (insertion, value) in self.insertions.iter().zip(inserted) {
            if let (Some(value), Some(index)) = (value, schema.field_index(&insertion.name)) {
                values[index] = value;
            }
        }
        Ok(Datum::new(schema.clone(), Struct::new(schema, values)?))
    }
}

impl Insertion {
    fn new(what: Inserted, spec: &str) -> Self {
        let (name, optional) = match (spec.strip_suffix('!'), spec.strip_suffix('?')) {
            (Some(name), _) => (name, false),
            (_, Some(name)) => (name, true),
            _ => (spec, true),
        };
        let schema = match what {
            Inserted::Topic | Inserted::Static => Schema::new(SchemaType::String),
            Inserted::Partition => Schema::new(SchemaType::Int32),
            Inserted::Offset => Schema::new(SchemaType::Int64),
            Inserted::Timestamp => Schema::new(SchemaType::Int64).named(Schema::TIMESTAMP).with_version(1),
        };
        let schema = if optional { schema.optional() } else { schema };
        Self { what, name: name.into(), schema: schema.into_ref() }
    }
}

impl Transformation for InsertField {
    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        let side = self.side;
        if side.of(&mut record).value.is_null() {
            return Ok(record.into());
        }
        let inserted = self.values(&record)?;
        let datum = side.of(&mut record);
        match fields_of(datum, PURPOSE)? {
            Fields::Map(_) => {
                for (insertion, value) in self.insertions.iter().zip(inserted) {
                    // Without a schema, a timestamp is a number.
                    let value = match value {
                        Some(Value::Timestamp(millis)) => Value::Int64(millis),
                        Some(value) => value,
                        None => continue,
                    };
                    datum.value.insert(insertion.name.clone(), value)?;
                }
            }
            Fields::Struct(object) => *datum = self.with_inserted(object, inserted)?,
        }
        Ok(record.into())
    }
}

fn with_fields(schema: &Schema, insertions: &[Insertion]) -> Result<SchemaRef> {
    let mut fields = schema.fields.clone();
    for insertion in insertions {
        let name = insertion.name.clone();
        if fields.iter().any(|known| known.name == name) {
            return Err(Error::data(format!("Cannot create field because of field name duplication {name}")));
        }
        fields.push(Field::new(name, insertion.schema.clone()));
    }
    Ok(schema.copy_basics().with_fields(fields).into_ref())
}
