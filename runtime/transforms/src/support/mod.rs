//! What several transforms share.

mod fields;
mod side;

pub(crate) use self::fields::{Fields, field_value, fields_of, replace_null_key};
pub(crate) use self::side::Side;

/// The name of the property that [`replace_null_key`] defines.
pub(crate) const REPLACE_NULL: &str = "replace.null.with.default";
