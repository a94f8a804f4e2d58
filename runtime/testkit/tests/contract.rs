//! Each check of the battery passes a connector that keeps the contract and finds one that does not.
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
        (Fault::NoDocumentation, "is described"),
        (Fault::NeedsMoreThanItSays, "asks its host for what it says"),
        (Fault::NeedsLessThanItSays, "asks its host for what it says"),
        (Fault::NeedsSomethingElse, "asks its host for what it says"),
        (Fault::RefusesItsOwn, "handles its records"),
        (Fault::Counts, "has one outcome"),
        (Fault::CountsInItself, "has one outcome"),
        (Fault::ForgetsTheOrigin, "keeps where a record is from"),
        (Fault::PanicsAtNull, "survives whatever comes"),
        (Fault::PanicsAtNumbers, "survives whatever comes"),
        (Fault::FatalForABadRecord, "survives whatever comes"),
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
        (Fault::NoDocumentation, "is described"),
        (Fault::RefusesItsOwn, "reads what it writes"),
        (Fault::ReadsWrong, "reads what it writes"),
        (Fault::NeedsItsOwnMemory, "reads what it writes"),
        (Fault::CountsInItself, "writes the same bytes"),
        (Fault::WritesNull, "knows tombstones"),
        (Fault::PanicsAtNumbers, "survives whatever it should write"),
        (Fault::FatalForABadRecord, "survives whatever it should write"),
        (Fault::PanicsAtBytes, "survives whatever it should read"),
        (Fault::MetricTwice, "registers its metrics"),
    ] {
        let found = converter_violations(fault);
        assert!(found.contains(&check), "{fault:?} was not found by {check}: {found:?}");
    }
}
