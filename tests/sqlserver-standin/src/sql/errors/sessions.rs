//! Rights, databases and transactions.

use super::error;
use crate::data::SqlError;

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

pub(crate) fn commit_without_begin() -> SqlError {
    error(3902, 16, 1, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
}

pub(crate) fn rollback_without_begin() -> SqlError {
    error(3903, 16, 1, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
}

pub(crate) fn read_only(database: &str) -> SqlError {
    error(3906, 16, 2, format!("Failed to update database \"{database}\" because the database is read-only."))
}

pub(crate) fn uncommittable_transaction() -> SqlError {
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
