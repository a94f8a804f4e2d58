use std::time::Duration;

/// How long a listener waits for a client. While a request is being answered only `body` and `stalled` apply.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// From accept until the TLS handshake is complete.
    pub handshake: Duration,
    /// From then until the first byte.
    pub first_byte: Duration,
    /// From the first byte of a request until its headers are complete. With HTTP/2: until the first request.
    pub headers: Duration,
    /// From the end of an answer until the first byte of the next request; with HTTP/2, until the next request.
    pub idle: Duration,
    /// For a request's body, plus a second for each KiB that has arrived.
    pub body: Duration,
    /// For a client that reads nothing of what is sent to it.
    pub stalled: Duration,
    /// For the requests in flight when the listener closes.
    pub drain: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            handshake: seconds(10),
            first_byte: seconds(10),
            headers: seconds(10),
            idle: seconds(60),
            body: seconds(30),
            stalled: seconds(60),
            drain: seconds(1),
        }
    }
}
