use std::sync::Arc;

use bytes::Bytes;
use tributary_api::{
    ByteString, Datum, DecodeContext, EncodeContext, Error, ErrorKind, Header, HeaderConverter, Headers, PluginMetrics,
    PluginRegistry, Props, Record, Records, Result, Topic,
};
use tributary_kafka::{ProducerRecord, RawRecord};

use super::errors::{Failure, Stage};
use super::{ChainHost, Converters, TransformationChain};

/// A record as it is written to Kafka.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    pub(crate) topic: Topic,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<(ByteString, Option<Bytes>)>,
}

impl Encoded {
    /// Bytes of key, value and headers.
    pub(crate) fn size(&self) -> usize {
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + len(value)).sum();
        len(&self.key) + len(&self.value) + headers
    }

    /// Hands the record to a producer's `send`.
    pub(crate) fn send_with<R>(&self, send: impl FnOnce(&ProducerRecord<'_>) -> R) -> R {
        let headers: Vec<(&str, Option<&[u8]>)> =
            self.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
        send(&ProducerRecord {
            topic: &self.topic,
            partition: self.partition,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
            timestamp: self.timestamp,
        })
    }
}

/// Records to bytes: the transforms, then the converters.
pub(crate) struct Encoder {
    pub(crate) chain: TransformationChain,
    converters: Converters,
}

impl Encoder {
    pub(crate) fn new(chain: TransformationChain, converters: Converters) -> Self {
        Self { chain, converters }
    }

    /// Lets transforms and converters register metrics of their own.
    ///
    /// # Errors
    /// Their own.
    pub(crate) fn with_plugin_metrics(&mut self, metrics: &PluginMetrics) -> Result<()> {
        self.chain.with_plugin_metrics(metrics)?;
        self.converters.with_plugin_metrics(metrics)
    }

    /// Appends the outputs of a record and returns their number.
    ///
    /// # Errors
    /// The stage and the error; then nothing is appended.
    pub(crate) fn run(
        &mut self,
        record: Record,
        host: &mut impl ChainHost,
        out: &mut Vec<Encoded>,
    ) -> Result<u32, Failure> {
        if self.chain.is_empty() {
            out.push(self.encode(record)?);
            return Ok(1);
        }
        match self.chain.apply(record, host)? {
            Records::None => Ok(0),
            Records::One(record) => {
                out.push(self.encode(record)?);
                Ok(1)
            }
            Records::Many(records) => {
                let before = out.len();
                for record in records {
                    let encoded = self.encode(record).inspect_err(|_| out.truncate(before))?;
                    out.push(encoded);
                }
                Ok(u32::try_from(out.len() - before).unwrap_or(u32::MAX))
            }
        }
    }

    /// Converts one record.
    ///
    /// # Errors
    /// The stage and the error.
    pub(crate) fn encode(&mut self, record: Record) -> Result<Encoded, Failure> {
        let Converters { key, key_class, value, value_class, header, header_class } = &mut self.converters;
        let topic = &*record.topic;
        let mut headers = Vec::with_capacity(record.headers.len());
        for one in record.headers.iter() {
            let bytes = header_bytes(header.as_mut(), topic, one)
                .map_err(|error| Failure::new(Stage::HeaderConverter, header_class, error))?;
            headers.push((one.name.clone(), bytes));
        }
        let mut cx = EncodeContext::new(topic, &mut headers);
        Ok(Encoded {
            key: key
                .from_connect_data(&mut cx, &record.key)
                .map_err(|error| Failure::new(Stage::KeyConverter, key_class, error))?,
            value: value
                .from_connect_data(&mut cx, &record.value)
                .map_err(|error| Failure::new(Stage::ValueConverter, value_class, error))?,
            headers,
            partition: record.partition,
            timestamp: valid_timestamp(record.timestamp)
                .map_err(|error| Failure::new(Stage::KafkaProduce, value_class, error))?,
            topic: record.topic,
        })
    }
}

/// A consumed header that was not changed is written with its original bytes.
fn header_bytes(converter: &mut dyn HeaderConverter, topic: &str, header: &Header) -> Result<Option<Bytes>> {
    match &header.raw {
        Some(raw) => Ok(Some(raw.clone())),
        None => converter.from_connect_header(topic, &header.name, &header.datum),
    }
}

/// Java's producer takes -1 for no timestamp and refuses smaller values.
fn valid_timestamp(timestamp: Option<i64>) -> Result<Option<i64>> {
    match timestamp {
        Some(-1) => Ok(None),
        Some(negative) if negative < 0 => {
            Err(Error::data(format!("record has the timestamp {negative}: give it milliseconds since 1970 or none")))
        }
        valid => Ok(valid),
    }
}

/// Bytes to records: the converters, then the transforms.
pub(crate) struct Decoder {
    pub(crate) chain: TransformationChain,
    converters: Converters,
}

impl Decoder {
    pub(crate) fn new(chain: TransformationChain, converters: Converters) -> Self {
        Self { chain, converters }
    }

    /// Lets transforms and converters register metrics of their own.
    ///
    /// # Errors
    /// Their own.
    pub(crate) fn with_plugin_metrics(&mut self, metrics: &PluginMetrics) -> Result<()> {
        self.chain.with_plugin_metrics(metrics)?;
        self.converters.with_plugin_metrics(metrics)
    }

    /// The decoder of a sink task.
    ///
    /// # Errors
    /// `Config` when a converter or transform cannot be made, or one needs state.
    pub(crate) fn for_sink(connector: &Props, worker: &Props, plugins: &PluginRegistry) -> Result<Self> {
        let converters = Converters::build(connector, worker, plugins)?;
        Ok(Self::new(TransformationChain::build_stateless(connector, plugins)?, converters))
    }

    /// Appends the outputs of a consumed record.
    ///
    /// # Errors
    /// Where and why it failed; then nothing is appended.
    pub(crate) fn run(
        &mut self,
        raw: RawRecord,
        host: &mut impl ChainHost,
        out: &mut Vec<Record>,
    ) -> Result<(), Failure> {
        let record = self.decode(raw)?;
        if self.chain.is_empty() {
            out.push(record);
        } else {
            out.extend(self.chain.apply(record, host)?);
        }
        Ok(())
    }

    /// Converts one record.
    ///
    /// # Errors
    /// Where and why it failed.
    pub(crate) fn decode(&mut self, raw: RawRecord) -> Result<Record, Failure> {
        let Converters { key, key_class, value, value_class, header, header_class } = &mut self.converters;
        let topic = raw.topic;
        let cx = DecodeContext::new(&topic, &raw.headers);
        let key =
            key.to_connect_data(&cx, raw.key).map_err(|error| Failure::new(Stage::KeyConverter, key_class, error))?;
        let value = value
            .to_connect_data(&cx, raw.value)
            .map_err(|error| Failure::new(Stage::ValueConverter, value_class, error))?;
        let mut headers = Headers::new();
        for (name, bytes) in raw.headers {
            let datum: Datum = header
                .to_connect_header(&topic, &name, bytes.clone())
                .map_err(|error| Failure::new(Stage::HeaderConverter, header_class, error))?;
            headers.push_consumed(name, datum, bytes);
        }
        let mut record = Record::new(topic, value).with_key(key).consumed_at(raw.partition, raw.offset);
        record.headers = headers;
        record.timestamp = raw.timestamp;
        record.timestamp_type = raw.timestamp_type;
        Ok(record)
    }

    /// Converts a record back to the form in which it was consumed, when the consumed bytes are no longer held; as
    /// close to them as the converters allow. If the converters cannot write what they read, only topic, partition,
    /// offset and timestamp are kept: a reported record must not fail the task.
    ///
    /// # Errors
    /// When the record has no origin.
    pub(crate) fn encode_again(&mut self, record: &Record) -> Result<RawRecord> {
        let Some((origin, partition, offset)) = record.consumed_from() else {
            return Err(Error::fatal("a reported record must keep its origin"));
        };
        let Encoded { key, value, headers, .. } = self.written_again(record).or_else(|error| {
            if error.kind() != ErrorKind::Data {
                return Err(error);
            }
            tracing::warn!(topic = %origin, partition, offset, %error, "a reported record cannot be converted back to bytes");
            let (topic, timestamp) = (Arc::clone(origin), record.timestamp);
            Ok(Encoded { topic, partition: None, timestamp, key: None, value: None, headers: Vec::new() })
        })?;
        Ok(RawRecord {
            topic: Arc::clone(origin),
            partition,
            offset,
            timestamp: record.timestamp,
            timestamp_type: record.timestamp_type,
            key,
            value,
            headers,
        })
    }

    fn written_again(&mut self, record: &Record) -> Result<Encoded> {
        let Converters { key, value, header, .. } = &mut self.converters;
        let topic = &*record.topic;
        let mut headers = Vec::with_capacity(record.headers.len());
        for one in record.headers.iter() {
            headers.push((one.name.clone(), header_bytes(header.as_mut(), topic, one)?));
        }
        // Converters may add headers, which the consumed record has already: these go to a copy that is not used.
        let mut with_additions = headers.clone();
        let mut cx = EncodeContext::new(topic, &mut with_additions);
        Ok(Encoded {
            key: key.from_connect_data(&mut cx, &record.key)?,
            value: value.from_connect_data(&mut cx, &record.value)?,
            topic: Arc::clone(&record.topic),
            partition: record.partition,
            timestamp: record.timestamp,
            headers,
        })
    }
}
