//! The embedded broker's port.

use anyhow::Result;
use tributary_tests::{create_topic, end_offsets};

use crate::target::Target;
use crate::wire::{Request, batch};

/// One record without key, value and headers.
const RECORD: [u8; 7] = [12, 0, 0, 0, 1, 1, 0];
const TOPIC: &str = "attacked";

#[tokio::test]
async fn a_batch_that_promises_more_records_than_it_holds_is_refused() -> Result<()> {
    let mut target = Target::start().await?;
    let bootstrap = target.worker.bootstrap();
    create_topic(&bootstrap, TOPIC, 1).await?;

    let honest = Request::produce(TOPIC, &batch(0, 1, &RECORD));
    assert!(honest.send(&bootstrap).await?.is_some());
    for count in [2, u32::MAX / 2, u32::MAX] {
        Request::produce(TOPIC, &batch(0, count, &RECORD)).send(&bootstrap).await?;
        target.holds().await?;
    }
    assert_eq!(end_offsets(&bootstrap, TOPIC).await?, [(0, 1)].into(), "the honest record and no other");
    Ok(())
}
