use std::io::Cursor;

use mongodb::bson::Document;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const OP_MSG: i32 = 2013;

/// The next command with the number of its message; none when the connection has ended.
pub(super) async fn read(connection: &mut TcpStream) -> Option<(i32, Document)> {
    let length = connection.read_i32_le().await.ok()?;
    let mut message = vec![0; usize::try_from(length - 4).unwrap()];
    connection.read_exact(&mut message).await.ok()?;
    let number = |at: usize| i32::from_le_bytes(message[at..at + 4].try_into().unwrap());
    assert_eq!(number(8), OP_MSG, "the driver speaks OP_MSG only");
    assert_eq!(message[16], 0, "commands are whole documents: there is no other section");
    let command = Document::from_reader(Cursor::new(&message[17..])).unwrap();
    Some((number(0), command))
}

pub(super) async fn write(connection: &mut TcpStream, request: i32, answer: &Document) -> Option<()> {
    let mut body = Vec::new();
    answer.to_writer(&mut body).unwrap();
    let mut message = Vec::new();
    let length = i32::try_from(body.len() + 21).unwrap();
    for number in [length, request + 1, request, OP_MSG, 0] {
        message.extend_from_slice(&number.to_le_bytes());
    }
    message.push(0);
    message.extend_from_slice(&body);
    connection.write_all(&message).await.ok()
}
