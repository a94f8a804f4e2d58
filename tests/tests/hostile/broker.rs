//! The embedded broker's port.

use std::io::Read;

use anyhow::Result;
use tributary_tests::{create_topic, end_offsets};

use crate::target::Target;
use crate::wire::{Request, batch};

/// One record without key, value and headers.
const RECORD: [u8; 7] = [12, 0, 0, 0, 1, 1, 0];
const TOPIC: &str = "attacked";
const GZIP: i16 = 1;
const MIB: usize = 1024 * 1024;

const METADATA: i16 = 3;
const JOIN_GROUP: i16 = 11;
const CREATE_TOPICS: i16 = 19;
const DELETE_TOPICS: i16 = 20;

#[tokio::test]
async fn a_batch_that_promises_more_records_than_it_holds_is_refused() -> Result<()> {
    let mut target = Target::start().await?;
    let bootstrap = target.worker.bootstrap();
    create_topic(&bootstrap, TOPIC, 1).await?;

    let regular = Request::produce(TOPIC, &batch(0, 1, &RECORD));
    assert!(regular.send(&bootstrap).await?.is_some());
    for count in [2, u32::MAX / 2, u32::MAX] {
        Request::produce(TOPIC, &batch(0, count, &RECORD)).send(&bootstrap).await?;
        target.holds().await?;
    }
    assert_eq!(end_offsets(&bootstrap, TOPIC).await?, [(0, 1)].into(), "the regular record and no other");
    Ok(())
}

#[tokio::test]
async fn a_bomb_of_compressed_records_is_refused() -> Result<()> {
    let mut target = Target::start().await?;
    let bootstrap = target.worker.bootstrap();
    create_topic(&bootstrap, TOPIC, 1).await?;
    let before = target.worker.usage()?.peak_rss_bytes;
    let bomb = batch(GZIP, 1, &gzip_of_zeros(256 * MIB)?);
    assert!(bomb.len() < MIB, "{} bytes", bomb.len());
    for _ in 0..4 {
        assert!(Request::produce(TOPIC, &bomb).send(&bootstrap).await?.is_some());
    }
    target.holds().await?;
    let grown = target.worker.usage()?.peak_rss_bytes.saturating_sub(before);
    assert!(grown < 256 * MIB as u64, "{} MB more", grown / MIB as u64);
    assert_eq!(end_offsets(&bootstrap, TOPIC).await?, [(0, 0)].into());
    Ok(())
}

/// What it promises would take hundreds of gigabytes, or keep all others waiting for hours.
#[tokio::test]
async fn absurd_numbers_and_lengths_are_refused() -> Result<()> {
    let mut target = Target::start().await?;
    let bootstrap = target.worker.bootstrap();
    let create = |partitions: i32, replicas: i16| {
        let topic = Request::new(CREATE_TOPICS, 4).i32(1).text("wide").i32(partitions).i16(replicas);
        topic.i32(0).i32(0).i32(5_000).i8(0)
    };
    let metadata = |topics: i32| Request::new(METADATA, 1).i32(topics);
    let join = Request::new(JOIN_GROUP, 4).text("group").i32(i32::MAX).i32(i32::MAX).text("").text("consumer").i32(0);
    let delete = Request::new(DELETE_TOPICS, 3).i32(i32::MAX);
    let tags = Request::new(METADATA, 12).bytes(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    let nothing_in_common =
        Request::new(JOIN_GROUP, 4).text("group").i32(10_000).i32(10_000).text("").text("consumer").i32(0);
    let too_many = [create(i32::MAX, 1), create(-7, 1), create(1, i16::MAX), nothing_in_common];
    let requests = [metadata(i32::MAX), metadata(i32::MIN), join, delete, tags];
    for request in too_many.into_iter().chain(requests) {
        request.send(&bootstrap).await?;
        target.holds().await?;
    }
    Ok(())
}

fn gzip_of_zeros(length: usize) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::repeat(0).take(length as u64), &mut encoder)?;
    Ok(encoder.finish()?)
}
