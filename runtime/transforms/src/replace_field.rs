use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tributary_api::{
    ByteString, Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, Factory, Field, Importance, KAFKA_VERSION,
    Plugin, Record, Records, Result, Schema, SchemaCache, SchemaRef, Struct, TransformContext, Transformation,
    Validator, Value,
};

use crate::support::{Fields, REPLACE_NULL, Side, field_value, fields_of, replace_null_key};

const EXCLUDE: &str = "exclude";
const INCLUDE: &str = "include";
const RENAMES: &str = "renames";
const DISTINCT: Validator = Validator::Distinct { empty: true };

pub(crate) fn plugins() -> [Plugin; 2] {
    Side::BOTH.map(|side| {
        let list =
            |name, doc| ConfigKey::new(name, ConfigType::List).default("").importance(Importance::Medium).doc(doc);
        let config = ConfigDef::new([
            list(EXCLUDE, "Fields to leave out, even if they are included.").validator(DISTINCT),
            list(INCLUDE, "Fields to keep; all when not given.").validator(DISTINCT),
            list(RENAMES, "New names of fields, as pairs old:new separated by commas."),
            replace_null_key(),
        ]);
        let make = move |config: &Config| ReplaceField::new(side, config);
        let factory = Factory::Transformation(Arc::new(move |config| Ok(Box::new(make(config)?))));
        Plugin::new(side.class("org.apache.kafka.connect.transforms.ReplaceField"), KAFKA_VERSION, config, factory)
            .doc("Leaves fields out and renames them; null stays null.")
    })
}

struct ReplaceField {
    side: Side,
    exclude: HashSet<String>,
    include: HashSet<String>,
    renames: HashMap<String, ByteString>,
    new_names: HashSet<ByteString>,
    replace_null: bool,
    schemas: SchemaCache,
}

impl ReplaceField {
    fn new(side: Side, config: &Config) -> Result<Self> {
        let set = |name| config.list(name).map(|fields| fields.iter().cloned().collect());
        let rename = |pair: &String| match pair.split_once(':') {
            Some((old, new)) if !new.is_empty() && !new.contains(':') => Ok((old.to_owned(), new.into())),
            _ => {
                let all = config.list(RENAMES).map(|pairs| pairs.join(", ")).unwrap_or_default();
                let message =
                    format!("Invalid value [{all}] for configuration {RENAMES}: Invalid rename mapping: {pair}");
                Err(Error::config_at(RENAMES, message))
            }
        };
        let renames: HashMap<String, ByteString> = config.list(RENAMES)?.iter().map(rename).collect::<Result<_>>()?;
        Ok(Self {
            side,
            exclude: set(EXCLUDE)?,
            include: set(INCLUDE)?,
            new_names: renames.values().cloned().collect(),
            renames,
            replace_null: config.boolean(REPLACE_NULL)?,
            schemas: SchemaCache::default(),
        })
    }

    fn keeps(&self, field: &str) -> bool {
        !self.exclude.contains(field) && (self.include.is_empty() || self.include.contains(field))
    }

    fn replace_in_map(&self, entries: &mut Vec<(Value, Value)>) {
        entries.retain(|(key, _)| key.as_str().is_none_or(|name| self.keeps(name)));
        if self.renames.is_empty() {
            return;
        }
        // Only a new name can collide with an existing one: then the later value counts, at the first one's index.
        let mut places: HashMap<ByteString, usize> = HashMap::new();
        let mut renamed: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
        for (mut key, value) in entries.drain(..) {
            if let Some(name) = key.as_str().and_then(|name| self.renames.get(name)) {
                key = Value::String(name.clone());
            }
            let known = match &key {
                Value::String(name) if self.new_names.contains(name) => places.insert(name.clone(), renamed.len()),
                _ => None,
            };
            match (known, &key) {
                (Some(place), Value::String(name)) => {
                    renamed[place].1 = value;
                    places.insert(name.clone(), place);
                }
                _ => renamed.push((key, value)),
            }
        }
        *entries = renamed;
    }

    fn replace_in_struct(&mut self, object: &Struct) -> Result<Datum> {
        let mut schemas = std::mem::take(&mut self.schemas);
        let schema = schemas.get([object.schema()], || self.changed_schema(object.schema()));
        self.schemas = schemas;
        let schema = schema?;
        let kept = object.schema().fields.iter().zip(object.values()).filter(|(field, _)| self.keeps(&field.name));
        let values = kept.map(|(field, value)| field_value(&field.schema, value.clone(), self.replace_null)).collect();
        Ok(Datum::new(schema.clone(), Struct::new(schema, values)?))
    }

    fn changed_schema(&self, schema: &Schema) -> Result<SchemaRef> {
        let mut fields: Vec<Field> = Vec::with_capacity(schema.fields.len());
        for field in schema.fields.iter().filter(|field| self.keeps(&field.name)) {
            let name = self.renames.get(&*field.name).unwrap_or(&field.name).clone();
            if fields.iter().any(|known| known.name == name) {
                return Err(Error::data(format!("Cannot create field because of field name duplication {name}")));
            }
            fields.push(Field::new(name, field.schema.clone()));
        }
        Ok(schema.copy_basics().with_fields(fields).into_ref())
    }
}

impl Transformation for ReplaceField {
    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        let datum = self.side.of(&mut record);
        if datum.value.is_null() {
            return Ok(record.into());
        }
        match fields_of(datum, "field replacement")? {
            Fields::Map(entries) => self.replace_in_map(entries),
            Fields::Struct(object) => *datum = self.replace_in_struct(object)?,
        }
        Ok(record.into())
    }
}
