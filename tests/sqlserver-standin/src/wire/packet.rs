//! Packets: eight bytes of header and a part of a message. The packet size is negotiated at the login.

use std::io::{self, Read, Write};

/// Before a login has agreed on another.
pub(super) const DEFAULT_PACKET_SIZE: u32 = 4096;
/// What a client may ask for, headers included.
pub(super) const PACKET_SIZES: std::ops::RangeInclusive<u32> = 512..=32767;

const HEADER: usize = 8;
const END_OF_MESSAGE: u8 = 0x01;
const IGNORE: u8 = 0x02;
const RESET: u8 = 0x08;
const RESET_KEEPING_TRANSACTION: u8 = 0x10;

/// What a message is; the numbers are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Batch = 1,
    Rpc = 3,
    Answer = 4,
    Attention = 6,
    BulkLoad = 7,
    FederatedToken = 8,
    Transaction = 14,
    Login = 16,
    Sspi = 17,
    PreLogin = 18,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            1 => Kind::Batch,
            3 => Kind::Rpc,
            4 => Kind::Answer,
            6 => Kind::Attention,
            7 => Kind::BulkLoad,
            8 => Kind::FederatedToken,
            14 => Kind::Transaction,
            16 => Kind::Login,
            17 => Kind::Sspi,
            18 => Kind::PreLogin,
            _ => return None,
        })
    }
}

/// What a client asks of its session's state before the message is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    No,
    All,
    KeepTransaction,
}

/// A whole message of a client.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) reset: Reset,
    /// The client took it back while it was sending it: it is not to be carried out.
    pub(super) ignored: bool,
    pub(super) body: Vec<u8>,
}

/// Puts packets together to messages.
pub(super) struct MessageReader {
    /// The longest body, in bytes.
    limit: usize,
}

impl MessageReader {
    pub(super) fn new(limit: usize) -> MessageReader {
        MessageReader { limit }
    }

    /// The next message; none when the client has closed the connection between two.
    ///
    /// Memory grows with what has arrived, never with what a header announces.
    pub(super) fn read(&self, from: &mut dyn Read) -> io::Result<Option<Message>> {
        let Some(first) = read_header(from)? else { return Ok(None) };
        let mut message = Message { kind: first.kind, reset: first.reset, ignored: first.ignored, body: Vec::new() };
        let mut header = first;
        loop {
            self.read_body(from, header.length, &mut message.body)?;
            if header.last {
                message.ignored = header.ignored;
                return Ok(Some(message));
            }
            header = read_header(from)?.ok_or_else(|| malformed("the message has no end"))?;
            if header.kind != message.kind {
                return Err(malformed("a packet of another kind in a message"));
            }
        }
    }

    fn read_body(&self, from: &mut dyn Read, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
        let start = body.len();
        if start + length > self.limit {
            return Err(malformed("the message is too long"));
        }
        body.resize(start + length, 0);
        from.read_exact(&mut body[start..])
    }
}

struct Header {
    kind: Kind,
    last: bool,
    ignored: bool,
    reset: Reset,
    length: usize,
}

fn read_header(from: &mut dyn Read) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER];
    match from.read(&mut bytes[..1])? {
        0 => return Ok(None),
        _ => from.read_exact(&mut bytes[1..])?,
    }
    let status = bytes[1];
    let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
    let kind = Kind::from_byte(bytes[0]).ok_or_else(|| malformed("a message of no known kind"))?;
    if length < HEADER || length > *PACKET_SIZES.end() as usize {
        return Err(malformed("a packet of impossible length"));
    }
    let reset = match status & (RESET | RESET_KEEPING_TRANSACTION) {
        0 => Reset::No,
        RESET => Reset::All,
        _ => Reset::KeepTransaction,
    };
    let (last, ignored) = (status & END_OF_MESSAGE != 0, status & IGNORE != 0);
    Ok(Some(Header { kind, last, ignored, reset, length: length - HEADER }))
}

pub(super) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not the protocol: {what}"))
}

/// Cuts a message into packets as it grows.
pub(super) struct MessageWriter {
    kind: Kind,
    spid: u16,
    packet_size: usize,
    number: u8,
    /// The part of the message that has not been sent.
    pub(super) body: Vec<u8>,
    packets: Vec<u8>,
}

impl MessageWriter {
    pub(super) fn new(kind: Kind, spid: u16, packet_size: u32) -> MessageWriter {
        MessageWriter {
            kind,
            spid,
            packet_size: packet_size as usize,
            number: 0,
            body: Vec::new(),
            packets: Vec::new(),
        }
    }

    /// Sends all whole packets; what remains is never empty, so that the last packet has something to say.
    pub(super) fn send_full(&mut self, to: &mut dyn Write) -> io::Result<()> {
        let room = self.packet_size - HEADER;
        let whole = self.body.len().saturating_sub(1) / room;
        if whole == 0 {
            return Ok(());
        }
        for index in 0..whole {
            self.pack(index * room..(index + 1) * room, false);
        }
        self.body.drain(..whole * room);
        self.send_packed(to)
    }

    /// Sends the rest, as the end of the message.
    pub(super) fn finish(&mut self, to: &mut dyn Write) -> io::Result<()> {
        self.send_full(to)?;
        self.pack(0..self.body.len(), true);
        self.body.clear();
        self.number = 0;
        self.send_packed(to)
    }

    fn pack(&mut self, range: std::ops::Range<usize>, last: bool) {
        self.number = self.number.wrapping_add(1);
        let length = (range.len() + HEADER) as u16;
        let [high, low] = length.to_be_bytes();
        let [spid_high, spid_low] = self.spid.to_be_bytes();
        let status = if last { END_OF_MESSAGE } else { 0 };
        self.packets.extend_from_slice(&[self.kind as u8, status, high, low, spid_high, spid_low, self.number, 0]);
        self.packets.extend_from_slice(&self.body[range]);
    }

    fn send_packed(&mut self, to: &mut dyn Write) -> io::Result<()> {
        let sent = to.write_all(&self.packets);
        self.packets.clear();
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(body: &[u8], packet_size: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = MessageWriter::new(Kind::Answer, 51, packet_size);
        writer.body.extend_from_slice(body);
        writer.send_full(&mut out).unwrap();
        writer.finish(&mut out).unwrap();
        out
    }

    fn read(bytes: &[u8]) -> io::Result<Option<Message>> {
        MessageReader::new(1 << 16).read(&mut &bytes[..])
    }

    #[test]
    fn what_is_written_in_any_packet_size_is_read_again() {
        for length in [0, 1, 503, 504, 505, 1008, 5000] {
            let body: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let message = read(&written(&body, 512)).unwrap().unwrap();
            assert_eq!((message.body, message.kind), (body, Kind::Answer));
        }
    }

    #[test]
    fn the_last_packet_is_the_only_one_with_the_end_and_is_not_empty() {
        let bytes = written(&[7; 1008], 512);
        assert_eq!((bytes[1], bytes[2..4].to_vec(), bytes[6]), (0, vec![2, 0], 1));
        assert_eq!((bytes[513], bytes[514..516].to_vec(), bytes[518]), (1, vec![2, 0], 2));
    }

    #[test]
    fn impossible_packets_are_refused() {
        for bytes in [
            vec![1, 1, 0, 7, 0, 0, 1, 0],
            vec![1, 1, 0x80, 0, 0, 0, 1, 0],
            vec![99, 1, 0, 8, 0, 0, 1, 0],
            vec![1, 0, 0, 8, 0, 0, 1, 0],
            vec![1, 0, 0, 8, 0, 0, 1, 0, 3, 1, 0, 8, 0, 0, 1, 0],
            vec![1, 1, 0, 9, 0, 0, 1, 0],
        ] {
            assert!(read(&bytes).is_err(), "{bytes:?}");
        }
        assert!(read(&[]).unwrap().is_none());
    }

    #[test]
    fn a_message_past_the_limit_is_refused() {
        let bytes = written(&vec![0; 70000], 4096);
        assert_eq!(read(&bytes).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
