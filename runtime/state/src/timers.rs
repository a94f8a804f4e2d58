//! Timers are values of a keyed store, so that they are committed and restored like all state; this index finds those
//! that are due.

use std::collections::{BTreeSet, HashMap};

use bytes::{BufMut, Bytes, BytesMut};
use tributary_api::{Error, Result, Timer};

use crate::STORE_FORMAT;

/// Format, then the time; the payload follows.
const HEAD: usize = 2 + 8;

/// The committed timers of a partition, by time.
#[derive(Debug, Default)]
pub(crate) struct TimerIndex {
    at: HashMap<Bytes, i64>,
    by_time: BTreeSet<(i64, Bytes)>,
}

impl TimerIndex {
    /// Sets or removes a timer. One that cannot be read never fires and is kept: it does not fail its partition.
    pub(crate) fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        if let Some((key, at)) = self.at.remove_entry(key) {
            self.by_time.remove(&(at, key));
        }
        match value.map(decode) {
            None => {}
            Some(Ok((at, _))) => {
                let key = Bytes::copy_from_slice(key);
                self.at.insert(key.clone(), at);
                self.by_time.insert((at, key));
            }
            Some(Err(error)) => tracing::error!(%error, "a timer will not fire"),
        }
    }

    pub(crate) fn next(&self) -> Option<i64> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Keys of timers whose time has come, earliest first.
    pub(crate) fn due(&self, now: i64) -> impl Iterator<Item = &Bytes> {
        self.by_time.iter().take_while(move |(at, _)| *at <= now).map(|(_, key)| key)
    }

    pub(crate) fn clear(&mut self) {
        self.at.clear();
        self.by_time.clear();
    }
}

pub(crate) fn encode(timer: &Timer) -> Bytes {
    let mut value = BytesMut::with_capacity(HEAD + timer.payload.len());
    value.put_u16(STORE_FORMAT);
    value.put_i64(timer.at);
    value.put_slice(&timer.payload);
    value.freeze()
}

/// Time and payload of an encoded timer.
pub(crate) fn decode(value: &[u8]) -> Result<(i64, &[u8])> {
    let Some((head, payload)) = value.split_first_chunk::<HEAD>() else {
        return Err(Error::data("timer in state is damaged"));
    };
    let (format, at) = head.split_at(2);
    let format = u16::from_be_bytes([format[0], format[1]]);
    if format != STORE_FORMAT {
        return Err(Error::data(format!("timer in state has format {format}; this version reads {STORE_FORMAT}")));
    }
    Ok((i64::from_be_bytes(at.try_into().unwrap_or_default()), payload))
}
