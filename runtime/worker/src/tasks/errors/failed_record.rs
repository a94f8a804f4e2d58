use std::fmt;

use tributary_api::{Origin, Record, TimestampType};
use tributary_kafka::RawRecord;

/// The record that an error is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FailedRecord<'a> {
    /// A consumed record: it can go to a dead letter queue.
    Consumed(&'a RawRecord),
    /// A record of a source task.
    Source(&'a Record),
    /// Only the source partition and offset of a record of a source task.
    Origin(&'a Origin),
    /// No longer known.
    Unknown,
}

/// Identifies a record in a log line: its topic, partition and offset, never its content.
impl fmt::Display for FailedRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consumed(raw) => {
                let RawRecord { topic, partition, offset, .. } = raw;
                write!(f, ", where consumed record is {{topic='{topic}', partition={partition}, offset={offset}")?;
                if let Some(timestamp) = raw.timestamp {
                    let kind = match raw.timestamp_type {
                        TimestampType::None => "NoTimestampType",
                        TimestampType::CreateTime => "CreateTime",
                        TimestampType::LogAppendTime => "LogAppendTime",
                    };
                    write!(f, ", timestamp={timestamp}, timestampType={kind}")?;
                }
                f.write_str("}")
            }
            Self::Source(record) => {
                write!(f, ", where source record is {{topic='{}'", record.topic)?;
                origin(&record.origin, f)?;
                f.write_str("}")
            }
            Self::Origin(place) => {
                f.write_str(", where source record is {topic unknown")?;
                origin(place, f)?;
                f.write_str("}")
            }
            Self::Unknown => Ok(()),
        }
    }
}

fn origin(origin: &Origin, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Origin::Source { partition, offset, .. } = origin else { return Ok(()) };
    if let Some(partition) = partition {
        write!(f, ", sourcePartition={partition:?}")?;
    }
    if let Some(offset) = offset {
        write!(f, ", sourceOffset={offset:?}")?;
    }
    Ok(())
}
