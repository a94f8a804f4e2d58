//! Which kind of error each error code of a broker or of librdkafka is: whether it may be tried again, and Java's class.

use tributary_api::{Error, ErrorKind};

use crate::{Failure, code};

impl From<Failure> for Error {
    #[cold]
    fn from(failure: Failure) -> Self {
        let (kind, class) = classify(failure.code);
        let kind = match kind {
            _ if failure.fatal => ErrorKind::Fatal,
            ErrorKind::Fatal if failure.retriable => ErrorKind::Retriable,
            kind => kind,
        };
        // The failure stays the source: its code tells what the kind does not.
        Error::new(kind, &*failure.message).with_class(format!("org.apache.kafka.common.{class}")).with_source(failure)
    }
}

/// The kind of an error code, and the corresponding exception class of Java's client. Codes above zero are those of
/// Kafka's protocol (`org.apache.kafka.common.protocol.Errors`), the others are librdkafka's own.
fn classify(code: i32) -> (ErrorKind, &'static str) {
    use ErrorKind::{Config, Data, Fatal, Retriable};
    match code {
        code::TIMED_OUT | -192 | -180 | -166 | 7 => (Retriable, "errors.TimeoutException"),
        -195 | -193 | -187 | 13 => (Retriable, "errors.NetworkException"),
        code::QUEUE_FULL => (Retriable, "errors.TimeoutException"),
        code::PURGE_QUEUE | code::PURGE_INFLIGHT => (Retriable, "errors.TransactionAbortedException"),
        -178 | -177 | -164 | -153 | code::STATE => (Retriable, "errors.RetriableException"),
        code::SSL => (Fatal, "errors.SslAuthenticationException"),
        code::AUTHENTICATION | code::SASL_AUTHENTICATION_FAILED => (Fatal, "errors.SaslAuthenticationException"),
        -188 | -190 | code::UNKNOWN_TOPIC_OR_PART | 100 => (Retriable, "errors.UnknownTopicOrPartitionException"),
        code::NO_OFFSET | -140 => (Fatal, "errors.OffsetOutOfRangeException"),
        1 => (Retriable, "errors.OffsetOutOfRangeException"),
        2 | -199 => (Retriable, "errors.CorruptRecordException"),
        code::NO_LEADER | 9 | 72 | 83 | code::NO_ENTRY => (Retriable, "errors.LeaderNotAvailableException"),
        6 => (Retriable, "errors.NotLeaderOrFollowerException"),
        8 | 77 => (Retriable, "errors.BrokerNotAvailableException"),
        10 | 18 => (Data, "errors.RecordTooLargeException"),
        14 => (Retriable, "errors.CoordinatorLoadInProgressException"),
        15 | 16 => (Retriable, "errors.CoordinatorNotAvailableException"),
        17 => (Config, "errors.InvalidTopicException"),
        19 | 20 => (Retriable, "errors.NotEnoughReplicasException"),
        22 | 25 | 27 | 113 | 110 | code::ASSIGNMENT_LOST | code::MAX_POLL_EXCEEDED => {
            (Retriable, "errors.RebalanceInProgressException")
        }
        code::TOPIC_AUTHORIZATION_FAILED => (Fatal, "errors.TopicAuthorizationException"),
        code::GROUP_AUTHORIZATION_FAILED => (Fatal, "errors.GroupAuthorizationException"),
        code::CLUSTER_AUTHORIZATION_FAILED => (Fatal, "errors.ClusterAuthorizationException"),
        32 => (Data, "errors.InvalidTimestampException"),
        33 => (Config, "errors.UnsupportedSaslMechanismException"),
        code::UNSUPPORTED_VERSION | code::UNSUPPORTED_FEATURE => (Fatal, "errors.UnsupportedVersionException"),
        code::TOPIC_ALREADY_EXISTS => (Config, "errors.TopicExistsException"),
        37 => (Config, "errors.InvalidPartitionsException"),
        38 => (Config, "errors.InvalidReplicationFactorException"),
        40 | -186 | code::INCONSISTENT => (Config, "errors.InvalidConfigurationException"),
        41 => (Retriable, "errors.NotControllerException"),
        44 => (Config, "errors.PolicyViolationException"),
        45 => (Fatal, "errors.OutOfOrderSequenceException"),
        code::DUPLICATE_SEQUENCE => (Retriable, "errors.DuplicateSequenceException"),
        code::INVALID_PRODUCER_EPOCH => (Fatal, "errors.InvalidProducerEpochException"),
        code::FENCED | code::PRODUCER_FENCED => (Fatal, "errors.ProducerFencedException"),
        51 => (Retriable, "errors.ConcurrentTransactionsException"),
        code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => (Fatal, "errors.TransactionalIdAuthorizationException"),
        56 => (Retriable, "errors.KafkaStorageException"),
        68 => (Config, "errors.GroupNotEmptyException"),
        code::GROUP_ID_NOT_FOUND => (Config, "errors.GroupIdNotFoundException"),
        74 | 75 | 78 => (Retriable, "errors.FencedLeaderEpochException"),
        82 => (Fatal, "errors.FencedInstanceIdException"),
        86 => (Config, "errors.GroupSubscribedToTopicException"),
        87 => (Data, "errors.InvalidRecordException"),
        88 => (Retriable, "errors.UnstableOffsetCommitException"),
        89 => (Retriable, "errors.ThrottlingQuotaExceededException"),
        _ => (Fatal, "KafkaException"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_errors_are_classified_as_in_java() {
        let classified = |code: i32| {
            let error = Error::from(Failure::of(code));
            (error.kind(), error.class().to_owned())
        };
        let class = |name: &str| format!("org.apache.kafka.common.errors.{name}");
        assert_eq!(classified(-185), (ErrorKind::Retriable, class("TimeoutException")));
        assert_eq!(classified(10), (ErrorKind::Data, class("RecordTooLargeException")));
        assert_eq!(classified(29), (ErrorKind::Fatal, class("TopicAuthorizationException")));
        assert_eq!(classified(3), (ErrorKind::Retriable, class("UnknownTopicOrPartitionException")));
        assert_eq!(classified(-156), (ErrorKind::Retriable, class("LeaderNotAvailableException")));
        assert_eq!(classified(9999), (ErrorKind::Fatal, "org.apache.kafka.common.KafkaException".to_owned()));
        assert_eq!(Error::from(Failure::of(9999)).to_string(), "kafka error 9999", "its text is not there twice");
    }

    #[test]
    fn a_client_that_has_failed_for_good_is_not_tried_again() {
        let failure = Failure { fatal: true, retriable: true, ..Failure::of(code::TIMED_OUT) };
        assert_eq!(Error::from(failure).kind(), ErrorKind::Fatal);
        let failure = Failure { retriable: true, ..Failure::of(9999) };
        assert_eq!(Error::from(failure).kind(), ErrorKind::Retriable);
    }
}
