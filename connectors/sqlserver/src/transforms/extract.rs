use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, Field, Importance, Plugin, Record, Records, Result, Schema,
    SchemaCache, SchemaRef, SchemaType, Struct, Topic, TransformContext, Transformation, Value,
};

use super::field_reference::FieldReference;
use super::has_envelope;
use super::schemas::{or_default, without};

const CLASS: &str = "io.debezium.transforms.ExtractNewRecordState";
const DELETED: &str = "__deleted";

pub(super) fn plugin() -> Plugin {
    let text = |name: &str, default: &str| ConfigKey::new(name, ConfigType::String).default(default);
    let list = |name: &str| ConfigKey::new(name, ConfigType::List).default("").importance(Importance::Low);
    let flag = |name: &str, default: bool| {
        ConfigKey::new(name, ConfigType::Boolean).default(default).importance(Importance::Low)
    };
    let modes = ["drop", "tombstone", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"];
    let config = ConfigDef::new([
        text("delete.tombstone.handling.mode", "tombstone").enumeration(&modes).doc("How a delete and the tombstone after it are handled: drop (nothing), tombstone (one record without a value, of the delete), rewrite (the row before the delete, with the field __deleted), rewrite-with-tombstone (both), delete-to-tombstone (one record without a value and without a schema)."),
        text("route.by.field", "").importance(Importance::Low).doc("A field of the row whose value is the record's topic."),
        text("add.fields.prefix", "__").importance(Importance::Low).doc("The beginning of the names of added fields."),
        list("add.fields").doc("Fields of the change that are added to the row, such as op, table, source.ts_ms, or version:VERSION for another name."),
        text("add.headers.prefix", "__").importance(Importance::Low).doc("The beginning of the names of added headers."),
        list("add.headers").doc("Fields of the change that become headers."),
        flag("replace.null.with.default", true).doc("Whether null is replaced by a field's default when a row is rewritten."),
        ConfigKey::new("drop.fields.header.name", ConfigType::String).importance(Importance::Low).doc("A header with a list of fields that are left out."),
        flag("drop.fields.from.key", false).doc("Whether these fields are left out of the key, too."),
        flag("drop.fields.keep.schema.compatible", true).doc("Whether only optional fields are left out."),
    ]);
    Plugin::transformation(CLASS, env!("CARGO_PKG_VERSION"), config, ExtractNewRecordState::new).doc(
        "Takes the new row out of a change that a connector of Debezium's has written. Other records pass unchanged.",
    )
}

/// `delete.tombstone.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deletes {
    Drop,
    Tombstone,
    Rewrite,
    RewriteWithTombstone,
    DeleteToTombstone,
}

struct ExtractNewRecordState {
    deletes: Deletes,
    route_by: Option<String>,
    fields: Vec<FieldReference>,
    headers: Vec<FieldReference>,
    replace_null: bool,
    drop_header: Option<String>,
    drop_from_key: bool,
    keep_compatible: bool,
    rows: SchemaCache<2>,
    keys: SchemaCache,
    values: SchemaCache,
    deleted: SchemaRef,
}

impl ExtractNewRecordState {
    fn new(config: &Config) -> Result<Self> {
        let modes = [
            ("drop", Deletes::Drop),
            ("tombstone", Deletes::Tombstone),
            ("rewrite", Deletes::Rewrite),
            ("rewrite-with-tombstone", Deletes::RewriteWithTombstone),
            ("delete-to-tombstone", Deletes::DeleteToTombstone),
        ];
        let references =
            |name: &str| FieldReference::list(name, config.string(&format!("{name}.prefix"))?, config.list(name)?);
        let route_by = config.string("route.by.field")?;
        let drop_header = config.optional_string("drop.fields.header.name")?.filter(|name| !name.trim().is_empty());
        Ok(Self {
            deletes: config.choice("delete.tombstone.handling.mode", &modes)?,
            route_by: (!route_by.is_empty()).then(|| route_by.to_owned()),
            fields: references("add.fields")?,
            headers: references("add.headers")?,
            replace_null: config.boolean("replace.null.with.default")?,
            drop_header: drop_header.map(str::to_owned),
            drop_from_key: config.boolean("drop.fields.from.key")?,
            keep_compatible: config.boolean("drop.fields.keep.schema.compatible")?,
            rows: SchemaCache::default(),
            keys: SchemaCache::default(),
            values: SchemaCache::default(),
            deleted: Schema::new(SchemaType::String).optional().into_ref(),
        })
    }

    fn rewrites(&self) -> bool {
        matches!(self.deletes, Deletes::Rewrite | Deletes::RewriteWithTombstone)
    }

    fn tombstone(&self, mut record: Record) -> Records {
        for header in self.headers.iter().filter(|header| header.field == "op") {
            let text = Schema::new(SchemaType::String).into_ref();
            record.headers.push(header.new_name.clone(), Datum::new(text, "d"));
        }
        if self.deletes == Deletes::RewriteWithTombstone { record.into() } else { Records::None }
    }

    fn change(&mut self, mut record: Record) -> Result<Records> {
        let Value::Struct(envelope) = std::mem::take(&mut record.value.value) else {
            return Err(Error::data(format!("{CLASS}: a change is not a structure")));
        };
        for header in &self.headers {
            if let Some(schema) = header.schema(envelope.schema()) {
                record.headers.push(header.new_name.clone(), Datum::new(schema.into_ref(), header.value(&envelope)));
            }
        }
        let part = |name: &str| match envelope.get(name) {
            Some(Value::Struct(row)) => Some(row),
            _ => None,
        };
        match (part("after"), part("before")) {
            (Some(after), _) => {
                self.route(&mut record, after)?;
                let value = self.row(after, &envelope, "false")?;
                record.value = datum(value);
                self.drop_fields(&mut record)?;
            }
            // A truncation.
            (None, None) => return Ok(Records::None),
            (None, Some(before)) => match self.deletes {
                Deletes::Drop => return Ok(Records::None),
                Deletes::Tombstone => {
                    self.route(&mut record, before)?;
                    let after = envelope.schema().field_index("after").map(|place| &envelope.schema().fields[place]);
                    let schema = after.map(|field| SchemaRef::clone(&field.schema));
                    record.value = Datum { schema, ..Datum::NULL };
                    self.drop_fields(&mut record)?;
                }
                Deletes::DeleteToTombstone => {
                    self.route(&mut record, before)?;
                    record.value = Datum::NULL;
                    self.drop_fields(&mut record)?;
                }
                Deletes::Rewrite | Deletes::RewriteWithTombstone => {
                    self.route(&mut record, before)?;
                    let dropped = self.dropped(&record);
                    let before = self.compatible(before.clone(), &dropped)?;
                    let value = self.row(&before, &envelope, "true")?;
                    record.value = datum(value);
                    self.drop_key_fields(&mut record, &dropped)?;
                }
            },
        }
        Ok(record.into())
    }

    fn route(&self, record: &mut Record, row: &Struct) -> Result<()> {
        let Some(field) = &self.route_by else { return Ok(()) };
        match row.get(field) {
            Some(Value::String(topic)) if !topic.trim().is_empty() => record.topic = Topic::from(&**topic),
            Some(Value::String(_) | Value::Null) => {}
            Some(_) => return Err(Error::data(format!("route.by.field: {field} is not a string"))),
            None => return Err(Error::data(format!("route.by.field: the row has no field {field}"))),
        }
        Ok(())
    }

    /// The row with the added fields.
    fn row(&mut self, row: &Struct, envelope: &Struct, deleted: &'static str) -> Result<Struct> {
        let (rewrites, fields, text) = (self.rewrites(), &self.fields, &self.deleted);
        let schema = self.rows.get([row.schema(), envelope.schema()], || {
            let mut all = row.schema().fields.clone();
            if rewrites {
                all.push(Field::new(DELETED, SchemaRef::clone(text)));
            }
            for field in fields {
                let schema = field.schema(envelope.schema());
                all.extend(schema.map(|schema| Field::new(field.new_name.clone(), schema.into_ref())));
            }
            Ok(row.schema().copy_basics().with_fields(all).into_ref())
        })?;
        let mut values = row.values().to_vec();
        if rewrites {
            if self.replace_null {
                let fields = row.schema().fields.iter().zip(values);
                values = fields.map(|(field, value)| or_default(&field.schema, value)).collect();
            }
            values.push(deleted.into());
        }
        for field in fields.iter().filter(|field| field.schema(envelope.schema()).is_some()) {
            values.push(field.value(envelope));
        }
        Struct::new(schema, values)
    }

    /// The names in the header that lists fields to drop.
    fn dropped(&self, record: &Record) -> Vec<String> {
        let header =
            self.drop_header.as_ref().and_then(|name| record.headers.iter().find(|header| header.name == *name));
        let names = header.and_then(|header| header.datum.value.as_array()).unwrap_or_default();
        names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    fn drop_fields(&mut self, record: &mut Record) -> Result<()> {
        let dropped = self.dropped(record);
        self.drop_key_fields(record, &dropped)?;
        if let Value::Struct(row) = std::mem::take(&mut record.value.value) {
            record.value = datum(self.compatible(row, &dropped)?);
        }
        Ok(())
    }

    fn drop_key_fields(&mut self, record: &mut Record, dropped: &[String]) -> Result<()> {
        if !self.drop_from_key {
            return Ok(());
        }
        if let Value::Struct(key) = &record.key.value {
            let names = self.names(key.schema(), dropped);
            if !names.is_empty() {
                record.key = datum(without(key.clone(), &names, &mut self.keys)?);
            }
        }
        Ok(())
    }

    fn compatible(&mut self, row: Struct, dropped: &[String]) -> Result<Struct> {
        let names = self.names(row.schema(), dropped);
        if names.is_empty() { Ok(row) } else { without(row, &names, &mut self.values) }
    }

    fn names(&self, schema: &Schema, dropped: &[String]) -> Vec<String> {
        let goes = |name: &&String| {
            let place = schema.field_index(name);
            place.is_some_and(|place| !self.keep_compatible || schema.fields[place].schema.optional)
        };
        dropped.iter().filter(goes).cloned().collect()
    }
}

fn datum(value: Struct) -> Datum {
    Datum::new(SchemaRef::clone(value.schema()), value)
}

impl Transformation for ExtractNewRecordState {
    fn apply(&mut self, record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        if record.value.value.is_null() {
            return Ok(self.tombstone(record));
        }
        if !has_envelope(&record) {
            return Ok(record.into());
        }
        self.change(record)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tributary_api::{Factory, Props};

    use super::*;

    /// A change of a row with the fields id, and a text with a default.
    fn change(operation: &'static str, before: Option<Value>, after: Option<Value>) -> Record {
        let text = Schema::new(SchemaType::String).into_ref();
        let number = Schema::new(SchemaType::Int32).into_ref();
        let named = Schema::new(SchemaType::String).optional().with_default("none").into_ref();
        let row = Schema::structure([("id", number), ("name", named)]).named("t.Value").optional().into_ref();
        let source = Schema::structure([("table", text.clone())]).into_ref();
        let fields = [("before", row.clone()), ("after", row.clone()), ("source", source.clone()), ("op", text)];
        let schema = Schema::structure(fields).named("t.Envelope").into_ref();
        let struct_of = |values: Value| -> Value {
            let name = values;
            Struct::new(row.clone(), vec![Value::Int32(1), name]).unwrap().into()
        };
        let part = |part: Option<Value>| part.map_or(Value::Null, struct_of);
        let source = Struct::new(source, vec!["t".into()]).unwrap().into();
        let values = vec![part(before), part(after), source, operation.into()];
        let value = Struct::new(schema.clone(), values).unwrap();
        Record::new("topic", Datum::new(schema, value))
    }

    fn tombstone() -> Record {
        Record::new("topic", Datum::NULL)
    }

    fn apply(props: &[(&str, &str)], record: Record) -> Option<Record> {
        let plugin = plugin();
        let props: Props = props.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let config = plugin.description.config.parse(&props).unwrap();
        let Factory::Transformation(make) = &plugin.factory else { panic!("no transformation") };
        match make(&config).unwrap().apply(record, &mut TransformContext::stateless(0)).unwrap() {
            Records::None => None,
            Records::One(record) => Some(record),
            Records::Many(_) => panic!("more than one"),
        }
    }

    fn json(record: &Record) -> String {
        String::from_utf8(tributary_api::json::to_vec(&record.value.value).unwrap()).unwrap()
    }

    const MODE: &str = "delete.tombstone.handling.mode";

    #[test]
    fn the_new_row_is_taken_out_and_others_pass() {
        let created = apply(&[], change("c", None, Some(Value::Null))).unwrap();
        assert_eq!(json(&created), r#"{"id":1,"name":null}"#, "null stays null");
        let schema = created.value.schema.unwrap();
        assert_eq!((schema.name.as_deref(), schema.optional), (Some("t.Value"), false));
        let other = Record::new("topic", Datum::schemaless("text"));
        assert_eq!(apply(&[], other.clone()), Some(other));
        assert_eq!(apply(&[], change("t", None, None)), None, "a truncation");
    }

    #[test]
    fn modes_say_what_becomes_of_deletes() {
        let delete = || change("d", Some("a".into()), None);
        let with = |mode: &str, record: Record| apply(&[(MODE, mode)], record);
        assert_eq!([with("drop", delete()), with("drop", tombstone())], [None, None]);
        let left = with("tombstone", delete()).unwrap();
        assert!(left.value.value.is_null() && left.value.schema.is_some(), "as Debezium's");
        assert_eq!(with("tombstone", tombstone()), None);
        let plain = with("delete-to-tombstone", delete()).unwrap();
        assert_eq!(plain.value, Datum::NULL);
        for mode in ["rewrite", "rewrite-with-tombstone"] {
            let deleted = json(&with(mode, delete()).unwrap());
            assert_eq!(deleted, r#"{"id":1,"name":"a","__deleted":"true"}"#);
            let created = json(&with(mode, change("c", None, Some(Value::Null))).unwrap());
            assert_eq!(created, r#"{"id":1,"name":"none","__deleted":"false"}"#, "a default replaces null");
        }
        assert_eq!(with("rewrite", tombstone()), None);
        assert_eq!(with("rewrite-with-tombstone", tombstone()), Some(tombstone()));
    }

    #[test]
    fn fields_and_headers_are_added_and_topics_are_of_fields() {
        let props = [
            ("add.fields", "op,source.table,missing"),
            ("add.headers", "op:operation,table"),
            ("route.by.field", "name"),
        ];
        let record = apply(&props, change("u", None, Some("elsewhere".into()))).unwrap();
        assert_eq!(json(&record), r#"{"id":1,"name":"elsewhere","__op":"u","__source_table":"t"}"#);
        assert_eq!(&*record.topic, "elsewhere");
        let headers: Vec<(&str, Option<&str>)> =
            record.headers.iter().map(|header| (&*header.name, header.datum.value.as_str())).collect();
        assert_eq!(headers, [("__operation", Some("u")), ("__table", Some("t"))]);
        let schema = record.value.schema.unwrap();
        assert!(schema.fields[2].schema.optional);
        let kept = apply(&[(MODE, "rewrite-with-tombstone"), props[1]], tombstone()).unwrap();
        assert_eq!(kept.headers.last("__operation").unwrap().datum.value, "d".into());
    }

    #[test]
    fn a_header_lists_what_is_left_out() {
        let props = [("drop.fields.header.name", "drop")];
        let mut record = change("c", None, Some("a".into()));
        record.headers.push("drop", Datum::schemaless(Value::Array(vec!["id".into(), "name".into()])));
        assert_eq!(json(&apply(&props, record.clone()).unwrap()), r#"{"id":1}"#, "id is not optional");
        let all = [props[0], ("drop.fields.keep.schema.compatible", "false")];
        assert_eq!(json(&apply(&all, record).unwrap()), "{}");
    }
}
