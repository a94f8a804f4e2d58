//! What an error of the server or of the way to it means for the task.

use tiberius::error::Error as DriverError;
use tributary_api::{Error, ErrorKind};

/// Errors that pass: of load, of a failover, of a server that starts or stops, of who held a lock, of rows that moved or
/// tables that were altered while they were read.
const PASSING: &[u32] = &[
    64, 233, 596, 601, 615, 617, 701, 802, 845, 921, 922, 924, 927, 952, 976, 978, 983, 988, 1204, 1205, 1222, 3960,
    3961, 4221, 6005, 8628, 8645, 8651, 9001, 9002, 10053, 10054, 10060, 10922, 10928, 10929, 10936, 17142, 17147,
    17188, 17197, 18401, 40143, 40197, 40501, 40540, 40613, 40020, 41839, 49918, 49919, 49920,
];
/// Severities from which on the server ends the connection: another one may do.
const ENDS_CONNECTION: u8 = 20;

/// The error of a statement or a connection: whether the same may succeed later, and what to do if not.
pub(crate) fn classified(error: &DriverError, attempt: &str) -> Error {
    let (kind, advice) = match error {
        DriverError::Server(token) => of_server(token.code(), token.class()),
        DriverError::Io { .. } | DriverError::Routing { .. } => (ErrorKind::Retriable, ""),
        // A connection that broke in the middle of an answer looks like a broken answer.
        DriverError::Protocol(_) => (ErrorKind::Retriable, ""),
        DriverError::Tls(_) => (
            ErrorKind::Fatal,
            ": set driver.trustServerCertificate=true or driver.serverCertificate to a PEM file that vouches for it, or \
             driver.encrypt=false if the server has no TLS",
        ),
        _ => (ErrorKind::Fatal, ""),
    };
    Error::new(kind, format!("{attempt}{advice}")).cause(error)
}

/// Whether the server does not know a table or function.
pub(crate) fn is_missing_object(error: &DriverError) -> bool {
    error.code() == Some(208)
}

/// Whether a function of change data capture is asked for positions that it does not have.
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
        208 | 22901 | 22911 => ": change data capture is not enabled for it any more: enable it, or leave it out",
        313 => {
            ": the log positions asked for are not there any more: use snapshot.mode=when_needed to read the tables anew"
        }
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
    fn what_passes_is_tried_again_and_what_does_not_fails_at_once() {
        for number in [601, 952, 988, 1205, 1222, 3960, 3961, 4221, 40501, 40613] {
            assert_eq!(kind(number, 16), ErrorKind::Retriable, "{number}");
        }
        for number in [313, 208, 229, 4060, 18456, 102, 207] {
            assert_eq!(kind(number, 16), ErrorKind::Fatal, "{number}");
            assert!(number < 210 || !of_server(number, 16).1.is_empty(), "{number} says what to do");
        }
    }

    #[test]
    fn an_error_that_ends_the_connection_is_tried_again_unless_it_is_known_not_to_pass() {
        assert_eq!(kind(99_999, 20), ErrorKind::Retriable);
        assert_eq!(kind(4060, 20), ErrorKind::Fatal);
    }

    #[test]
    fn a_connection_that_breaks_is_tried_again() {
        let broken = DriverError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert_eq!(classified(&broken, "cannot read").kind(), ErrorKind::Retriable);
        assert_eq!(classified(&DriverError::Tls("unknown issuer".into()), "cannot connect").kind(), ErrorKind::Fatal);
    }
}
