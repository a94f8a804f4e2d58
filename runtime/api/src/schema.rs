use std::sync::Arc;

use bytestring::ByteString;

use crate::Value;

/// A shared schema: cloning costs a reference count.
pub type SchemaRef = Arc<Schema>;

/// The type of a value, as in Kafka Connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaType {
    /// `true` or `false`.
    Boolean,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// IEEE 754 single.
    Float32,
    /// IEEE 754 double.
    Float64,
    /// UTF-8 text.
    String,
    /// Bytes.
    Bytes,
    /// A list of one element type.
    Array,
    /// Keys of one type to values of one type.
    Map,
    /// Named fields.
    Struct,
}

impl SchemaType {
    /// The name in Kafka's messages: `INT32`.
    pub fn upper_name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Array => "ARRAY",
            Self::Map => "MAP",
            Self::Struct => "STRUCT",
        }
    }
}

/// The description of a value. Logical types (`org.apache.kafka.connect.data.Decimal`, `.Date`, `.Time`, `.Timestamp`)
/// are ordinary schemas identified by their name.
///
/// ```
/// use tributary_api::{Schema, SchemaType};
/// let price = Schema::new(SchemaType::Bytes).named(Schema::DECIMAL).with_version(1).with_parameter("scale", "2");
/// let order = Schema::structure([("price", price.into_ref())]).with_doc("An order.");
/// assert_eq!(order.field_index("price"), Some(0));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Schema {
    /// The type.
    pub kind: SchemaType,
    /// Whether null is a value.
    pub optional: bool,
    /// The full name, if any.
    pub name: Option<ByteString>,
    /// The version given by the author, if any.
    pub version: Option<i32>,
    /// What the value means.
    pub doc: Option<ByteString>,
    /// Free parameters, in order (`scale` for a decimal).
    pub parameters: Vec<(ByteString, ByteString)>,
    /// Stands in for a missing value.
    pub default: Option<Value>,
    /// The fields of a struct, in order; empty otherwise.
    pub fields: Vec<Field>,
    /// The key schema of a map.
    pub key_schema: Option<SchemaRef>,
    /// The schema of a map's or an array's values.
    pub value_schema: Option<SchemaRef>,
}

/// One field of a struct schema.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Field {
    /// The name, unique in its struct.
    pub name: ByteString,
    /// The schema of the field's value.
    pub schema: SchemaRef,
}

impl Field {
    /// A field of a name.
    pub fn new(name: impl Into<ByteString>, schema: SchemaRef) -> Self {
        Self { name: name.into(), schema }
    }
}

impl Schema {
    /// Name of the logical type for `java.math.BigDecimal` (bytes; parameter `scale`).
    pub const DECIMAL: &'static str = "org.apache.kafka.connect.data.Decimal";
    /// Name of the logical type for days since the epoch (int32).
    pub const DATE: &'static str = "org.apache.kafka.connect.data.Date";
    /// Name of the logical type for milliseconds since midnight (int32).
    pub const TIME: &'static str = "org.apache.kafka.connect.data.Time";
    /// Name of the logical type for milliseconds since the epoch (int64).
    pub const TIMESTAMP: &'static str = "org.apache.kafka.connect.data.Timestamp";

    /// A required schema of the given type with nothing else set.
    pub const fn new(kind: SchemaType) -> Self {
        Self {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            default: None,
            fields: Vec::new(),
            key_schema: None,
            value_schema: None,
        }
    }

    /// A struct of the given fields: `SchemaBuilder.struct`, a name that Rust reserves.
    pub fn structure(fields: impl IntoIterator<Item = (impl Into<ByteString>, SchemaRef)>) -> Self {
        let fields = fields.into_iter().map(|(name, schema)| Field { name: name.into(), schema }).collect();
        Self { fields, ..Self::new(SchemaType::Struct) }
    }

    /// An array whose values have the given schema.
    pub fn array(value_schema: SchemaRef) -> Self {
        Self { value_schema: Some(value_schema), ..Self::new(SchemaType::Array) }
    }

    /// A map of keys and values of the given schemas.
    pub fn map(key_schema: SchemaRef, value_schema: SchemaRef) -> Self {
        Self { key_schema: Some(key_schema), value_schema: Some(value_schema), ..Self::new(SchemaType::Map) }
    }

    /// The same schema, with null allowed.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The same schema under a name.
    #[must_use]
    pub fn named(mut self, name: impl Into<ByteString>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same schema with a version.
    #[must_use]
    pub fn with_version(mut self, version: i32) -> Self {
        self.version = Some(version);
        self
    }

    /// The same schema with what its values mean.
    #[must_use]
    pub fn with_doc(mut self, doc: impl Into<ByteString>) -> Self {
        self.doc = Some(doc.into());
        self
    }

    /// The same schema with one more parameter.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<ByteString>, value: impl Into<ByteString>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// The same schema with a default for a missing value.
    #[must_use]
    pub fn with_default(mut self, default: impl Into<Value>) -> Self {
        self.default = Some(default.into());
        self
    }

    /// The same schema with these fields.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<Field>) -> Self {
        self.fields = fields;
        self
    }

    /// The position of a field in a struct.
    pub fn field_index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// A parameter's value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// A copy of what Kafka Connect calls the basics of a schema: type, name, version, documentation, parameters, and the
    /// schemas of a map's or an array's elements. The copy is required, and has neither fields nor a default.
    #[must_use]
    pub fn copy_basics(&self) -> Self {
        Self {
            kind: self.kind,
            optional: false,
            name: self.name.clone(),
            version: self.version,
            doc: self.doc.clone(),
            parameters: self.parameters.clone(),
            default: None,
            fields: Vec::new(),
            key_schema: self.key_schema.clone(),
            value_schema: self.value_schema.clone(),
        }
    }

    /// The default that takes the place of a value: `None` if the value is not null, or the schema has no default.
    pub fn default_for(&self, value: &Value) -> Option<&Value> {
        self.default.as_ref().filter(|_| value.is_null())
    }

    /// The schema, shared.
    pub fn into_ref(self) -> SchemaRef {
        Arc::new(self)
    }
}
