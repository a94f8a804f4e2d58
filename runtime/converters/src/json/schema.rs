//! Schemas as JSON.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Write as _;

use bytestring::ByteString;
use tributary_api::{Error, Field, Result, Schema, SchemaType, Value};

use super::decimal;
use super::read::Reader;
use super::required;
use super::scan::{Kind, Scanner};
use super::write::{Writer, text};

/// Writes a schema; one of a field has the field's name in it.
pub(super) fn write(json: &mut Vec<u8>, schema: &Schema, field: Option<&str>, writer: &Writer) -> Result<()> {
    json.extend_from_slice(b"{\"type\":");
    text(json, type_name(schema.kind));
    match schema.kind {
        SchemaType::Array => {
            json.extend_from_slice(b",\"items\":");
            write_optional(json, schema.value_schema.as_deref(), writer)?;
        }
        SchemaType::Map => {
            json.extend_from_slice(b",\"keys\":");
            write_optional(json, schema.key_schema.as_deref(), writer)?;
            json.extend_from_slice(b",\"values\":");
            write_optional(json, schema.value_schema.as_deref(), writer)?;
        }
        SchemaType::Struct => {
            json.extend_from_slice(b",\"fields\":[");
            for (index, field) in schema.fields.iter().enumerate() {
                if index > 0 {
                    json.push(b',');
                }
                write(json, &field.schema, Some(&field.name), writer)?;
            }
            json.push(b']');
        }
        _ => {}
    }
    json.extend_from_slice(if schema.optional { b",\"optional\":true" } else { b",\"optional\":false" });
    if let Some(name) = &schema.name {
        json.extend_from_slice(b",\"name\":");
        text(json, name);
    }
    if let Some(version) = schema.version {
        write!(json, ",\"version\":{version}").map_err(|error| Error::data("cannot write JSON").cause(&error))?;
    }
    if let Some(doc) = &schema.doc {
        json.extend_from_slice(b",\"doc\":");
        text(json, doc);
    }
    for (index, (name, value)) in schema.parameters.iter().enumerate() {
        json.extend_from_slice(if index == 0 { b",\"parameters\":{" } else { b"," });
        text(json, name);
        json.push(b':');
        text(json, value);
    }
    if !schema.parameters.is_empty() {
        json.push(b'}');
    }
    if let Some(default) = schema.default.as_ref().filter(|default| !default.is_null()) {
        json.extend_from_slice(b",\"default\":");
        writer.with_schema(json, schema, default)?;
    }
    if let Some(field) = field {
        json.extend_from_slice(b",\"field\":");
        text(json, field);
    }
    json.push(b'}');
    Ok(())
}

fn write_optional(json: &mut Vec<u8>, schema: Option<&Schema>, writer: &Writer) -> Result<()> {
    match schema {
        Some(schema) => write(json, schema, None, writer),
        None => {
            json.extend_from_slice(b"null");
            Ok(())
        }
    }
}

/// Reads a schema from its JSON; null is no schema.
pub(super) fn read(json: &str, reader: &Reader<'_>) -> Result<Option<Schema>> {
    let mut scanner = Scanner::new(json);
    let object = match scanner.kind()? {
        Kind::Null => return Ok(None),
        Kind::Object => Object::read(&mut scanner)?,
        _ => Object::default(),
    };
    let kind = object.text("type")?.ok_or_else(|| Error::data("Schema must contain 'type' field"))?;
    let kind = type_named(&kind).ok_or_else(|| Error::data(format!("Unknown schema type: {kind}")))?;
    let mut schema = Schema::new(kind);
    match kind {
        SchemaType::Array => {
            let items = object.get("items").map(|items| read(items, reader)).transpose()?.flatten();
            let items = items.ok_or_else(|| Error::data("Array schema did not specify the element type"))?;
            schema.value_schema = Some(items.into_ref());
        }
        SchemaType::Map => {
            let missing = |what| move || Error::data(format!("Map schema did not specify the {what} type"));
            let keys = object.get("keys").ok_or_else(missing("key"))?;
            let values = object.get("values").ok_or_else(missing("value"))?;
            let null = |what| move || Error::data(format!("{what}Schema cannot be null."));
            schema.key_schema = Some(read(keys, reader)?.ok_or_else(null("key"))?.into_ref());
            schema.value_schema = Some(read(values, reader)?.ok_or_else(null("value"))?.into_ref());
        }
        SchemaType::Struct => schema.fields = fields(&object, reader)?,
        _ => {}
    }
    schema.optional = object.get("optional") == Some("true");
    schema.name = object.text("name")?.map(|name| name.into_owned().into());
    schema.version = object.whole("version")?;
    schema.doc = object.text("doc")?.map(|doc| doc.into_owned().into());
    schema.parameters = parameters(&object)?;
    if let Some(default) = object.get("default") {
        let value = reader.with_schema(&mut Scanner::new(default), &schema.clone().into_ref())?;
        if required::null_in(&schema, &value).is_some() {
            return Err(Error::data("Invalid default value"));
        }
        // It outlives the document, whose memory its text shares.
        schema.default = Some(detached(value)).filter(|value| !value.is_null());
    }
    Ok(Some(schema))
}

fn fields(object: &Object<'_>, reader: &Reader<'_>) -> Result<Vec<Field>> {
    let not_an_array = || Error::data("Struct schema's \"fields\" argument is not an array.");
    let mut scanner = Scanner::new(object.get("fields").ok_or_else(not_an_array)?);
    if scanner.kind()? != Kind::Array {
        return Err(not_an_array());
    }
    let (mut fields, mut names): (Vec<Field>, HashSet<ByteString>) = (Vec::new(), HashSet::new());
    scanner.array(|scanner| {
        let unnamed = || Error::data("Struct schema's field name not specified properly");
        let json = scanner.skip()?;
        let mut inner = Scanner::new(json);
        let object = if inner.kind()? == Kind::Object { Object::read(&mut inner)? } else { Object::default() };
        let name = ByteString::from(object.text("field")?.ok_or_else(unnamed)?.into_owned());
        if !names.insert(name.clone()) {
            return Err(Error::data(format!("Cannot create field because of field name duplication {name}")));
        }
        let schema = read(json, reader)?.ok_or_else(unnamed)?;
        fields.push(Field::new(name, schema.into_ref()));
        Ok(())
    })?;
    Ok(fields)
}

fn parameters(object: &Object<'_>) -> Result<Vec<(ByteString, ByteString)>> {
    let mut parameters = Vec::new();
    let Some(json) = object.get("parameters") else { return Ok(parameters) };
    let mut scanner = Scanner::new(json);
    if scanner.kind()? != Kind::Object {
        return Ok(parameters);
    }
    scanner.object(|scanner, name| {
        if scanner.kind()? != Kind::String {
            return Err(Error::data("Schema parameters must have string values."));
        }
        parameters.push((name.into_owned().into(), scanner.string()?.into_owned().into()));
        Ok(())
    })?;
    Ok(parameters)
}

/// The fields of an object with their values as text, to be read when needed.
#[derive(Default)]
struct Object<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Object<'a> {
    fn read(scanner: &mut Scanner<'a>) -> Result<Self> {
        let mut fields = Vec::new();
        scanner.object(|scanner, name| {
            fields.push((name, scanner.skip()?));
            Ok(())
        })?;
        Ok(Self(fields))
    }

    /// The last one counts.
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// A field's text, if it is text.
    fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>> {
        let Some(json) = self.get(name) else { return Ok(None) };
        let mut scanner = Scanner::new(json);
        if scanner.kind()? == Kind::String { scanner.string().map(Some) } else { Ok(None) }
    }

    /// A field's whole number, if it is one.
    fn whole(&self, name: &str) -> Result<Option<i32>> {
        let Some(json) = self.get(name) else { return Ok(None) };
        let mut scanner = Scanner::new(json);
        if scanner.kind()? != Kind::Number {
            return Ok(None);
        }
        let number = scanner.number()?;
        Ok(decimal::is_whole(number).then(|| decimal::to_i64(number) as i32))
    }
}

fn detached(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String((*text).to_owned().into()),
        Value::Array(items) => Value::Array(items.into_iter().map(detached).collect()),
        Value::Map(entries) => Value::Map(entries.into_iter().map(|(k, v)| (detached(k), detached(v))).collect()),
        other => other,
    }
}

fn type_name(kind: SchemaType) -> &'static str {
    match kind {
        SchemaType::Boolean => "boolean",
        SchemaType::Int8 => "int8",
        SchemaType::Int16 => "int16",
        SchemaType::Int32 => "int32",
        SchemaType::Int64 => "int64",
        SchemaType::Float32 => "float",
        SchemaType::Float64 => "double",
        SchemaType::String => "string",
        SchemaType::Bytes => "bytes",
        SchemaType::Array => "array",
        SchemaType::Map => "map",
        SchemaType::Struct => "struct",
    }
}

fn type_named(name: &str) -> Option<SchemaType> {
    Some(match name {
        "boolean" => SchemaType::Boolean,
        "int8" => SchemaType::Int8,
        "int16" => SchemaType::Int16,
        "int32" => SchemaType::Int32,
        "int64" => SchemaType::Int64,
        "float" => SchemaType::Float32,
        "double" => SchemaType::Float64,
        "string" => SchemaType::String,
        "bytes" => SchemaType::Bytes,
        "array" => SchemaType::Array,
        "map" => SchemaType::Map,
        "struct" => SchemaType::Struct,
        _ => return None,
    })
}
