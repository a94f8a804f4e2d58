//! The bytes under the packets: as they are, or encrypted.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustls::ServerConnection;

/// As much as is read at once, which rustls takes without its plaintext being read in between.
const CHUNK: usize = 4096;

/// Both directions of an encrypted connection: one thread reads, another writes.
pub(super) struct Encrypted {
    connection: Mutex<ServerConnection>,
    stream: TcpStream,
}

impl Encrypted {
    pub(super) fn new(connection: ServerConnection, stream: TcpStream) -> Arc<Encrypted> {
        Arc::new(Encrypted { connection: Mutex::new(connection), stream })
    }

    fn connection(&self) -> MutexGuard<'_, ServerConnection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut connection = self.connection();
        while !bytes.is_empty() {
            let taken = connection.writer().write(bytes)?;
            bytes = &bytes[taken..];
            send(&mut connection, &self.stream)?;
        }
        Ok(())
    }

    /// Reads what has arrived into `plain`; 0 bytes at the end of the stream.
    fn read_more(&self, plain: &mut Vec<u8>) -> io::Result<usize> {
        // The first of it may have come with the end of the handshake.
        take_plain(&mut self.connection(), plain)?;
        let mut chunk = [0; CHUNK];
        while plain.is_empty() {
            let count = (&self.stream).read(&mut chunk)?;
            if count == 0 {
                break;
            }
            let mut rest = &chunk[..count];
            let mut connection = self.connection();
            while !rest.is_empty() {
                connection.read_tls(&mut rest)?;
                take_plain(&mut connection, plain)?;
                send(&mut connection, &self.stream)?;
            }
        }
        Ok(plain.len())
    }
}

fn take_plain(connection: &mut ServerConnection, plain: &mut Vec<u8>) -> io::Result<()> {
    let ready = connection.process_new_packets().map_err(invalid)?.plaintext_bytes_to_read();
    let at = plain.len();
    plain.resize(at + ready, 0);
    connection.reader().read_exact(&mut plain[at..])
}

fn send(connection: &mut ServerConnection, mut stream: &TcpStream) -> io::Result<()> {
    while connection.wants_write() {
        connection.write_tls(&mut stream)?;
    }
    Ok(())
}

pub(super) fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Where a connection's bytes come from.
pub(super) enum Input {
    Plain(TcpStream),
    Encrypted { session: Arc<Encrypted>, plain: Vec<u8>, at: usize },
}

impl Input {
    pub(super) fn encrypted(session: Arc<Encrypted>) -> Input {
        Input::Encrypted { session, plain: Vec::new(), at: 0 }
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::Plain(stream) => stream.read(into),
            Input::Encrypted { session, plain, at } => {
                if *at == plain.len() {
                    plain.clear();
                    *at = 0;
                    session.read_more(plain)?;
                }
                let count = (&plain[*at..]).read(into)?;
                *at += count;
                Ok(count)
            }
        }
    }
}

/// Where they go.
pub(super) enum Output {
    Plain(TcpStream),
    Encrypted(Arc<Encrypted>),
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Plain(stream) => stream.write(bytes),
            Output::Encrypted(session) => session.write_all(bytes).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
