//! Classifies errors of the server and of the connection: retriable or fatal, and what an operator can do.

use tiberius::error::Error as DriverError;
use tributary_api::{Error, ErrorKind};

/// Numbers of errors after which the same statement may succeed later: load, failover, a server that starts or stops,
/// deadlocks and lock time-outs, rows that moved or tables that were altered while they were read.
const PASSING: &[u32] = &[
    64, 233, 596, 601, 615, 617, 701, 802, 845, 921, 922, 924, 927, 952, 976, 978, 983, 988, 1204, 1205, 1222, 3960,
    3961, 4221, 6005, 8628, 8645, 8651, 9001, 9002, 10053, 10054, 10060, 10922, 10928, 10929, 10936, 17142, 17147,
    17188, 17197, 18401, 40143, 40197, 40501, 40540, 40613, 40020, 41839, 49918, 49919, 49920,
];
/// From this severity on the server closes the connection: the statement may succeed on another one.
const ENDS_CONNECTION: u8 = 20;

/// The error of a statement or a connection, with its kind and with advice if a retry does not help.
pub(crate) fn classified(error: &DriverError, attempt: &str) -> Error {
    let (kind, advice) = match error {
        DriverError::Server(token) => of_server(token.code(), token.class()),
        DriverError::Io { .. } | DriverError::Routing { .. } => (ErrorKind::Retriable, ""),
        // A connection that breaks in the middle of an answer shows as a malformed answer.
        DriverError::Protocol(_) => (ErrorKind::Retriable, ""),
        DriverError::Tls(_) => (
            ErrorKind::Fatal,
            ": set driver.trustServerCertificate=true or driver.serverCertificate to a PEM file with its certificate, or \
             driver.encrypt=false if the server has no TLS",
        ),
        _ => (ErrorKind::Fatal, ""),
    };
    Error::new(kind, format!("{attempt}{advice}")).cause(error)
}

/// Whether the server says that a table or function does not exist.
pub(crate) fn is_missing_object(error: &DriverError) -> bool {
    error.code() == Some(208)
}

/// Whether a statement names a column that its table does not have.
pub(crate) fn is_missing_column(error: &DriverError) -> bool {
    error.code() == Some(207)
}

/// Whether a function of change data capture was called with positions that its instance does not have.
pub(crate) fn is_out_of_range(error: &DriverError) -> bool {
    error.code() == Some(313)
}

fn of_server(number: u32, class: u8) -> (ErrorKind, &'static str) {
    let advice = match number {
        18456 | 18452 | 18486..=18488 => ": check database.user and database.password",
        4060 | 911 => ": check database.names and that database.user may connect to it",
        229 | 230 | 262 | 297 | 300 | 916 | 22904 => {
            ": grant database.user what is missing (SELECT on the captured tables and on schema cdc, the gating role)"
        }
        208 | 22901 | 22911 => ": change data capture is not enabled for it: enable it, or leave the table out",
        313 => ": the log positions asked for were removed: use snapshot.mode=when_needed to read the tables again",
        _ => "",
    };
    let passing = advice.is_empty() && (PASSING.contains(&number) || class >= ENDS_CONNECTION);
    (if passing { ErrorKind::Retriable } else { ErrorKind::Fatal }, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(number: u32, class: u8) -> ErrorKind {
        of_server(number, class).0
    }

    #[test]
    fn errors_that_may_pass_are_retried_and_others_fail_at_once() {
        for number in [601, 952, 988, 1205, 1222, 3960, 3961, 4221, 40501, 40613] {
            assert_eq!(kind(number, 16), ErrorKind::Retriable, "{number}");
        }
        for number in [313, 208, 229, 4060, 18456, 102, 207] {
            assert_eq!(kind(number, 16), ErrorKind::Fatal, "{number}");
            assert!(number < 210 || !of_server(number, 16).1.is_empty(), "{number} says what to do");
        }
    }

    #[test]
    fn an_error_that_ends_the_connection_is_retried_unless_it_is_known_as_fatal() {
        assert_eq!(kind(99_999, 20), ErrorKind::Retriable);
        assert_eq!(kind(4060, 20), ErrorKind::Fatal);
    }

    #[test]
    fn a_broken_connection_is_retried() {
        let broken = DriverError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert_eq!(classified(&broken, "cannot read").kind(), ErrorKind::Retriable);
        assert_eq!(classified(&DriverError::Tls("unknown issuer".into()), "cannot connect").kind(), ErrorKind::Fatal);
    }
}
