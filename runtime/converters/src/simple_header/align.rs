//! One type for all elements of a list or map.

use std::sync::Arc;

use tributary_api::{SchemaRef, SchemaType, Value};

/// The schema of the elements seen so far.
#[derive(Default)]
pub(super) enum Common {
    /// None but null.
    #[default]
    Unknown,
    Schema(SchemaRef),
    /// Elements without a common type: each keeps its own.
    Mixed,
}

impl Common {
    /// Takes one more element into account: of two numbers the wider type counts.
    pub(super) fn add(self, latest: Option<SchemaRef>) -> Self {
        match (self, latest) {
            (Self::Unknown, Some(latest)) => Self::Schema(latest),
            (Self::Schema(previous), Some(latest)) if previous.kind == latest.kind => {
                // Of dates and plain numbers, and of lists of different things, neither is the wider.
                let same = Arc::ptr_eq(&previous, &latest) || previous.name == latest.name;
                if same { Self::Schema(latest) } else { Self::Mixed }
            }
            (Self::Schema(previous), Some(latest)) => match (width(&previous), width(&latest)) {
                (Some(old), Some(new)) => Self::Schema(if new > old { latest } else { previous }),
                _ => Self::Mixed,
            },
            (common, _) => common,
        }
    }

    pub(super) fn schema(&self) -> Option<&SchemaRef> {
        match self {
            Self::Schema(schema) => Some(schema),
            Self::Unknown | Self::Mixed => None,
        }
    }

    /// The value in the common type; none for a null among values of a type, for the type allows no null.
    pub(super) fn align(&self, value: Value) -> Option<Value> {
        let Self::Schema(schema) = self else { return Some(value) };
        if value.is_null() {
            return None;
        }
        if width(schema).is_none() {
            return Some(value);
        }
        match schema.kind {
            SchemaType::Int8 => Some(value),
            SchemaType::Int16 => value.as_i64().and_then(|number| i16::try_from(number).ok()).map(Value::Int16),
            SchemaType::Int32 => value.as_i64().and_then(|number| i32::try_from(number).ok()).map(Value::Int32),
            SchemaType::Int64 => value.as_i64().map(Value::Int64),
            SchemaType::Float32 => value.as_f64().map(|number| Value::Float32(number as f32)),
            _ => value.as_f64().map(Value::Float64),
        }
    }
}

/// The rank among plain numbers.
fn width(schema: &SchemaRef) -> Option<u8> {
    if schema.name.is_some() {
        return None;
    }
    Some(match schema.kind {
        SchemaType::Int8 => 0,
        SchemaType::Int16 => 1,
        SchemaType::Int32 => 2,
        SchemaType::Int64 => 3,
        SchemaType::Float32 => 4,
        SchemaType::Float64 => 5,
        _ => return None,
    })
}
