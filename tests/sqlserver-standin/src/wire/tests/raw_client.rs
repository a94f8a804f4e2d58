//! What no library sends, byte by byte.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use super::engine::{server, server_with};
use crate::wire::{
    Encryption, Server,
    packet::{Kind, MessageReader, MessageWriter},
};

/// A connection that has logged in, without encryption.
struct RawClient {
    stream: TcpStream,
}

const HEADERS: [u8; 22] = [22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];

impl RawClient {
    fn open(server: &Server) -> RawClient {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut client = RawClient { stream };
        client.send(Kind::PreLogin, &[1, 0, 6, 0, 1, 0xff, 2]);
        client.answer();
        client.send(Kind::Login, &login());
        assert_eq!(client.answer()[0], 0xe3);
        client
    }

    fn send(&mut self, kind: Kind, body: &[u8]) {
        let mut writer = MessageWriter::new(kind, 0, 4096);
        writer.body.extend_from_slice(body);
        writer.finish(&mut self.stream).unwrap();
    }

    fn packet(&mut self, kind: u8, status: u8, body: &[u8]) {
        let length = (body.len() + 8) as u16;
        let mut packet = vec![kind, status];
        packet.extend_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(&[0, 0, 1, 0]);
        packet.extend_from_slice(body);
        self.stream.write_all(&packet).unwrap();
    }

    fn batch(sql: &str) -> Vec<u8> {
        [HEADERS.to_vec(), sql.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()
    }

    fn answer(&mut self) -> Vec<u8> {
        MessageReader::new(1 << 26).read(&mut self.stream).unwrap().unwrap().body
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }
}

fn login() -> Vec<u8> {
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let hidden: Vec<u8> = wide("Secret1!").iter().map(|b| b.rotate_left(4) ^ 0xa5).collect();
    let mut body = vec![0; 94];
    body[4..8].copy_from_slice(&0x7400_0004_u32.to_le_bytes());
    for (place, bytes) in [(40, wide("sa")), (44, hidden)] {
        let offset = body.len() as u16;
        body[place..place + 2].copy_from_slice(&offset.to_le_bytes());
        body[place + 2..place + 4].copy_from_slice(&((bytes.len() / 2) as u16).to_le_bytes());
        body.extend_from_slice(&bytes);
    }
    let length = body.len() as u32;
    body[..4].copy_from_slice(&length.to_le_bytes());
    body
}

/// The status of the last token, which is the end of a statement.
fn last_done(answer: &[u8]) -> (u8, u16) {
    let done = &answer[answer.len() - 13..];
    (done[0], u16::from_le_bytes([done[1], done[2]]))
}

const ERROR: u16 = 0x02;
const COUNT: u16 = 0x10;
const CANCELLED: u16 = 0x20;
const FATAL: u16 = 0x100;

#[test]
fn a_cancelled_wait_is_answered_by_the_cancellation_alone() {
    let (server, _) = server(Encryption::NotSupported);
    let mut client = RawClient::open(&server);
    client.send(Kind::Batch, &RawClient::batch("WAIT"));
    client.send(Kind::Attention, &[]);
    assert_eq!(last_done(&client.answer()), (0xfd, CANCELLED));
    client.send(Kind::Batch, &RawClient::batch("ROWS 1"));
    assert_eq!(last_done(&client.answer()), (0xfd, COUNT));
}

#[test]
fn a_cancellation_that_comes_late_is_answered_too() {
    let (server, _) = server(Encryption::NotSupported);
    let mut client = RawClient::open(&server);
    client.send(Kind::Batch, &RawClient::batch("ROWS 1"));
    assert_eq!(last_done(&client.answer()), (0xfd, COUNT));
    client.send(Kind::Attention, &[]);
    assert_eq!(last_done(&client.answer()), (0xfd, CANCELLED));
    client.send(Kind::Batch, &RawClient::batch("ROWS 1"));
    assert_eq!(last_done(&client.answer()), (0xfd, COUNT));
}

#[test]
fn a_request_taken_back_is_not_carried_out() {
    let (server, _) = server(Encryption::NotSupported);
    let mut client = RawClient::open(&server);
    client.packet(1, 0, &RawClient::batch("DIE"));
    client.packet(1, 0x03, &[]);
    assert_eq!(last_done(&client.answer()), (0xfd, ERROR));
    client.send(Kind::Batch, &RawClient::batch("ROWS 1"));
    assert_eq!(last_done(&client.answer()), (0xfd, COUNT));
}

#[test]
fn a_connection_from_a_pool_is_reset_first() {
    let (server, _) = server(Encryption::NotSupported);
    let mut client = RawClient::open(&server);
    client.packet(1, 0x09, &RawClient::batch("RESETS"));
    let answer = client.answer();
    assert_eq!(answer[..6], [0xe3, 3, 0, 18, 0, 0]);
    assert!(answer.windows(5).any(|bytes| bytes == [0xd1, 1, 0, 0, 0] || bytes == [0, 1, 0, 0, 0]));
}

#[test]
fn calls_of_one_message_are_answered_in_turn() {
    let (server, _) = server(Encryption::NotSupported);
    let mut client = RawClient::open(&server);
    let call: Vec<u8> = [4_u16, 101, 99, 104, 111, 0].iter().flat_map(|unit| unit.to_le_bytes()).collect();
    client.send(Kind::Rpc, &[&HEADERS[..], &call, &[0xff], &call].concat());
    let answer = client.answer();
    let one = [0x79, 4, 0, 0, 0, 0xfe];
    assert_eq!(answer.windows(6).filter(|bytes| *bytes == one).count(), 2);
    assert_eq!(answer[6..8], [1, 0], "more follows the first");
    assert_eq!(last_done(&answer), (0xfe, 0));
}

#[test]
fn an_unknown_procedure_and_a_procedure_of_no_number() {
    let (server, _) = server(Encryption::NotSupported);
    let mut client = RawClient::open(&server);
    let call: Vec<u8> = [1_u16, 120, 0].iter().flat_map(|unit| unit.to_le_bytes()).collect();
    client.send(Kind::Rpc, &[&HEADERS[..], &call].concat());
    assert_eq!(last_done(&client.answer()), (0xfe, ERROR));
    client.send(Kind::Rpc, &[&HEADERS[..], &[0xff, 0xff, 99, 0, 0, 0]].concat());
    assert_eq!(last_done(&client.answer()), (0xfd, ERROR | FATAL));
    assert!(client.is_closed());
}

#[test]
fn what_is_not_the_protocol_ends_the_connection_with_an_error() {
    let (server, _) = server_with(Encryption::NotSupported, 1, 10_000);
    let bodies: [(u8, u8, Vec<u8>); 6] = [
        (99, 1, vec![]),
        (1, 1, vec![255, 255, 255, 255]),
        (3, 1, HEADERS.to_vec()),
        (14, 1, [&HEADERS[..], &[77, 0]].concat()),
        (16, 1, login()),
        (1, 0, vec![0; 20_000]),
    ];
    for (kind, status, body) in bodies {
        let mut client = RawClient::open(&server);
        client.packet(kind, status, &body);
        let answer = client.answer();
        assert_eq!(i32::from_le_bytes(answer[3..7].try_into().unwrap()), 4002, "{kind} {status}");
        assert_eq!(last_done(&answer), (0xfd, ERROR | FATAL));
        assert!(client.is_closed());
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_ends_its_session() {
    let (server, _) = server(Encryption::NotSupported);
    let mut client = RawClient::open(&server);
    client.send(Kind::Batch, &RawClient::batch("WAIT"));
    assert_eq!(server.sessions(), [51]);
    drop(client);
    let mut waited = 0;
    while !server.sessions().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
        waited += 1;
        assert!(waited < 2000, "the session is still there");
    }
}

#[test]
fn bytes_before_the_login_that_mean_nothing_close_the_connection() {
    let (server, _) = server(Encryption::Optional);
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x12, 1, 0, 9, 0, 0, 1, 0, 7], &[0x16, 3, 1, 0, 4, 1, 2, 3, 4]] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest));
        assert!(rest.len() < 100, "{rest:?}");
    }
}
