use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// `OffsetDelete` of Kafka's protocol (KIP-496).
pub(super) const OFFSET_DELETE: i16 = 47;

const API_VERSIONS: i16 = 18;
/// Far more than any broker's answer.
const LONGEST: usize = 64 * 1024;

/// Whether a broker supports a request. Asked without librdkafka, because version 2.12 frees a queue twice when a
/// request to a group's coordinator is not supported, and does not expose what is.
pub(super) fn supports(bootstrap: &str, request: i16, timeout: Duration) -> io::Result<bool> {
    let mut last = io::Error::from(ErrorKind::NotConnected);
    for server in bootstrap.split(',') {
        let server = server.trim().rsplit("://").next().unwrap_or_default();
        match ask(server, timeout) {
            Ok(answer) => return Ok(knows(&answer, request)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn ask(server: &str, timeout: Duration) -> io::Result<Vec<u8>> {
    let mut addresses = server.to_socket_addrs()?;
    let address = addresses.next().ok_or_else(|| io::Error::from(ErrorKind::AddrNotAvailable))?;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&question())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// `ApiVersions`, version 0: the one that every broker answers. Length, request, version, correlation id, client id.
fn question() -> Vec<u8> {
    const CLIENT: &[u8] = b"tributary";
    let mut body = Vec::new();
    body.extend(API_VERSIONS.to_be_bytes());
    body.extend(0_i16.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(i16::try_from(CLIENT.len()).unwrap_or_default().to_be_bytes());
    body.extend(CLIENT);
    let length = u32::try_from(body.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], &body].concat()
}

/// Correlation id, error, count, then number, lowest and highest version of each request.
fn knows(answer: &[u8], request: i16) -> bool {
    const HEAD: usize = 4 + 2 + 4;
    let entries = answer.get(HEAD..).unwrap_or_default();
    entries.chunks_exact(6).any(|entry| entry[..2] == request.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A broker that gives one answer.
    fn broker(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; question().len()];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(asked, question());
            stream.write_all(&answer).unwrap();
        });
        address
    }

    fn answer(requests: &[i16]) -> Vec<u8> {
        let mut body = vec![0, 0, 0, 1, 0, 0];
        body.extend(i32::try_from(requests.len()).unwrap().to_be_bytes());
        for request in requests {
            body.extend([request.to_be_bytes(), [0, 0], [0, 1]].concat());
        }
        [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    }

    #[test]
    fn request_versions_follow_the_broker() {
        let timeout = Duration::from_secs(5);
        assert!(supports(&broker(answer(&[18, 47])), OFFSET_DELETE, timeout).unwrap());
        assert!(!supports(&broker(answer(&[18, 3, 42])), OFFSET_DELETE, timeout).unwrap());
        let second = format!("127.0.0.1:1, PLAINTEXT://{}", broker(answer(&[47])));
        assert!(supports(&second, OFFSET_DELETE, timeout).unwrap());
        assert!(supports(&broker(vec![0xff; 8]), OFFSET_DELETE, timeout).is_err());
        assert!(supports("127.0.0.1:1", OFFSET_DELETE, timeout).is_err());
    }
}
