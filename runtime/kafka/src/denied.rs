use std::error::Error as _;

use tributary_api::Error;
use tributary_librdkafka::{Failure, code};

/// Whether a broker denies the client access or an operation: an administrator must act, and a retry does not help.
pub fn is_denied(error: &Error) -> bool {
    const DENIED: [i32; 9] = [
        code::TOPIC_AUTHORIZATION_FAILED,
        code::GROUP_AUTHORIZATION_FAILED,
        code::CLUSTER_AUTHORIZATION_FAILED,
        code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        code::AUTHENTICATION,
        code::SASL_AUTHENTICATION_FAILED,
        code::SSL,
        code::UNSUPPORTED_VERSION,
        code::UNSUPPORTED_FEATURE,
    ];
    let failure = error.source().and_then(|source| source.downcast_ref::<Failure>());
    failure.is_some_and(|failure| DENIED.contains(&failure.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_administrator_must_mend_is_known_by_its_code() {
        let denied = |code: i32| is_denied(&Error::from(Failure::of(code)).context("cannot commit"));
        assert!(denied(code::TOPIC_AUTHORIZATION_FAILED) && denied(code::SSL) && denied(code::UNSUPPORTED_VERSION));
        assert!(!denied(code::TIMED_OUT) && !denied(code::FENCED));
        let named_alike = Error::fatal("no").with_class("org.apache.kafka.common.errors.TopicAuthorizationException");
        assert!(!is_denied(&named_alike), "of a plugin's, not of the broker's");
    }
}
