//! Each check of the battery accepts a plugin that keeps the contract, and finds the fault of one that does not.
#![allow(clippy::unwrap_used)]

mod broken;

use std::sync::Arc;

use broken::Fault;
use broken::sink::MemorySink;
use broken::source::MemorySource;
use broken::stateless::{self, Prefix, Text};
use tributary_testkit::battery;

async fn source_violations(fault: Fault) -> Vec<String> {
    let violations = battery::source(|| MemorySource::new(fault)).await;
    violations.iter().map(|violation| violation.check.to_owned()).collect()
}

async fn sink_violations(fault: Fault) -> Vec<String> {
    let violations = battery::sink(|| MemorySink::new(fault)).await;
    violations.iter().map(|violation| violation.check.to_owned()).collect()
}

#[tokio::test]
async fn a_good_connector_passes() {
    assert_eq!(battery::source(|| MemorySource::new(Fault::None)).await, []);
    assert_eq!(battery::sink(|| MemorySink::new(Fault::None)).await, []);
}

#[tokio::test]
async fn a_fault_of_either_kind_is_found() {
    for (fault, check) in [
        (Fault::NoDocumentation, "is documented"),
        (Fault::RequiredButUnimportant, "is documented"),
        (Fault::RejectsItsConfiguration, "accepts its configuration"),
        (Fault::UndefinedProperty, "rejects a missing property"),
        (Fault::SecretAsText, "gives secrets the type password"),
        (Fault::SecretInError, "hides secrets"),
        (Fault::IssueWithTheValid, "finds no issue in the valid configuration"),
        (Fault::TooManyTasks, "makes no more tasks than allowed"),
        (Fault::NoTasks, "makes no more tasks than allowed"),
        (Fault::ConnectorStopsOnce, "stops at any time"),
        (Fault::TaskStopsOnce, "task stops at any time"),
    ] {
        assert!(source_violations(fault).await.iter().any(|found| found == check), "source: {fault:?}");
        assert!(sink_violations(fault).await.iter().any(|found| found == check), "sink: {fault:?}");
    }
}

#[tokio::test]
async fn a_fault_of_a_source_is_found() {
    for (fault, check) in [
        (Fault::PollNeverReturns, "poll ends when stopping"),
        (Fault::WrongOrder, "delivers in order"),
        (Fault::Loses, "delivers in order"),
        (Fault::CommitFails, "allows commit at any time"),
        (Fault::NoOffsets, "gives records offsets"),
        (Fault::RemembersElsewhere, "starts from the beginning"),
        (Fault::IgnoresOffsets, "resumes after the stored offset"),
        (Fault::OffsetTooFar, "resumes after the stored offset"),
        (Fault::OffsetTooNear, "resumes after the stored offset"),
    ] {
        let found = source_violations(fault).await;
        assert!(found.iter().any(|found| found == check), "{fault:?} was not found by {check}: {found:?}");
    }
}

#[tokio::test]
async fn a_fault_of_a_sink_is_found() {
    for (fault, check) in [
        (Fault::EmptyBatchFails, "accepts an empty batch"),
        (Fault::SaysMoreThanAsked, "accepts an empty batch"),
        (Fault::WrongOrder, "delivers in order"),
        (Fault::Loses, "delivers in order"),
        (Fault::CommitsAhead, "delivers in order"),
        (Fault::NeverSafe, "delivers in order"),
        (Fault::RefusesAgain, "accepts a batch again"),
        (Fault::IgnoresReopening, "continues after close and open"),
        (Fault::SkipsByOffset, "loses nothing when it is dropped"),
    ] {
        let found = sink_violations(fault).await;
        assert!(found.iter().any(|found| found == check), "{fault:?} was not found by {check}: {found:?}");
    }
}

#[tokio::test]
async fn a_source_that_cannot_replay_is_not_asked_to() {
    let place = Arc::default();
    let violations = battery::source(|| MemorySource::once(Fault::NoOffsets, &place)).await;
    assert_eq!(violations, []);
}

fn transformation_violations(fault: stateless::Fault) -> Vec<&'static str> {
    battery::transformation(&Prefix(fault)).iter().map(|violation| violation.check).collect()
}

fn converter_violations(fault: stateless::Fault) -> Vec<&'static str> {
    battery::converter(&Text(fault)).iter().map(|violation| violation.check).collect()
}

#[test]
fn a_good_transform_and_a_good_converter_pass() {
    assert_eq!(battery::transformation(&Prefix(stateless::Fault::None)), []);
    assert_eq!(battery::converter(&Text(stateless::Fault::None)), []);
}

#[test]
fn a_fault_of_a_transform_is_found() {
    use stateless::Fault;
    for (fault, check) in [
        (Fault::NoDocumentation, "is documented"),
        (Fault::NeedsMoreThanItSays, "declares whether it needs state"),
        (Fault::NeedsLessThanItSays, "declares whether it needs state"),
        (Fault::NeedsSomethingElse, "declares whether it needs state"),
        (Fault::RefusesItsOwn, "handles its records"),
        (Fault::Counts, "gives the same result again"),
        (Fault::CountsInItself, "gives the same result again"),
        (Fault::ForgetsTheOrigin, "keeps the origin of records"),
        (Fault::PanicsAtNull, "handles any record without a fatal error"),
        (Fault::PanicsAtNumbers, "handles any record without a fatal error"),
        (Fault::FatalForABadRecord, "handles any record without a fatal error"),
        (Fault::MetricTwice, "registers its metrics"),
    ] {
        let found = transformation_violations(fault);
        assert!(found.contains(&check), "{fault:?} was not found by {check}: {found:?}");
    }
}

#[test]
fn a_fault_of_a_converter_is_found() {
    use stateless::Fault;
    for (fault, check) in [
        (Fault::NoDocumentation, "is documented"),
        (Fault::RefusesItsOwn, "reads what it writes"),
        (Fault::ReadsWrong, "reads what it writes"),
        (Fault::NeedsItsOwnMemory, "reads what it writes"),
        (Fault::CountsInItself, "writes the same bytes"),
        (Fault::WritesNull, "keeps tombstones"),
        (Fault::PanicsAtNumbers, "handles any value without a fatal error"),
        (Fault::FatalForABadRecord, "handles any value without a fatal error"),
        (Fault::PanicsAtBytes, "handles any bytes without a fatal error"),
        (Fault::MetricTwice, "registers its metrics"),
    ] {
        let found = converter_violations(fault);
        assert!(found.contains(&check), "{fault:?} was not found by {check}: {found:?}");
    }
}
