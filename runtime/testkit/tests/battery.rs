//! Each check of the battery passes a connector that keeps the contract and finds one that does not.
#![allow(clippy::unwrap_used)]

mod broken;

use std::sync::Arc;

use broken::Fault;
use broken::sink::MemorySink;
use broken::source::MemorySource;
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
        (Fault::NoDocumentation, "is described"),
        (Fault::RequiredButUnimportant, "is described"),
        (Fault::RejectsItsConfiguration, "accepts its configuration"),
        (Fault::UndefinedProperty, "rejects what is missing"),
        (Fault::SecretAsText, "defines secrets as such"),
        (Fault::SecretInError, "hides secrets"),
        (Fault::IssueWithTheValid, "validates the valid"),
        (Fault::TooManyTasks, "keeps to the number of tasks"),
        (Fault::NoTasks, "keeps to the number of tasks"),
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
        (Fault::CommitFails, "commit does no harm"),
        (Fault::NoOffsets, "gives offsets"),
        (Fault::RemembersElsewhere, "starts from the beginning"),
        (Fault::IgnoresOffsets, "resumes behind the stored offset"),
        (Fault::OffsetTooFar, "resumes behind the stored offset"),
        (Fault::OffsetTooNear, "resumes behind the stored offset"),
    ] {
        let found = source_violations(fault).await;
        assert!(found.iter().any(|found| found == check), "{fault:?} was not found by {check}: {found:?}");
    }
}

#[tokio::test]
async fn a_fault_of_a_sink_is_found() {
    for (fault, check) in [
        (Fault::EmptyBatchFails, "takes an empty batch"),
        (Fault::SaysMoreThanAsked, "takes an empty batch"),
        (Fault::WrongOrder, "delivers in order"),
        (Fault::Loses, "delivers in order"),
        (Fault::CommitsAhead, "delivers in order"),
        (Fault::NeverSafe, "delivers in order"),
        (Fault::RefusesAgain, "takes a batch again"),
        (Fault::ClosesForEver, "goes on after close and open"),
        (Fault::SkipsByOffset, "loses nothing when it dies"),
    ] {
        let found = sink_violations(fault).await;
        assert!(found.iter().any(|found| found == check), "{fault:?} was not found by {check}: {found:?}");
    }
}

#[tokio::test]
async fn a_source_without_rereading_is_not_reread() {
    let place = Arc::default();
    let violations = battery::source(|| MemorySource::once(Fault::NoOffsets, &place)).await;
    assert_eq!(violations, []);
}
