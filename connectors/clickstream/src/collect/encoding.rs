//! Decompresses bodies. All memory is reserved before it is used: the text's as it grows, and the window that a decoder
//! keeps, which the first bytes of a body show.

use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::read::Decoder as ZstdDecoder;
use zstd::zstd_safe::find_frame_compressed_size;

use super::body::{BodyError, Received, ReservedBuffer};
use super::budget::Reservation;
use super::config::Limits;

const STEP_BYTES: usize = 16 << 10;
/// A text up to this length may be any number of times longer than its compressed form.
const FREE_BYTES: usize = 64 << 10;
/// What RFC 9659 lets an HTTP client use: 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The window of gzip and deflate, and tables.
const DEFLATE_BYTES: usize = 64 << 10;
/// Tables of a decoder beside its window.
const TABLE_BYTES: usize = 256 << 10;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not at all.
    Plain,
    Gzip,
    /// zlib's format, and without its header, as some clients send it.
    Deflate,
    Brotli,
    Zstd,
}

impl Encoding {
    /// By its name in `Content-Encoding`; several after each other are none.
    pub(super) fn of_name(name: &[u8]) -> Option<Self> {
        let names: [(&[u8], Self); 7] = [
            (b"", Self::Plain),
            (b"identity", Self::Plain),
            (b"gzip", Self::Gzip),
            (b"x-gzip", Self::Gzip),
            (b"deflate", Self::Deflate),
            (b"br", Self::Brotli),
            (b"zstd", Self::Zstd),
        ];
        names.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, encoding)| encoding)
    }

    /// The memory of the decoder for a body, or why there is none.
    fn decoder_bytes(self, body: &[u8]) -> Result<usize, String> {
        match self {
            Self::Plain => Ok(0),
            Self::Gzip | Self::Deflate => Ok(DEFLATE_BYTES),
            Self::Brotli => Ok((1 << brotli_window_log(body)?) + TABLE_BYTES),
            Self::Zstd => Ok(zstd_window_bytes(body)? + TABLE_BYTES),
        }
    }

    fn decoder(self, body: &[u8]) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Plain => Box::new(body),
            Self::Gzip => Box::new(MultiGzDecoder::new(body)),
            Self::Deflate => {
                Box::new(Deflate { rest: body, state: Decompress::new(has_zlib_header(body)), ended: false })
            }
            Self::Brotli => Box::new(Decompressor::new(body, STEP_BYTES)),
            Self::Zstd => {
                let mut decoder = ZstdDecoder::with_buffer(body)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        })
    }
}

/// Decompresses a body, up to the limits.
pub(super) fn inflate(received: Received, limits: &Limits, reservation: &mut Reservation) -> Result<Bytes, BodyError> {
    let Received { bytes, encoding } = received;
    if encoding == Encoding::Plain {
        return Ok(bytes);
    }
    let bad = |why: String| BodyError::Bad(format!("not {encoding:?}: {why}").to_ascii_lowercase());
    let decoder_bytes = encoding.decoder_bytes(&bytes).map_err(bad)?;
    reservation.grow(decoder_bytes)?;
    let mut decoder = encoding.decoder(&bytes).map_err(|error| bad(error.to_string()))?;
    let most = bytes.len().saturating_mul(limits.ratio).max(FREE_BYTES);
    let mut inflated = ReservedBuffer::default();
    let mut step = vec![0; STEP_BYTES];
    loop {
        let count = decoder.read(&mut step).map_err(|error| bad(error.to_string()))?;
        if count == 0 {
            reservation.shrink(decoder_bytes + bytes.len());
            return Ok(inflated.bytes.into());
        }
        inflated.append(&step[..count], limits.inflated_bytes, reservation)?;
        if inflated.bytes.len() > most {
            return Err(BodyError::TooDense { ratio: limits.ratio });
        }
    }
}

/// Reads a deflated text. A reader of `flate2` ends without an error where the input is cut.
struct Deflate<'a> {
    rest: &'a [u8],
    state: Decompress,
    ended: bool,
}

impl Read for Deflate<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ended || into.is_empty() {
            return Ok(0);
        }
        let (read, written) = (self.state.total_in(), self.state.total_out());
        let status = self.state.decompress(self.rest, into, FlushDecompress::None)?;
        let count = |now: u64, before: u64| usize::try_from(now - before).map_err(io::Error::other);
        self.rest = &self.rest[count(self.state.total_in(), read)?..];
        let written = count(self.state.total_out(), written)?;
        self.ended = status == Status::StreamEnd;
        match (self.ended, written) {
            (true, _) if !self.rest.is_empty() => Err(io::ErrorKind::InvalidData.into()),
            (false, 0) => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(written),
        }
    }
}

/// RFC 1950: the method is 8, and the first two bytes are a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

/// RFC 7932, section 9.1. A large window, of up to 1 GiB, is an extension that HTTP does not have.
fn brotli_window_log(body: &[u8]) -> Result<u32, String> {
    let first = u32::from(*body.first().ok_or("it is empty")?);
    Ok(match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, _, _) => 16,
        (_, 0, 0) => 17,
        (_, 0, 1) => return Err("its window is too large".to_owned()),
        (_, 0, more) => 8 + more,
        (_, few, _) => 17 + few,
    })
}

/// RFC 8878, section 3.1.1.1.
fn zstd_window_bytes(body: &[u8]) -> Result<usize, String> {
    let rest = body.strip_prefix(&ZSTD_MAGIC).ok_or("it does not begin as a frame")?;
    // Each frame has a window of its own.
    if find_frame_compressed_size(body) != Ok(body.len()) {
        return Err("it is cut, or not a single frame".to_owned());
    }
    let [descriptor, rest @ ..] = rest else { return Err("it is cut".to_owned()) };
    let is_single_segment = descriptor & 0x20 != 0;
    let bytes = if is_single_segment {
        // The window is the whole text, whose length follows the dictionary's id.
        let id_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let size_bytes = [1, 2, 4, 8][usize::from(descriptor >> 6)];
        let size = rest.get(id_bytes..id_bytes + size_bytes).ok_or("it is cut")?;
        let size = size.iter().rev().fold(0, |size: u64, byte| size << 8 | u64::from(*byte));
        size + if size_bytes == 2 { 256 } else { 0 }
    } else {
        let window = rest.first().ok_or("it is cut")?;
        let base = 1_u64 << (10 + (window >> 3));
        base + base / 8 * u64::from(window & 7)
    };
    if bytes > 1_u64 << ZSTD_WINDOW_LOG {
        return Err("its window is larger than 8 MiB".to_owned());
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
