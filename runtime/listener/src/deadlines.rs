use std::time::Duration;

/// How long a client may keep a listener waiting. While a request is being answered only `body` and `stalled` run.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// From accept until TLS is agreed on.
    pub handshake: Duration,
    /// From then until the first byte.
    pub first_byte: Duration,
    /// From the first byte of a request until its headers are complete. With HTTP/2: until the first request.
    pub headers: Duration,
    /// From the end of an answer until the first byte of the next request; with HTTP/2, until the next request.
    pub idle: Duration,
    /// For a request's body, with a second more for each KiB that has come.
    pub body: Duration,
    /// For a client that takes nothing of what is sent to it.
    pub stalled: Duration,
    /// For the requests that are being answered when the listener closes.
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
