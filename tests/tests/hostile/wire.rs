//! Requests of the Kafka protocol as no client would write them.

use std::io;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::target::LIMIT;

pub(crate) const PRODUCE: i16 = 0;

/// The version of Produce that [`Request::produce`] writes: the last one before lengths became variable.
const PRODUCE_VERSION: i16 = 8;

/// Bytes of a request, put together by hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request(Vec<u8>);

impl Request {
    /// The header of a request with lengths of a fixed size.
    pub(crate) fn new(key: i16, version: i16) -> Self {
        Self::default().i16(key).i16(version).i32(1).text("hostile")
    }

    /// Produce of one batch to partition 0 of a topic.
    pub(crate) fn produce(topic: &str, batch: &[u8]) -> Self {
        let topics = Self::new(PRODUCE, PRODUCE_VERSION).i16(-1).i16(-1).i32(5_000).i32(1).text(topic);
        topics.i32(1).i32(0).i32(batch.len() as i32).bytes(batch)
    }

    pub(crate) fn i8(self, value: i8) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn i16(self, value: i16) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn i32(self, value: i32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn i64(self, value: i64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.i16(text.len() as i16).bytes(text.as_bytes())
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Sends it; `None` when the server has hung up instead of an answer.
    pub(crate) async fn send(&self, address: &str) -> Result<Option<Vec<u8>>> {
        let exchange = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(&(self.0.len() as i32).to_be_bytes()).await?;
            stream.write_all(&self.0).await?;
            let length = stream.read_u32().await?;
            let mut answer = vec![0; length as usize];
            stream.read_exact(&mut answer).await?;
            Ok::<_, io::Error>(answer)
        };
        match tokio::time::timeout(LIMIT, exchange).await.context("no answer and no end of the connection")? {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if is_hang_up(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A batch of records with its length and checksum; `count` is what it says to hold.
pub(crate) fn batch(attributes: i16, count: u32, records: &[u8]) -> Vec<u8> {
    let last_delta = count.saturating_sub(1) as i32;
    let checked = Request::default().i16(attributes).i32(last_delta).i64(0).i64(0).i64(-1).i16(-1).i32(-1);
    let checked = checked.bytes(&count.to_be_bytes()).bytes(records).0;
    let length = (4 + 1 + 4 + checked.len()) as i32;
    let batch = Request::default().i64(0).i32(length).i32(-1).i8(2).bytes(&crc32c(&checked).to_be_bytes());
    batch.bytes(&checked).0
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn is_hang_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}
