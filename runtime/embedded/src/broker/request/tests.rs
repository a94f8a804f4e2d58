#![allow(clippy::unwrap_used)]

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tansu_model::MessageMeta;
use tansu_sans_io::Frame;

use super::*;

const SEED: u64 = 7;

/// Requests that Tansu cannot read and the broker does not serve.
const UNREADABLE: [&str; 2] = ["ShareGroupHeartbeatRequest 0", "ConsumerGroupHeartbeatRequest 0"];

/// Writes a request by its description, with arbitrary values.
struct Writer {
    request: Vec<u8>,
    version: i16,
    flexible: bool,
    random: StdRng,
}

impl Writer {
    /// With the length that goes before it.
    fn write(message: &MessageMeta, version: i16) -> Vec<u8> {
        let flexible = message.is_flexible(version);
        let mut writer = Self { request: vec![0; 4], version, flexible, random: StdRng::seed_from_u64(SEED) };
        writer.put(&message.api_key.to_be_bytes());
        writer.put(&version.to_be_bytes());
        writer.put(&1_i32.to_be_bytes());
        writer.put(&[0, 6]);
        writer.put(b"client");
        writer.tags();
        writer.structure(message.fields);
        let length = (writer.request.len() - 4) as i32;
        writer.request[..4].copy_from_slice(&length.to_be_bytes());
        writer.request
    }

    fn put(&mut self, bytes: &[u8]) {
        self.request.extend_from_slice(bytes);
    }

    fn structure(&mut self, fields: Fields) {
        for (_, field) in fields {
            let is_tagged = self.flexible && field.tagged.is_some_and(|versions| versions.within(self.version));
            if field.version.within(self.version) && !is_tagged {
                self.field(field);
            }
        }
        self.tags();
    }

    fn field(&mut self, field: &FieldMeta) {
        if let Some(element) = field.kind.kind_of_sequence() {
            let count = self.random.random_range(0..4);
            self.length(count);
            return (0..count).for_each(|_| self.value(element, field));
        }
        if !field.fields.is_empty() && field.is_nullable(self.version) {
            self.put(&[1]);
        }
        self.value(field.kind, field);
    }

    fn value(&mut self, kind: KindMeta, field: &FieldMeta) {
        let size = match kind.name() {
            "bool" | "int8" => 1,
            "int16" | "uint16" => 2,
            "int32" => 4,
            "int64" | "float64" => 8,
            "uuid" => 16,
            "string" if self.flexible => return self.put(b"\x04abc"),
            "string" => return self.put(b"\0\x03abc"),
            "bytes" => {
                self.length(3);
                return self.put(b"abc");
            }
            "records" => return self.length(0),
            _ => return self.structure(field.fields),
        };
        let value: [u8; 16] = self.random.random();
        self.put(&value[..size]);
    }

    fn length(&mut self, length: u8) {
        if self.flexible { self.put(&[length + 1]) } else { self.put(&[0, 0, 0, length]) }
    }

    fn tags(&mut self) {
        if self.flexible {
            self.put(&[0]);
        }
    }
}

/// Each kind of request in each version.
fn requests() -> impl Iterator<Item = (String, Vec<u8>)> {
    let messages = RootMessageMeta::messages().requests().values();
    messages.flat_map(|message| {
        let versions = message.version.valid;
        let write = |version| (format!("{} {version}", message.name), Writer::write(message, version));
        (versions.start..=versions.end).map(write)
    })
}

#[test]
fn complete_requests_are_accepted_and_truncated_ones_refused() {
    let mut count = 0;
    for (name, request) in requests() {
        check(&request[4..]).unwrap_or_else(|error| panic!("{name}: {error}"));
        let decoded = Frame::request_from_bytes(&request[..]);
        assert!(decoded.is_ok() || UNREADABLE.contains(&name.as_str()), "{name}: {decoded:?}");
        for length in 0..request.len() - 4 {
            assert!(check(&request[4..][..length]).is_err(), "{name} of {length} bytes");
        }
        count += 1;
    }
    assert!(count > 200, "{count} requests are not all");
}

#[test]
fn fuzz_accepted_requests_do_not_panic_in_tansu() {
    let examples: Vec<Vec<u8>> = requests().map(|(_, request)| request[4..].to_vec()).collect();
    let examples: Vec<&[u8]> = examples.iter().map(Vec::as_slice).collect();
    tributary_testkit::fuzz(&examples, |request| {
        if let Err(error) = check(request) {
            return Err(error.to_string());
        }
        let framed = [&(request.len() as i32).to_be_bytes(), request].concat();
        // By its variant: the rest may hold texts of the input.
        Ok(Frame::request_from_bytes(&framed[..]).map(|frame| std::mem::discriminant(&frame.body)).is_ok())
    });
}

#[test]
fn a_promise_that_is_not_kept_is_refused() {
    const METADATA: i16 = 3;
    let header =
        |key: i16, version: i16| [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1, 0xff, 0xff]].concat();
    let refused = |request: &[u8]| check(request).unwrap_err().to_string();
    let metadata = |topics: i32| [&header(METADATA, 1)[..], &topics.to_be_bytes()].concat();
    check(&metadata(0)).unwrap();
    check(&metadata(-1)).unwrap();
    for count in [1, i32::MAX] {
        assert!(refused(&metadata(count)).contains(if count == 1 { "ends before" } else { "too many" }), "{count}");
    }
    assert!(refused(&metadata(-2)).contains("negative"));
    let names = |count: usize| [metadata(count as i32), b"\0\x01a".repeat(count)].concat();
    check(&names(MAX_ELEMENTS)).unwrap();
    assert!(refused(&names(MAX_ELEMENTS + 1)).contains("too many"));
    let endless = [&header(METADATA, 12)[..], &[0], &[0xff; 6]].concat();
    assert!(refused(&endless).contains("does not end"));
    let tags = [&header(METADATA, 12)[..], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
    assert!(refused(&tags).contains("ends before"));

    assert!(refused(&header(METADATA, 999)).contains("version"));
    assert!(refused(&header(METADATA, -1)).contains("version"));
    assert!(refused(&header(4_711, 0)).contains("unknown kind"));
    check(&header(API_VERSIONS, 999)).unwrap();
}

#[test]
fn only_what_carries_records_may_be_large() {
    const METADATA: i16 = 3;
    assert_eq!(check_length(MAX_WITH_RECORDS as i32).unwrap(), MAX_WITH_RECORDS);
    for length in [-1, 0, 1, MAX_WITH_RECORDS as i32 + 1, i32::MAX] {
        assert!(check_length(length).is_err(), "{length}");
    }
    check_kind(PRODUCE, MAX_PLAIN + 1).unwrap();
    check_kind(METADATA, MAX_PLAIN).unwrap();
    assert!(check_kind(METADATA, MAX_PLAIN + 1).is_err());
}
