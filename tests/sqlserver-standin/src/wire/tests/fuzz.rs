//! Bytes that no client sends: no panic, no memory that was not sent, an error.

use proptest::prelude::*;

use crate::wire::{
    bytes::Source,
    login::LoginRequest,
    packet::MessageReader,
    prelogin::{self, Encryption},
    request,
    types::{decode, described},
};

/// Everything that reads what a client sent.
fn read_as_anything(bytes: &[u8]) {
    drop(LoginRequest::parse(bytes));
    drop(prelogin::answer(bytes, Encryption::Optional, false));
    drop(request::batch(bytes));
    drop(request::calls(bytes));
    drop(request::transaction(bytes));
    let reader = MessageReader::new(1 << 16);
    let mut rest = bytes;
    while let Ok(Some(_)) = reader.read(&mut rest) {}
    let mut source = Source::new(bytes);
    while let Ok((r#type, never_null)) = described(&mut source) {
        if decode::value(&mut source, &r#type, never_null).is_err() {
            break;
        }
    }
}

/// A call with a parameter of every type, of which parts are then spoilt.
fn a_call() -> Vec<u8> {
    let mut message = vec![4, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0];
    for (r#type, value) in super::values::samples() {
        if matches!(r#type, crate::data::Type::Udt(_)) {
            continue;
        }
        message.extend_from_slice(&[1, b'@', 0, 0]);
        crate::wire::types::put_description(&mut message, &r#type, true, "master");
        let mut seed = crate::wire::seed::Seed::new(1);
        crate::wire::types::encode::put_value(&mut message, &r#type, true, &value, &mut seed, false).unwrap();
    }
    message
}

#[test]
fn the_call_that_is_spoilt_is_a_good_one() {
    let calls = request::calls(&a_call()).unwrap();
    assert_eq!(calls[0].procedure, "sp_executesql");
    assert_eq!(calls[0].parameters.len(), super::values::samples().len() - 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_as_anything(&bytes);
    }

    /// Most random bytes are refused at once; these get further.
    #[test]
    fn a_good_call_spoilt(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut: prop::sample::Index) {
        let mut bytes = a_call();
        for (index, byte) in at {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        read_as_anything(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_as_anything(&bytes);
    }

    #[test]
    fn lengths_that_lie(token: u8, length: u32, rest in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = vec![token];
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&rest);
        read_as_anything(&bytes);
        // A `max` value whose parts promise gigabytes.
        let mut parts = vec![0xa5, 0xff, 0xff];
        parts.extend_from_slice(&u64::from(length).to_le_bytes());
        parts.extend_from_slice(&length.to_le_bytes());
        parts.extend_from_slice(&rest);
        read_as_anything(&parts);
    }
}
