//! Errors that a working server does not answer, by their numbers.

use crate::data::SqlError;

/// (number, class, state, text)
const KNOWN: &[(i32, u8, u8, &str)] = &[
    (208, 16, 1, "Invalid object name."),
    (229, 14, 5, "The SELECT permission was denied on the object, database, schema 'dbo'."),
    (
        313,
        16,
        3,
        "An insufficient number of arguments were supplied for the procedure or function cdc.fn_cdc_get_all_changes_ ... .",
    ),
    (596, 21, 1, "Cannot continue the execution because the session is in the kill state."),
    (701, 17, 123, "There is insufficient system memory in resource pool 'default' to run this query."),
    (823, 24, 2, "The operating system returned error 21 to SQL Server during a read at offset 0x00000000000000."),
    (
        1205,
        13,
        51,
        "Transaction was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.",
    ),
    (1222, 16, 51, "Lock request time out period exceeded."),
    (3960, 16, 2, "Snapshot isolation transaction aborted due to update conflict."),
    (4060, 11, 1, "Cannot open database requested by the login. The login failed."),
    (9002, 17, 4, "The transaction log for the database is full due to 'REPLICATION'."),
    (10928, 16, 1, "Resource ID : 1. The request limit for the database is 30 and has been reached."),
    (10929, 16, 1, "Resource ID: 1. The server is currently too busy to support requests for this database."),
    (17142, 14, 1, "SQL Server service has been paused. No new connections will be allowed."),
    (18456, 14, 1, "Login failed for user."),
    (18486, 14, 1, "Login failed for user because the account is currently locked out."),
    (40197, 17, 1, "The service has encountered an error processing your request. Please try again. Error code 40143."),
    (40501, 20, 1, "The service is currently busy. Retry the request after 10 seconds. Code: 131075."),
    (40613, 17, 1, "Database on server is not currently available. Please retry the connection later."),
    (49918, 16, 1, "Cannot process request. Not enough resources to process request. Please retry you request later."),
];

pub(super) fn error(number: i32) -> SqlError {
    match KNOWN.iter().find(|(n, ..)| *n == number) {
        Some((number, class, state, text)) => SqlError::new(*number, *class, *state, *text),
        None => SqlError::new(number, 16, 1, format!("Error {number}, asked for by a test.")),
    }
}
