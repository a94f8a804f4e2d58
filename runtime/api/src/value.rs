use bytes::Bytes;
use bytestring::ByteString;
use num_bigint::BigInt;

use crate::{Error, Result, SchemaRef};

/// A value. Text and bytes are reference-counted slices: a pass-through pipeline copies nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value; a null record value is a tombstone.
    #[default]
    Null,
    /// A boolean.
    Boolean(bool),
    /// Signed, 8 bits.
    Int8(i8),
    /// Signed, 16 bits.
    Int16(i16),
    /// Signed, 32 bits.
    Int32(i32),
    /// Signed, 64 bits; what schemaless integers are read as.
    Int64(i64),
    /// IEEE 754 single.
    Float32(f32),
    /// IEEE 754 double; what schemaless fractions are read as.
    Float64(f64),
    /// UTF-8 text.
    String(ByteString),
    /// Bytes.
    Bytes(Bytes),
    /// A decimal number, exact.
    Decimal(Decimal),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds since midnight.
    Time(i32),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// A list.
    Array(Vec<Value>),
    /// Entries in the order they were read; keys are unique.
    Map(Vec<(Value, Value)>),
    /// Values of a struct schema's fields.
    Struct(Struct),
}

/// `unscaled × 10^-scale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// The digits.
    pub unscaled: BigInt,
    /// Digits after the point; may be negative.
    pub scale: i32,
}

/// A value for every field of a struct schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Struct {
    schema: SchemaRef,
    values: Vec<Value>,
}

impl Struct {
    /// A struct of the schema's fields, in the schema's order.
    ///
    /// # Errors
    /// `Data` when the number of values is not the number of fields.
    pub fn new(schema: SchemaRef, values: Vec<Value>) -> Result<Self> {
        if schema.fields.len() != values.len() {
            let message = format!("struct has {} fields but got {} values", schema.fields.len(), values.len());
            return Err(Error::data(message));
        }
        Ok(Self { schema, values })
    }

    /// The struct's schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The values, in the order of the schema's fields.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.schema.field_index(name).map(|index| &self.values[index])
    }

    /// Names with values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.schema.fields.iter().map(|field| &*field.name).zip(&self.values)
    }

    /// The parts, to build a changed struct from.
    pub fn into_parts(self) -> (SchemaRef, Vec<Value>) {
        (self.schema, self.values)
    }
}

impl Value {
    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Any integer or time, widened.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int8(n) => Some(n.into()),
            Self::Int16(n) => Some(n.into()),
            Self::Int32(n) | Self::Date(n) | Self::Time(n) => Some(n.into()),
            Self::Int64(n) | Self::Timestamp(n) => Some(n),
            _ => None,
        }
    }

    /// Any number, as a double.
    #[allow(clippy::cast_precision_loss)]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Float32(n) => Some(n.into()),
            Self::Float64(n) => Some(n),
            _ => self.as_i64().map(|n| n as f64),
        }
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Boolean(b) => Some(b),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// A field of a struct, or the value under a text key of a map. Finding it is linear in the number of entries.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Struct(object) => object.get(name),
            Self::Map(entries) => entries.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value),
            _ => None,
        }
    }

    /// A value below this one: names divided by dots.
    pub fn path(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(self, |value, name| value.get(name))
    }

    /// Sets the value under a text key of a map, at its place if it is there, else at the end.
    ///
    /// # Errors
    /// `Data` when this is not a map: the schema of a struct cannot be changed in place.
    pub fn insert(&mut self, name: impl Into<ByteString>, value: impl Into<Value>) -> Result<()> {
        let Self::Map(entries) = self else { return Err(Error::data("only a map can take a new entry")) };
        let (name, value) = (name.into(), value.into());
        match entries.iter_mut().find(|(key, _)| key.as_str() == Some(&*name)) {
            Some((_, old)) => *old = value,
            None => entries.push((Self::String(name), value)),
        }
        Ok(())
    }

    /// A map with text keys.
    pub fn map(entries: impl IntoIterator<Item = (impl Into<ByteString>, impl Into<Value>)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (Self::String(key.into()), value.into())).collect())
    }

    /// The Java class by which Kafka's messages name the type of this value.
    pub fn java_class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::Int8(_) => "java.lang.Byte",
            Self::Int16(_) => "java.lang.Short",
            Self::Int32(_) => "java.lang.Integer",
            Self::Int64(_) => "java.lang.Long",
            Self::Float32(_) => "java.lang.Float",
            Self::Float64(_) => "java.lang.Double",
            Self::String(_) => "java.lang.String",
            Self::Bytes(_) => "[B",
            Self::Decimal(_) => "java.math.BigDecimal",
            Self::Date(_) | Self::Time(_) | Self::Timestamp(_) => "java.util.Date",
            Self::Array(_) => "java.util.ArrayList",
            Self::Map(_) => "java.util.HashMap",
            Self::Struct(_) => "org.apache.kafka.connect.data.Struct",
        }
    }

    /// Text.
    pub fn string(text: impl Into<ByteString>) -> Self {
        Self::String(text.into())
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident),*) => { $(impl From<$from> for Value {
        fn from(value: $from) -> Self { Self::$variant(value.into()) }
    })* };
}
from!(bool => Boolean, i32 => Int32, i64 => Int64, f64 => Float64, &str => String, String => String,
      ByteString => String, Bytes => Bytes, Vec<Value> => Array, Struct => Struct, Decimal => Decimal);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
