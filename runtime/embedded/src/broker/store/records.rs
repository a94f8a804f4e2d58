//! Checks the records of a batch before Tansu's engine gets them.
//!
//! The engine allocates memory for as many records and headers as a batch announces, decompresses without a limit, and
//! panics if a record ends too early: a small request could end the process or block everybody. It also stores records
//! that it cannot read again. Here a batch is checked by Kafka's rules, in one pass and without allocations, before the
//! engine gets it.

use std::io::Read;

use bytes::Bytes;
use tansu_sans_io::ErrorCode;
use tansu_sans_io::record::deflated::Batch;
use tansu_sans_io::record::inflated;
use tansu_storage::{Error, Result};

/// The maximum number of records of a batch. Each is a row, and no other request is served while a batch is stored.
/// librdkafka sends at most 10,000 by default.
const MAX_RECORDS: u32 = 100_000;

/// The maximum decompressed size of a batch's records; a client's batch has 1 MB by default.
const MAX_INFLATED: usize = 32 * 1024 * 1024;

/// The same as a power of two, for the window of a Zstandard frame.
const MAX_WINDOW: u32 = 25;

/// The bits of a batch's attributes that name its compression.
const COMPRESSION: i16 = 0b111;

/// Bytes of a batch from its leader epoch, where its length begins to count, to its records.
const FIXED_LENGTH: usize = 49;

const INVALID: Error = Error::Api(ErrorCode::InvalidRecord);
const TOO_LARGE: Error = Error::Api(ErrorCode::MessageTooLarge);

/// The batch, decompressed: the engine accepts Snappy but cannot return it, which would stop all readers of the
/// partition, and it would compress again for every fetch.
pub(super) fn accept(batch: Batch) -> Result<Batch> {
    if batch.record_count > MAX_RECORDS {
        return Err(TOO_LARGE);
    }
    let is_whole = i64::from(batch.last_offset_delta) + 1 == i64::from(batch.record_count);
    if batch.record_count == 0 || !is_whole || batch.is_control() {
        return Err(INVALID);
    }
    if batch.attributes & COMPRESSION == 0 {
        check(&batch, &batch.record_data)?;
        return Ok(batch);
    }
    let records = inflate(batch.attributes & COMPRESSION, &batch.record_data)?;
    check(&batch, &records)?;
    let length = i32::try_from(FIXED_LENGTH + records.len()).map_err(|_| TOO_LARGE)?;
    let attributes = batch.attributes & !COMPRESSION;
    let plain = Batch { attributes, batch_length: length, record_data: Bytes::from(records), ..batch };
    // Through the records, for the checksum.
    Ok(Batch::try_from(inflated::Batch::try_from(plain)?)?)
}

fn inflate(compression: i16, data: &[u8]) -> Result<Vec<u8>> {
    match compression {
        1 => read_all(flate2::read::GzDecoder::new(data)),
        2 => inflate_snappy(data),
        3 => read_all(lz4::Decoder::new(data).map_err(|_| INVALID)?),
        4 => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(data).map_err(|_| INVALID)?;
            decoder.window_log_max(MAX_WINDOW).map_err(|_| INVALID)?;
            read_all(decoder)
        }
        _ => Err(Error::Api(ErrorCode::UnsupportedCompressionType)),
    }
}

fn read_all(reader: impl Read) -> Result<Vec<u8>> {
    let mut records = Vec::new();
    let limit = MAX_INFLATED as u64 + 1;
    reader.take(limit).read_to_end(&mut records).map_err(|_| INVALID)?;
    if records.len() > MAX_INFLATED { Err(TOO_LARGE) } else { Ok(records) }
}

/// One block, as librdkafka sends it, or blocks in the framing of Java's library.
fn inflate_snappy(data: &[u8]) -> Result<Vec<u8>> {
    const MAGIC: &[u8] = b"\x82SNAPPY\0";
    const VERSIONS: usize = 8;
    let mut records = Vec::new();
    let Some(framed) = data.strip_prefix(MAGIC) else {
        inflate_block(data, &mut records)?;
        return Ok(records);
    };
    let mut rest = Unparsed(framed);
    rest.take(VERSIONS)?;
    while !rest.0.is_empty() {
        let length = rest.take(4)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        inflate_block(rest.take(length)?, &mut records)?;
    }
    Ok(records)
}

fn inflate_block(block: &[u8], records: &mut Vec<u8>) -> Result<()> {
    let length = snap::raw::decompress_len(block).map_err(|_| INVALID)?;
    if length > MAX_INFLATED - records.len() {
        return Err(TOO_LARGE);
    }
    let begin = records.len();
    records.resize(begin + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut records[begin..]).map_err(|_| INVALID)?;
    Ok(())
}

/// Fails unless `data` contains exactly the records that `batch` announces.
fn check(batch: &Batch, data: &[u8]) -> Result<()> {
    let mut rest = Unparsed(data);
    for index in 0..batch.record_count {
        let length = rest.length()?.ok_or(INVALID)?;
        let mut record = Unparsed(rest.take(length)?);
        record.take(1)?;
        let timestamp = batch.base_timestamp.checked_add(record.number(64)?);
        if timestamp.is_none_or(|timestamp| timestamp < 0) {
            return Err(Error::Api(ErrorCode::InvalidTimestamp));
        }
        if record.number(32)? != i64::from(index) {
            return Err(INVALID);
        }
        record.key_or_value()?;
        record.key_or_value()?;
        for _ in 0..record.length()?.ok_or(INVALID)? {
            let key = record.length()?.ok_or(INVALID)?;
            record.take(key)?;
            record.key_or_value()?;
        }
        record.is_read()?;
    }
    rest.is_read()
}

/// The unparsed rest of a record or of several.
struct Unparsed<'a>(&'a [u8]);

impl<'a> Unparsed<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(INVALID)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of variable length, positive and negative ones in turn; not longer than one of `bits` can be.
    fn number(&mut self, bits: u32) -> Result<i64> {
        let mut value = 0_u64;
        for shift in (0..bits).step_by(7) {
            let byte = u64::from(self.take(1)?[0]);
            value |= (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(INVALID)
    }

    /// A length; `None` for -1, which is null.
    fn length(&mut self) -> Result<Option<usize>> {
        match self.number(32)? {
            -1 => Ok(None),
            length => {
                i32::try_from(length).ok().and_then(|length| usize::try_from(length).ok()).map(Some).ok_or(INVALID)
            }
        }
    }

    fn key_or_value(&mut self) -> Result<()> {
        if let Some(length) = self.length()? {
            self.take(length)?;
        }
        Ok(())
    }

    fn is_read(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(INVALID) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use super::*;

    /// A record with a key, a value and one header.
    const RECORD: [u8; 13] = [24, 0, 0, 0, 2, b'k', 4, b'v', b'v', 2, 2, b'h', 1];

    fn batch(attributes: i16, count: u32, data: Vec<u8>) -> Batch {
        let last_offset_delta = (i64::from(count) - 1) as i32;
        Batch { attributes, last_offset_delta, record_count: count, record_data: data.into(), ..Batch::default() }
    }

    fn code(batch: Batch) -> Option<ErrorCode> {
        match accept(batch) {
            Ok(_) => None,
            Err(Error::Api(code)) => Some(code),
            Err(_) => Some(ErrorCode::UnknownServerError),
        }
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn snappy(data: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(data).unwrap()
    }

    fn framed_snappy(blocks: [&[u8]; 2]) -> Vec<u8> {
        let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
        for block in blocks.map(snappy) {
            framed.extend((block.len() as u32).to_be_bytes());
            framed.extend(block);
        }
        framed
    }

    fn lz4(data: &[u8]) -> Vec<u8> {
        let mut encoder = lz4::EncoderBuilder::new().build(Vec::new()).unwrap();
        encoder.write_all(data).unwrap();
        encoder.finish().0
    }

    #[test]
    fn a_batch_that_keeps_its_promises_is_taken_in_every_compression() {
        let zstd = zstd::stream::encode_all(&RECORD[..], 0).unwrap();
        let (begin, end) = RECORD.split_at(5);
        let forms = [gzip(&RECORD), snappy(&RECORD), framed_snappy([begin, end]), lz4(&RECORD), zstd, RECORD.to_vec()];
        for (attributes, data) in [1, 2, 2, 3, 4, 0].into_iter().zip(forms) {
            let taken = accept(batch(attributes, 1, data)).unwrap();
            assert_eq!((taken.attributes, &taken.record_data[..]), (0, &RECORD[..]), "{attributes}");
        }
    }

    #[test]
    fn what_a_batch_promises_and_does_not_hold_is_refused() {
        let invalid = Some(ErrorCode::InvalidRecord);
        for (count, data) in [(0, vec![]), (2, RECORD.to_vec()), (1, [RECORD, RECORD].concat())] {
            assert_eq!(code(batch(0, count, data.clone())), invalid, "{count}");
            assert_eq!(code(batch(1, count, gzip(&data))), invalid, "{count}");
        }
        assert_eq!(code(batch(0, u32::MAX, RECORD.to_vec())), Some(ErrorCode::MessageTooLarge));
        assert_eq!(code(batch(0, u32::MAX / 2, RECORD.to_vec())), Some(ErrorCode::MessageTooLarge));
        for attributes in 1..=4 {
            assert_eq!(code(batch(attributes, 1, RECORD.to_vec())), invalid, "compressed by {attributes}");
        }
        assert_eq!(code(batch(5, 1, RECORD.to_vec())), Some(ErrorCode::UnsupportedCompressionType));
        assert_eq!(code(batch(0b10_0000, 1, RECORD.to_vec())), invalid, "the mark of a transaction");
        let skipping = Batch { last_offset_delta: 7, ..batch(0, 1, RECORD.to_vec()) };
        assert_eq!(code(skipping), invalid);
    }

    /// Each byte of a record, set to values that end early, are negative, or exceed the data.
    #[test]
    fn a_record_with_wrong_lengths_is_refused() {
        for (index, byte) in
            [(0, 22), (0, 26), (0, 1), (3, 2), (4, 200), (4, 5), (6, 2), (9, 0), (9, 4), (9, 1), (10, 1)]
        {
            let mut record = RECORD;
            record[index] = byte;
            assert_eq!(code(batch(0, 1, record.to_vec())), Some(ErrorCode::InvalidRecord), "{byte} at {index}");
        }
        for length in 0..RECORD.len() {
            assert_eq!(code(batch(0, 1, RECORD[..length].to_vec())), Some(ErrorCode::InvalidRecord), "{length} bytes");
        }
        // A count of headers of 2^31 - 1, as an int32 of variable length; and one that never ends.
        for count in [&[0xfe, 0xff, 0xff, 0xff, 0x0f][..], &[0xff; 12]] {
            let fields = [&[0, 0, 0, 1, 1][..], count].concat();
            let record = [&[2 * fields.len() as u8][..], &fields].concat();
            assert_eq!(code(batch(0, 1, record)), Some(ErrorCode::InvalidRecord));
        }
    }

    /// The storage stores times before 1970 but cannot read them.
    #[test]
    fn a_time_before_1970_is_refused() {
        let early = |base_timestamp| Batch { base_timestamp, ..batch(0, 1, RECORD.to_vec()) };
        assert_eq!(code(early(-1)), Some(ErrorCode::InvalidTimestamp));
        assert_eq!(code(early(i64::MIN)), Some(ErrorCode::InvalidTimestamp));
        assert_eq!(code(early(i64::MAX)), None);
        let mut later = RECORD;
        later[2] = 2;
        let overflowing = Batch { base_timestamp: i64::MAX, ..batch(0, 1, later.to_vec()) };
        assert_eq!(code(overflowing), Some(ErrorCode::InvalidTimestamp));
    }

    #[test]
    fn what_inflates_beyond_the_limit_is_refused_in_every_compression() {
        let zeros = vec![0; MAX_INFLATED + 1];
        let bombs = [gzip(&zeros), snappy(&zeros), lz4(&zeros), zstd::stream::encode_all(&zeros[..], 0).unwrap()];
        for (attributes, bomb) in (1..).zip(bombs) {
            assert_eq!(code(batch(attributes, 1, bomb)), Some(ErrorCode::MessageTooLarge), "{attributes}");
        }
    }

    /// Tansu reads everything that is accepted, without a panic and with the same number of records.
    #[test]
    fn fuzz_batches() {
        let compressed =
            [gzip(&RECORD), snappy(&RECORD), lz4(&RECORD), zstd::stream::encode_all(&RECORD[..], 0).unwrap()];
        let mut examples = vec![[&[0, 0, 1][..], &RECORD].concat(), [&[0, 0, 2][..], &RECORD, &RECORD].concat()];
        examples.extend((1..).zip(compressed).map(|(attributes, data)| [&[0, attributes, 1][..], &data].concat()));
        let examples: Vec<&[u8]> = examples.iter().map(Vec::as_slice).collect();
        tributary_testkit::fuzz(&examples, |input| {
            let [time, attributes, count, data @ ..] = input else { return None };
            let batch =
                Batch { base_timestamp: (*time).into(), ..batch((*attributes).into(), (*count).into(), data.to_vec()) };
            let taken = match accept(batch) {
                Ok(taken) => taken,
                Err(error) => return Some(Err(error.to_string().len())),
            };
            let read = inflated::Batch::try_from(taken).unwrap();
            assert_eq!(read.records.len(), usize::from(*count));
            Some(Ok(read
                .records
                .iter()
                .map(|record| (record.key.is_some(), record.headers.len().min(4)))
                .take(4)
                .collect::<Vec<_>>()))
        });
    }
}
