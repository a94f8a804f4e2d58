//! SQL Server's errors by number, each with its level, state and words.

mod rows;
mod sessions;
mod values;

pub(crate) use self::rows::{
    computed_column, constraint_conflict, identity_insert_needed, identity_insert_off, identity_update, merged_twice,
    null_into, timestamp_column, unique_constraint, unique_index,
};
pub(crate) use self::sessions::{
    commit_without_begin, create_denied, database_missing, in_transaction, killed, lock_timeout, not_authorised,
    permission_denied, read_only, rollback_without_begin, save_without_transaction, snapshot_not_allowed,
    uncommittable_transaction, unknown_savepoint, update_conflict,
};
pub(crate) use self::values::{
    bad_argument, bad_datetime, bad_guid, bad_operand, bad_style, conversion_failed, converting, datetime_range,
    divide_by_zero, explicit_conversion, implicit_conversion, incompatible_operands, overflow, overflow_from,
    small_overflow, truncated, type_clash,
};
use crate::data::SqlError;

fn error(number: i32, class: u8, state: u8, message: impl Into<String>) -> SqlError {
    SqlError::new(number, class, state, message)
}

pub(crate) fn syntax_near(text: &str) -> SqlError {
    error(102, 15, 1, format!("Incorrect syntax near '{text}'."))
}

pub(crate) fn column_count() -> SqlError {
    error(
        120,
        15,
        1,
        "The select list for the INSERT statement contains fewer items than the insert list. The number of SELECT values must match the number of INSERT columns.",
    )
}

pub(crate) fn too_many_values() -> SqlError {
    error(
        121,
        15,
        1,
        "The select list for the INSERT statement contains more items than the insert list. The number of SELECT values must match the number of INSERT columns.",
    )
}

pub(crate) fn values_count() -> SqlError {
    error(213, 16, 1, "Column name or number of supplied values does not match table definition.")
}

pub(crate) fn undeclared_variable(name: &str) -> SqlError {
    error(137, 15, 2, format!("Must declare the scalar variable \"{name}\"."))
}

pub(crate) fn undeclared_table_variable(name: &str) -> SqlError {
    error(1087, 15, 2, format!("Must declare the table variable \"{name}\"."))
}

pub(crate) fn declared_twice(name: &str) -> SqlError {
    error(
        134,
        15,
        2,
        format!(
            "The variable name '{name}' has already been declared. Variable names must be unique within a query batch or stored procedure."
        ),
    )
}

pub(crate) fn assigns_and_returns() -> SqlError {
    error(
        141,
        15,
        1,
        "A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.",
    )
}

pub(crate) fn aggregate_in_where() -> SqlError {
    error(
        147,
        15,
        1,
        "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause or a select list, and the column being aggregated is an outer reference.",
    )
}

pub(crate) fn argument_count(function: &str, wanted: usize) -> SqlError {
    error(174, 15, 1, format!("The {function} function requires {wanted} argument(s)."))
}

pub(crate) fn unknown_function(name: &str) -> SqlError {
    error(195, 15, 10, format!("'{name}' is not a recognized built-in function name."))
}

pub(crate) fn unknown_qualified_function(schema: &str, name: &str) -> SqlError {
    error(
        4121,
        16,
        1,
        format!(
            "Cannot find either column \"{schema}\" or the user-defined function or aggregate \"{schema}.{name}\", or the name is ambiguous."
        ),
    )
}

pub(crate) fn set_operation_columns() -> SqlError {
    error(
        205,
        16,
        1,
        "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.",
    )
}

pub(crate) fn unknown_column(name: &str) -> SqlError {
    error(207, 16, 1, format!("Invalid column name '{name}'."))
}

pub(crate) fn unknown_object(name: &str) -> SqlError {
    error(208, 16, 1, format!("Invalid object name '{name}'."))
}

pub(crate) fn ambiguous_column(name: &str) -> SqlError {
    error(209, 16, 1, format!("Ambiguous column name '{name}'."))
}

pub(crate) fn unbound(name: &str) -> SqlError {
    error(4104, 16, 1, format!("The multi-part identifier \"{name}\" could not be bound."))
}

pub(crate) fn unbound_prefix(name: &str) -> SqlError {
    error(
        107,
        15,
        1,
        format!("The column prefix '{name}' does not match with a table name or alias name used in the query."),
    )
}

pub(crate) fn not_a_condition(near: &str) -> SqlError {
    error(
        4145,
        15,
        1,
        format!(
            "An expression of non-boolean type specified in a context where a condition is expected, near '{near}'."
        ),
    )
}

pub(crate) fn unknown_type(name: &str) -> SqlError {
    error(2715, 16, 6, format!("Column, parameter, or variable #1: Cannot find data type {name}."))
}

pub(crate) fn bad_precision(what: &str, _name: &str, size: u32, most: u32) -> SqlError {
    error(
        2750,
        16,
        1,
        format!(
            "Column or parameter #1: Specified {what} precision {size} is greater than the maximum precision of {most}."
        ),
    )
}

pub(crate) fn bad_size(name: &str, size: u32, most: u32) -> SqlError {
    if size == 0 {
        return error(1001, 15, 1, "Line 1: Length or precision specification 0 is invalid.".to_owned());
    }
    error(
        131,
        15,
        2,
        format!("The size ({size}) given to the type '{name}' exceeds the maximum allowed for any data type ({most})."),
    )
}

pub(crate) fn object_exists(name: &str) -> SqlError {
    error(2714, 16, 6, format!("There is already an object named '{name}' in the database."))
}

pub(crate) fn unknown_procedure(name: &str) -> SqlError {
    error(2812, 16, 62, format!("Could not find stored procedure '{name}'."))
}

pub(crate) fn cannot_drop(what: &str, name: &str) -> SqlError {
    error(
        3701,
        11,
        5,
        format!("Cannot drop the {what} '{name}', because it does not exist or you do not have permission."),
    )
}

pub(crate) fn not_grouped(column: &str) -> SqlError {
    error(
        8120,
        16,
        1,
        format!(
            "Column '{column}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause."
        ),
    )
}

pub(crate) fn no_column_name(at: usize, alias: &str) -> SqlError {
    error(8155, 16, 2, format!("No column name was specified for column {at} of '{alias}'."))
}

pub(crate) fn subquery_rows() -> SqlError {
    error(
        512,
        16,
        1,
        "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.",
    )
}

pub(crate) fn subquery_columns() -> SqlError {
    error(
        116,
        16,
        1,
        "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
    )
}

pub(crate) fn negative_top() -> SqlError {
    error(1060, 15, 1, "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer.")
}

pub(crate) fn order_in_view() -> SqlError {
    error(
        1033,
        15,
        1,
        "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and common table expressions, unless TOP, OFFSET or FOR XML is also specified.",
    )
}

pub(crate) fn too_few_arguments(name: &str) -> SqlError {
    error(
        313,
        16,
        3,
        format!("An insufficient number of arguments were supplied for the procedure or function {name}."),
    )
}

pub(crate) fn missing_parameter(procedure: &str, parameter: &str) -> SqlError {
    error(
        201,
        16,
        4,
        format!("Procedure or function '{procedure}' expects parameter '{parameter}', which was not supplied."),
    )
    .within(procedure)
}

pub(crate) fn too_many_arguments(procedure: &str) -> SqlError {
    error(8144, 16, 2, format!("Procedure or function {procedure} has too many arguments specified.")).within(procedure)
}

pub(crate) fn not_a_parameter(procedure: &str, parameter: &str) -> SqlError {
    error(8145, 16, 1, format!("{parameter} is not a parameter for procedure {procedure}.")).within(procedure)
}

/// What the stand-in does not do, as SQL Server answers what it does not know: 156 for a keyword, else 102.
pub(crate) fn unsupported(near: &str, what: &str) -> SqlError {
    let (number, place) = if crate::sql::parse::is_reserved(near) { (156, "the keyword ") } else { (102, "") };
    error(number, 15, 1, format!("Incorrect syntax near {place}'{near}'. {UNSUPPORTED}{what}."))
}

/// What the message of [`unsupported`] has, by which it is known for the strict log.
pub(crate) const UNSUPPORTED: &str = "The stand-in does not support ";

/// A fault of the storage beneath, which no statement should meet.
pub(crate) fn storage(error: &rusqlite::Error) -> SqlError {
    SqlError::new(823, 24, 2, format!("The stand-in's storage failed: {error}"))
}
