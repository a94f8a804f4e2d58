use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use zstd::stream::write::Encoder as ZstdEncoder;

use super::super::budget::{Budget, BudgetExhausted, BudgetLimits};
use super::*;
use crate::http::Client;

const LIMITS: Limits =
    Limits { wire_bytes: 1 << 20, inflated_bytes: 1 << 20, events: 10, event_bytes: 500, values: 1000, ratio: 50 };
const PLENTY: usize = 64 << 20;
/// `{"type":"x"}` by the reference encoder, with a window of 4 MiB.
const BROTLI: &[u8] = &[0x8b, 0x05, 0x80, b'{', b'"', b't', b'y', b'p', b'e', b'"', b':', b'"', b'x', b'"', b'}', 0x03];

fn read(encoding: Encoding, body: &[u8], budget_bytes: usize) -> Result<Bytes, BodyError> {
    let limits = BudgetLimits { events: 1, bytes: budget_bytes, bytes_per_client: budget_bytes };
    let budget = Arc::new(Budget::new(limits));
    let mut reservation = budget.reserve(Client::UNKNOWN);
    reservation.grow(body.len()).unwrap();
    let received = Received { bytes: Bytes::copy_from_slice(body), encoding };
    let read = inflate(received, &LIMITS, &mut reservation);
    if let Ok(text) = &read {
        // What stays reserved is the text alone.
        let used = budget.used().1;
        assert!((text.len()..=2 * text.len().max(STEP_BYTES)).contains(&used), "{used}");
    }
    read
}

fn written<W: Write>(mut encoder: W, plain: &[u8], finish: impl FnOnce(W) -> Vec<u8>) -> Vec<u8> {
    encoder.write_all(plain).unwrap();
    finish(encoder)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    written(GzEncoder::new(Vec::new(), Compression::best()), plain, |encoder| encoder.finish().unwrap())
}

fn zstd(plain: &[u8], window_log: u32) -> Vec<u8> {
    let mut encoder = ZstdEncoder::new(Vec::new(), 1).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(window_log).unwrap();
    written(encoder, plain, |encoder| encoder.finish().unwrap())
}

fn compressed(plain: &[u8]) -> Vec<(Encoding, Vec<u8>)> {
    let zlib = written(ZlibEncoder::new(Vec::new(), Compression::best()), plain, |encoder| encoder.finish().unwrap());
    let raw = written(DeflateEncoder::new(Vec::new(), Compression::best()), plain, |encoder| encoder.finish().unwrap());
    vec![
        (Encoding::Gzip, gzip(plain)),
        (Encoding::Deflate, zlib),
        (Encoding::Deflate, raw),
        (Encoding::Zstd, zstd(plain, 20)),
        (Encoding::Zstd, ::zstd::bulk::compress(plain, 3).unwrap()),
    ]
}

#[test]
fn every_encoding_gives_the_text_back() {
    let text: String = (0..5_000).map(|number| format!("{{\"type\":\"x\",\"n\":{number}}}\n")).collect();
    for (encoding, body) in compressed(text.as_bytes()) {
        assert_eq!(read(encoding, &body, PLENTY).unwrap(), text.as_bytes(), "{encoding:?}");
        let cut = read(encoding, &body[..body.len() / 2], PLENTY);
        assert!(matches!(cut, Err(BodyError::Bad(_))), "{encoding:?} {cut:?}");
        assert!(matches!(read(encoding, b"no", PLENTY), Err(BodyError::Bad(_))), "{encoding:?}");
        assert!(read(encoding, b"", PLENTY).is_err(), "{encoding:?}");
    }
    assert_eq!(read(Encoding::Brotli, BROTLI, PLENTY).unwrap(), "{\"type\":\"x\"}");
    assert!(matches!(read(Encoding::Brotli, &BROTLI[..9], PLENTY), Err(BodyError::Bad(_))));
    assert!(matches!(read(Encoding::Brotli, b"", PLENTY), Err(BodyError::Bad(_))));
}

#[test]
fn a_bomb_is_not_inflated_to_its_end() {
    for (encoding, bomb) in compressed(&vec![b' '; 20 << 20]) {
        assert!(bomb.len() < 64 << 10, "{encoding:?}");
        let answer = read(encoding, &bomb, PLENTY);
        let of_length = Err(BodyError::TooLong { max_bytes: LIMITS.inflated_bytes });
        assert!(answer == Err(BodyError::TooDense { ratio: 50 }) || answer == of_length, "{encoding:?} {answer:?}");
    }
    let dense = gzip(&vec![b' '; 500_000]);
    assert_eq!(read(Encoding::Gzip, &dense, PLENTY), Err(BodyError::TooDense { ratio: 50 }));
    assert!(read(Encoding::Gzip, &gzip(&vec![b' '; FREE_BYTES]), PLENTY).is_ok(), "a short text harms nobody");
}

#[test]
fn a_window_is_reserved_before_it_is_there_and_has_a_limit() {
    let small = zstd(b"{}", 10);
    assert_eq!(read(Encoding::Zstd, &small, PLENTY).unwrap(), "{}");
    let wide = zstd(b"{}", ZSTD_WINDOW_LOG);
    assert_eq!(read(Encoding::Zstd, &wide, PLENTY).unwrap(), "{}");
    assert_eq!(read(Encoding::Zstd, &wide, 8 << 20), Err(BodyError::BudgetExhausted(BudgetExhausted::All)));
    let wider = zstd(b"{}", ZSTD_WINDOW_LOG + 1);
    assert!(matches!(read(Encoding::Zstd, &wider, PLENTY), Err(BodyError::Bad(why)) if why.contains("window")));

    assert_eq!(read(Encoding::Brotli, BROTLI, 4 << 20), Err(BodyError::BudgetExhausted(BudgetExhausted::All)));
    let large_window = [0x11, 30, 0x03];
    let refused = read(Encoding::Brotli, &large_window, PLENTY);
    assert!(matches!(&refused, Err(BodyError::Bad(why)) if why.contains("window")), "{refused:?}");
    assert_eq!(read(Encoding::Gzip, &gzip(b"{}"), 1000), Err(BodyError::BudgetExhausted(BudgetExhausted::All)));
}

#[test]
fn frames_after_each_other_are_refused_instead_of_being_cut() {
    let two = [zstd(b"{}\n", 10), zstd(b"{}\n", 10)].concat();
    assert!(matches!(read(Encoding::Zstd, &two, PLENTY), Err(BodyError::Bad(_))));
    let two = [gzip(b"{}\n"), gzip(b"{}\n")].concat();
    assert_eq!(read(Encoding::Gzip, &two, PLENTY).unwrap(), "{}\n{}\n");
}
