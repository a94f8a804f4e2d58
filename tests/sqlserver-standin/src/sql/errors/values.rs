//! Values that do not become what they are to be.

use super::error;
use crate::data::{SqlError, Type};
use crate::sql::types;

pub(crate) fn type_clash(from: &Type, to: &Type) -> SqlError {
    error(206, 16, 2, format!("Operand type clash: {} is incompatible with {}", types::name(from), types::name(to)))
}

pub(crate) fn small_overflow(kind: &Type, value: i128) -> SqlError {
    error(220, 16, 1, format!("Arithmetic overflow error for data type {}, value = {value}.", types::name(kind)))
}

pub(crate) fn bad_datetime() -> SqlError {
    error(241, 16, 1, "Conversion failed when converting date and/or time from character string.")
}

pub(crate) fn datetime_range(from: &Type, to: &Type) -> SqlError {
    error(
        242,
        16,
        3,
        format!(
            "The conversion of a {} data type to a {} data type resulted in an out-of-range value.",
            types::name(from),
            types::name(to)
        ),
    )
}

pub(crate) fn conversion_failed(from: &Type, value: &str, to: &Type) -> SqlError {
    error(
        245,
        16,
        1,
        format!(
            "Conversion failed when converting the {} value '{value}' to data type {}.",
            types::name(from),
            types::name(to)
        ),
    )
}

pub(crate) fn implicit_conversion(from: &Type, to: &Type) -> SqlError {
    error(
        257,
        16,
        3,
        format!(
            "Implicit conversion from data type {} to {} is not allowed. Use the CONVERT function to run this query.",
            types::name(from),
            types::name(to)
        ),
    )
}

pub(crate) fn explicit_conversion(from: &Type, to: &Type) -> SqlError {
    error(
        529,
        16,
        2,
        format!("Explicit conversion from data type {} to {} is not allowed.", types::name(from), types::name(to)),
    )
}

pub(crate) fn bad_style(style: i32, from: &Type) -> SqlError {
    error(
        281,
        16,
        1,
        format!(
            "{style} is not a valid style number when converting from {} to a character string.",
            types::name(from)
        ),
    )
}

pub(crate) fn bad_operand(kind: &Type, operator: &str) -> SqlError {
    error(8117, 16, 1, format!("Operand data type {} is invalid for {operator} operator.", types::name(kind)))
}

pub(crate) fn incompatible_operands(left: &Type, right: &Type, operator: &str) -> SqlError {
    error(
        402,
        16,
        1,
        format!(
            "The data types {} and {} are incompatible in the {operator} operator.",
            types::name(left),
            types::name(right)
        ),
    )
}

pub(crate) fn bad_argument(kind: &Type, argument: usize, function: &str) -> SqlError {
    error(
        8116,
        16,
        1,
        format!("Argument data type {} is invalid for argument {argument} of {function} function.", types::name(kind)),
    )
}

pub(crate) fn truncated(table: &str, column: &str, value: &str) -> SqlError {
    error(
        2628,
        16,
        1,
        format!(
            "String or binary data would be truncated in table '{table}', column '{column}'. Truncated value: '{value}'."
        ),
    )
}

pub(crate) fn divide_by_zero() -> SqlError {
    error(8134, 16, 1, "Divide by zero error encountered.")
}

pub(crate) fn converting(from: &Type, to: &Type) -> SqlError {
    error(8114, 16, 5, format!("Error converting data type {} to {}.", types::name(from), types::name(to)))
}

pub(crate) fn overflow(to: &Type) -> SqlError {
    error(8115, 16, 2, format!("Arithmetic overflow error converting expression to data type {}.", types::name(to)))
}

pub(crate) fn overflow_from(from: &Type, to: &Type) -> SqlError {
    error(
        8115,
        16,
        8,
        format!("Arithmetic overflow error converting {} to data type {}.", types::name(from), types::name(to)),
    )
}

pub(crate) fn bad_guid() -> SqlError {
    error(8169, 16, 2, "Conversion failed when converting from a character string to uniqueidentifier.")
}
