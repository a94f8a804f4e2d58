use tributary_api::Error;

use super::outcome::Refused;

/// A record that is not written, and why.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The record's place in the batch.
    pub(crate) record: usize,
    pub(crate) error: Error,
    /// Whether it is logged, by the topic's settings.
    pub(crate) log: bool,
}

/// The class of the exceptions in which the Java sink reports records; the texts have its format, for programs that
/// read dead letter queues.
const PACKAGE: &str = "com.mongodb.kafka.connect.sink.dlq";
const FORMAT: i32 = 1;

/// The server has refused the write.
pub(super) fn refused(one: &Refused) -> Error {
    let Refused { code, message, details, .. } = one;
    let text = format!("v={FORMAT}, code={code}, message={message}, details={details}");
    Error::data(text).with_class(format!("{PACKAGE}.WriteException"))
}

/// The write is done, but not on as many servers as the write concern requires.
pub(super) fn not_copied(one: &Refused) -> Error {
    let Refused { code, name, message, details, .. } = one;
    let text = format!("v={FORMAT}, code={code}, codeName={name}, message={message}, details={details}");
    Error::data(text).with_class(format!("{PACKAGE}.WriteConcernException"))
}

/// The write came after a refused one in an ordered bulk, and was not tried.
pub(super) fn skipped() -> Error {
    Error::data("not written: it followed a refused write in an ordered bulk (bulk.write.ordered)")
        .with_class(format!("{PACKAGE}.WriteSkippedException"))
}

/// The document is longer than the server accepts.
pub(super) fn too_long(bytes: usize, most: usize) -> Error {
    Error::data(format!(
        "the document has {bytes} bytes, but the server accepts at most {most}: keep large fields \
                         elsewhere"
    ))
}

/// A refusal that is not tolerated.
pub(super) fn not_tolerated(error: &Error, namespace: &str) -> Error {
    let advice = "correct the record or the collection's rules, or set errors.tolerance to all or data, with \
                  errors.deadletterqueue.topic.name to keep refused records";
    Error::fatal(format!("cannot write to {namespace}: {advice}"))
        .cause(error)
        .with_class("org.apache.kafka.connect.errors.DataException")
}
