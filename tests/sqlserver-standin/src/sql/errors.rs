//! SQL Server's errors by number, each with its level, state and words.

use crate::data::{SqlError, Type};

use super::types;

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

pub(crate) fn type_clash(from: &Type, to: &Type) -> SqlError {
    error(206, 16, 2, format!("Operand type clash: {} is incompatible with {}", types::name(from), types::name(to)))
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

pub(crate) fn small_overflow(kind: &Type, value: i128) -> SqlError {
    error(220, 16, 1, format!("Arithmetic overflow error for data type {}, value = {value}.", types::name(kind)))
}

pub(crate) fn permission_denied(permission: &str, object: &str, database: &str, schema: &str) -> SqlError {
    error(
        229,
        14,
        5,
        format!(
            "The {permission} permission was denied on the object '{object}', database '{database}', schema '{schema}'."
        ),
    )
}

pub(crate) fn create_denied(what: &str, database: &str) -> SqlError {
    error(262, 14, 1, format!("{what} permission denied in database '{database}'."))
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

pub(crate) fn null_into(column: &str, table: &str, command: &str) -> SqlError {
    error(
        515,
        16,
        2,
        format!(
            "Cannot insert the value NULL into column '{column}', table '{table}'; column does not allow nulls. {command} fails."
        ),
    )
}

pub(crate) fn identity_insert_off(table: &str) -> SqlError {
    error(
        544,
        16,
        1,
        format!(
            "Cannot insert explicit value for identity column in table '{table}' when IDENTITY_INSERT is set to OFF."
        ),
    )
}

pub(crate) fn identity_insert_needed(table: &str) -> SqlError {
    error(
        545,
        16,
        1,
        format!(
            "Explicit value must be specified for identity column in table '{table}' either when IDENTITY_INSERT is set to ON or when a replication user is inserting into a NOT FOR REPLICATION identity column."
        ),
    )
}

pub(crate) fn identity_update(column: &str) -> SqlError {
    error(8102, 16, 1, format!("Cannot update identity column '{column}'."))
}

pub(crate) fn computed_column(column: &str) -> SqlError {
    error(
        271,
        16,
        1,
        format!(
            "The column \"{column}\" cannot be modified because it is either a computed column or is the result of a UNION operator."
        ),
    )
}

pub(crate) fn timestamp_column() -> SqlError {
    error(
        273,
        16,
        1,
        "Cannot insert an explicit value into a timestamp column. Use INSERT with a column list to exclude the timestamp column, or insert a DEFAULT into the timestamp column.",
    )
}

pub(crate) fn constraint_conflict(
    statement: &str,
    kind: &str,
    name: &str,
    database: &str,
    table: &str,
    column: &str,
) -> SqlError {
    let column = if column.is_empty() { String::new() } else { format!(", column '{column}'") };
    error(
        547,
        16,
        0,
        format!(
            "The {statement} statement conflicted with the {kind} constraint \"{name}\". The conflict occurred in database \"{database}\", table \"{table}\"{column}."
        ),
    )
}

pub(crate) fn merged_twice() -> SqlError {
    error(
        8672,
        16,
        1,
        "The MERGE statement attempted to UPDATE or DELETE the same row more than once. This happens when a target row matches more than one source row. A MERGE statement cannot UPDATE/DELETE the same row of the target table multiple times. Refine the ON clause to ensure a target row matches at most one source row, or use the GROUP BY clause to group the source rows.",
    )
}

pub(crate) fn database_missing(name: &str) -> SqlError {
    error(911, 16, 1, format!("Database '{name}' does not exist. Make sure that the name is entered correctly."))
}

pub(crate) fn not_authorised(user: &str, database: &str) -> SqlError {
    error(
        916,
        14,
        2,
        format!(
            "The server principal \"{user}\" is not able to access the database \"{database}\" under the current security context."
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

pub(crate) fn unique_index(object: &str, index: &str, key: &str) -> SqlError {
    error(
        2601,
        14,
        1,
        format!(
            "Cannot insert duplicate key row in object '{object}' with unique index '{index}'. The duplicate key value is ({key})."
        ),
    )
}

pub(crate) fn unique_constraint(kind: &str, name: &str, object: &str, key: &str) -> SqlError {
    error(
        2627,
        14,
        1,
        format!(
            "Violation of {kind} constraint '{name}'. Cannot insert duplicate key in object '{object}'. The duplicate key value is ({key})."
        ),
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

pub(crate) fn commit_without_begin() -> SqlError {
    error(3902, 16, 1, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
}

pub(crate) fn rollback_without_begin() -> SqlError {
    error(3903, 16, 1, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
}

pub(crate) fn read_only(database: &str) -> SqlError {
    error(3906, 16, 2, format!("Failed to update database \"{database}\" because the database is read-only."))
}

pub(crate) fn doomed() -> SqlError {
    error(
        3930,
        16,
        1,
        "The current transaction cannot be committed and cannot support operations that write to the log file. Roll back the transaction.",
    )
}

pub(crate) fn snapshot_not_allowed(database: &str) -> SqlError {
    error(
        3952,
        16,
        1,
        format!(
            "Snapshot isolation transaction failed accessing database '{database}' because snapshot isolation is not allowed in this database. Use ALTER DATABASE to allow snapshot isolation."
        ),
    )
}

pub(crate) fn update_conflict(database: &str) -> SqlError {
    error(
        3960,
        16,
        2,
        format!(
            "Snapshot isolation transaction aborted due to update conflict. You cannot use snapshot isolation to access the database '{database}' directly or indirectly to update, delete, or insert the row that has been modified or deleted by another transaction. Retry the transaction or change the isolation level for the update/delete statement."
        ),
    )
}

pub(crate) fn unknown_savepoint(name: &str) -> SqlError {
    error(6401, 16, 1, format!("Cannot roll back {name}. No transaction or savepoint of that name was found."))
}

pub(crate) fn in_transaction(statement: &str) -> SqlError {
    error(226, 16, 6, format!("{statement} statement not allowed within multi-statement transaction."))
}

pub(crate) fn save_without_transaction() -> SqlError {
    error(628, 16, 0, "Cannot issue SAVE TRANSACTION when there is no active transaction.")
}

/// The session was cancelled or killed in the middle of a statement.
pub(crate) fn killed() -> SqlError {
    error(596, 21, 1, "Cannot continue the execution because the session is in the kill state.")
}

pub(crate) fn lock_timeout() -> SqlError {
    error(1222, 16, 51, "Lock request time out period exceeded.")
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

pub(crate) fn bad_guid() -> SqlError {
    error(8169, 16, 2, "Conversion failed when converting from a character string to uniqueidentifier.")
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
    let (number, place) = if super::parse::is_reserved(near) { (156, "the keyword ") } else { (102, "") };
    error(number, 15, 1, format!("Incorrect syntax near {place}'{near}'. {UNSUPPORTED}{what}."))
}

/// What the message of [`unsupported`] has, by which it is known for the strict log.
pub(crate) const UNSUPPORTED: &str = "The stand-in does not support ";

/// A fault of the storage beneath, which no statement should meet.
pub(crate) fn storage(error: &rusqlite::Error) -> SqlError {
    SqlError::new(823, 24, 2, format!("The stand-in's storage failed: {error}"))
}
