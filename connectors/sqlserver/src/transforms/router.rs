use tributary_api::{
    Config, ConfigDef, ConfigIssue, ConfigKey, ConfigType, Datum, Error, Field, Importance, JavaRegex, JavaReplacement,
    Plugin, Record, Records, Result, Schema, SchemaCache, SchemaRef, SchemaType, Struct, Topic, TransformContext,
    Transformation, Value,
};

use super::has_envelope;
use crate::record::Adjustment;

const CLASS: &str = "io.debezium.transforms.ByLogicalTableRouter";

pub(super) fn plugin() -> Plugin {
    let text = |name: &str| ConfigKey::new(name, ConfigType::String).importance(Importance::Low);
    let config = ConfigDef::new([
        text("topic.regex")
            .required()
            .importance(Importance::High)
            .doc("A Java regular expression that the whole name of a topic must match."),
        text("topic.replacement")
            .required()
            .importance(Importance::High)
            .doc("The new name; $1 is replaced by the first group of the match."),
        ConfigKey::new("key.enforce.uniqueness", ConfigType::Boolean)
            .default(true)
            .importance(Importance::Low)
            .doc("Whether keys have a field that identifies their table."),
        text("key.field.regex").doc(
            "A Java regular expression of topics, for that field's value. The whole name of the topic without it.",
        ),
        text("key.field.name").default("__dbz__physicalTableIdentifier").doc("The name of that field."),
        text("key.field.replacement").doc("That field's value; $1 is replaced by the first group of the match."),
        text("schema.name.adjustment.mode")
            .default("none")
            .enumeration(&["none", "avro", "avro_unicode"])
            .doc("How schema names that Avro does not allow are changed: none (not at all), avro (underscores), avro_unicode (character numbers)."),
        ConfigKey::new("logical.table.cache.size", ConfigType::Int)
            .default(16)
            .importance(Importance::Low)
            .doc("How many schemas are cached. Has no effect: the limit is fixed."),
    ])
    .check(|config| {
        let given = |name: &str| Ok(config.optional_string(name)?.is_some_and(|text| !text.trim().is_empty()));
        if given("key.field.regex")? && !given("key.field.replacement")? {
            let message = "key.field.replacement must be non-empty if key.field.regex is set.";
            return Ok(vec![ConfigIssue::new("key.field.replacement", message)]);
        }
        Ok::<_, Error>(Vec::new())
    });
    Plugin::transformation(CLASS, env!("CARGO_PKG_VERSION"), config, ByLogicalTableRouter::new)
        .doc("Sends the changes of several tables to one topic, with the same schema names, and keys that identify the table.")
}

struct ByLogicalTableRouter {
    regex: JavaRegex,
    replacement: JavaReplacement,
    key_regex: Option<(JavaRegex, JavaReplacement)>,
    key_field: Option<String>,
    adjustment: Adjustment,
    keys: SchemaCache,
    envelopes: SchemaCache<2>,
    rows: SchemaCache,
}

impl ByLogicalTableRouter {
    fn new(config: &Config) -> Result<Self> {
        let regex = JavaRegex::new("topic.regex", config.string("topic.regex")?)?;
        let replacement = regex.replacement("topic.replacement", config.string("topic.replacement")?)?;
        let key_regex = config.optional_string("key.field.regex")?.map(str::trim).filter(|text| !text.is_empty());
        let key_regex = match key_regex {
            None => None,
            Some(text) => {
                let regex = JavaRegex::new("key.field.regex", text)?;
                let replacement = config.optional_string("key.field.replacement")?.unwrap_or_default();
                let replacement = regex.replacement("key.field.replacement", replacement)?;
                Some((regex, replacement))
            }
        };
        let unique = config.boolean("key.enforce.uniqueness")?;
        let adjustments =
            [("none", Adjustment::None), ("avro", Adjustment::Avro), ("avro_unicode", Adjustment::AvroUnicode)];
        Ok(Self {
            regex,
            replacement,
            key_regex,
            key_field: unique.then(|| config.string("key.field.name").map(str::to_owned)).transpose()?,
            adjustment: config.choice("schema.name.adjustment.mode", &adjustments)?,
            keys: SchemaCache::default(),
            envelopes: SchemaCache::default(),
            rows: SchemaCache::default(),
        })
    }

    fn name(&self, topic: &str, ending: &str) -> String {
        self.adjustment.schema_name(&format!("{topic}.{ending}")).into_owned()
    }

    fn key(&mut self, key: Struct, old_topic: &str, new_topic: &str) -> Result<Datum> {
        let name = self.name(new_topic, "Key");
        let (old, mut values) = key.into_parts();
        let key_field = &self.key_field;
        let schema = derived(&mut self.keys, [&old], &name, || {
            let mut schema = renamed(&old, &name);
            let text = || Schema::new(SchemaType::String).into_ref();
            schema.fields.extend(key_field.as_ref().map(|field| Field::new(field.clone(), text())));
            schema
        })?;
        if self.key_field.is_some() {
            let replaced = match &self.key_regex {
                Some((regex, replacement)) => regex.replace(old_topic, replacement)?,
                None => None,
            };
            values.push(replaced.unwrap_or_else(|| old_topic.to_owned()).into());
        }
        Ok(Datum::new(SchemaRef::clone(&schema), Struct::new(schema, values)?))
    }

    fn envelope(&mut self, envelope: Struct, new_topic: &str) -> Result<Datum> {
        let (row_name, name) = (self.name(new_topic, "Value"), self.name(new_topic, "Envelope"));
        let (old, mut values) = envelope.into_parts();
        let Some(before) = old.field_index("before").map(|place| SchemaRef::clone(&old.fields[place].schema)) else {
            return Err(Error::data(format!("{CLASS}: a change has no field before")));
        };
        let row = derived(&mut self.rows, [&before], &row_name, || renamed(&before, &row_name))?;
        let schema = derived(&mut self.envelopes, [&old, &row], &name, || {
            let mut schema = renamed(&old, &name);
            for field in schema.fields.iter_mut().filter(|field| is_row(field)) {
                field.schema = SchemaRef::clone(&row);
            }
            schema
        })?;
        for (field, value) in old.fields.iter().zip(&mut values).filter(|(field, _)| is_row(field)) {
            if let Value::Struct(old) = std::mem::take(value) {
                let (_, parts) = old.into_parts();
                let part = Struct::new(SchemaRef::clone(&row), parts);
                *value = part.map_err(|error| error.context(format!("in {}", field.name)))?.into();
            }
        }
        Ok(Datum::new(SchemaRef::clone(&schema), Struct::new(schema, values)?))
    }
}

fn is_row(field: &Field) -> bool {
    matches!(&*field.name, "before" | "after")
}

/// The derived schema of this name. The sources alone do not identify it: topics with the same schema may have different
/// new names.
fn derived<const N: usize>(
    cache: &mut SchemaCache<N>,
    sources: [&SchemaRef; N],
    name: &str,
    derive: impl Fn() -> Schema,
) -> Result<SchemaRef> {
    let known = cache.get(sources, || Ok(derive().into_ref()))?;
    let has_name = known.name.as_ref().is_some_and(|known| known == name);
    Ok(if has_name { known } else { derive().into_ref() })
}

/// The same schema under another name, without its default.
fn renamed(schema: &Schema, name: &str) -> Schema {
    let mut schema = schema.clone().named(name.to_owned());
    schema.default = None;
    schema
}

impl Transformation for ByLogicalTableRouter {
    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        let Some(topic) = self.regex.replace(&record.topic, &self.replacement)? else { return Ok(record.into()) };
        if topic.is_empty() {
            tracing::warn!(topic = %record.topic, "topic.replacement makes an empty name: the record keeps its topic");
            return Ok(record.into());
        }
        match std::mem::take(&mut record.key.value) {
            Value::Null => record.key = Datum::NULL,
            Value::Struct(key) => record.key = self.key(key, &record.topic, &topic)?,
            _ => return Err(Error::data(format!("{CLASS}: the key is not a structure"))),
        }
        if has_envelope(&record)
            && let Value::Struct(envelope) = std::mem::take(&mut record.value.value)
        {
            record.value = self.envelope(envelope, &topic)?;
        }
        record.topic = Topic::from(topic);
        Ok(record.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tributary_api::{Factory, Props};

    use super::*;

    fn apply(props: &[(&str, &str)], record: Record) -> Record {
        let plugin = plugin();
        let usual = [("topic.regex", "(.*)_shard(.)"), ("topic.replacement", "$1")];
        let props = usual.iter().chain(props).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = plugin.description.config.parse(&props.collect::<Props>()).unwrap();
        let Factory::Transformation(make) = &plugin.factory else { panic!("no transformation") };
        match make(&config).unwrap().apply(record, &mut TransformContext::stateless(0)).unwrap() {
            Records::One(record) => record,
            _ => panic!("not one"),
        }
    }

    fn change(topic: &str) -> Record {
        let number = Schema::new(SchemaType::Int32).into_ref();
        let key = Schema::structure([("id", number.clone())]).named(format!("{topic}.Key")).into_ref();
        let row = Schema::structure([("id", number)]).named(format!("{topic}.Value")).optional().into_ref();
        let fields = [("before", row.clone()), ("after", row.clone())];
        let envelope = Schema::structure(fields).named(format!("{topic}.Envelope")).with_version(2).into_ref();
        let id = |schema: &SchemaRef| Struct::new(schema.clone(), vec![Value::Int32(1)]).unwrap();
        let value = Struct::new(envelope.clone(), vec![Value::Null, id(&row).into()]).unwrap();
        Record::new(topic, Datum::new(envelope, value)).with_key(Datum::new(key.clone(), id(&key)))
    }

    fn json(value: &Value) -> String {
        String::from_utf8(tributary_api::json::to_vec(value).unwrap()).unwrap()
    }

    #[test]
    fn tables_share_a_topic_and_keys_say_which_one() {
        let routed = apply(&[], change("db.t_shard1"));
        assert_eq!(&*routed.topic, "db.t");
        assert_eq!(json(&routed.key.value), r#"{"id":1,"__dbz__physicalTableIdentifier":"db.t_shard1"}"#);
        assert_eq!(json(&routed.value.value), r#"{"before":null,"after":{"id":1}}"#);
        let (key, envelope) = (routed.key.schema.unwrap(), routed.value.schema.unwrap());
        let names = [&key, &envelope, &envelope.fields[1].schema].map(|schema| schema.name.as_deref().unwrap());
        assert_eq!(names, ["db.t.Key", "db.t.Envelope", "db.t.Value"]);
        assert!(envelope.version == Some(2) && envelope.fields[0].schema.optional);
        let other = change("db.other");
        assert_eq!(apply(&[], other.clone()), other);
    }

    #[test]
    fn the_keys_field_is_made_of_the_topic_or_left_out() {
        let props =
            [("key.field.regex", "(.*)_shard(.)"), ("key.field.replacement", "$2"), ("key.field.name", "shard")];
        assert_eq!(json(&apply(&props, change("t_shard1")).key.value), r#"{"id":1,"shard":"1"}"#);
        let plain = apply(&[("key.enforce.uniqueness", "false")], change("t_shard1"));
        assert_eq!(json(&plain.key.value), r#"{"id":1}"#);
        let mut tombstone = change("t_shard1");
        tombstone.value = Datum::NULL;
        let routed = apply(&[], tombstone);
        assert!(routed.value.value.is_null() && &*routed.topic == "t");
    }

    /// Tables without names in their schemas have equal schemas, as after JsonConverter.
    #[test]
    fn equal_schemas_of_two_topics_get_the_name_of_their_own_topic() {
        let props = [("topic.regex", "(.*)_shard(.)"), ("topic.replacement", "$1")];
        let props = props.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let config = plugin().description.config.parse(&props).unwrap();
        let mut router = ByLogicalTableRouter::new(&config).unwrap();
        for topic in ["a", "b", "a"] {
            let mut record = change("any");
            record.topic = format!("{topic}_shard1").into();
            let Records::One(routed) = router.apply(record, &mut TransformContext::stateless(0)).unwrap() else {
                panic!("not one")
            };
            let (key, envelope) = (routed.key.schema.unwrap(), routed.value.schema.unwrap());
            let names = [&key, &envelope, &envelope.fields[0].schema].map(|schema| schema.name.as_deref().unwrap());
            assert_eq!(names, [format!("{topic}.Key"), format!("{topic}.Envelope"), format!("{topic}.Value")]);
        }
    }

    #[test]
    fn an_expression_for_the_key_needs_a_replacement() {
        let props = [("topic.regex", "a"), ("topic.replacement", "b"), ("key.field.regex", "c")];
        let props = props.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let error = plugin().description.config.parse(&props).unwrap_err();
        assert!(error.to_string().contains("key.field.replacement must be non-empty"), "{error}");
    }
}
