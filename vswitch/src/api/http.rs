//! What both directions of HTTP over unix sockets share: bounded bodies, one request on a connection, lines.

use std::io;

use axum::extract::Request;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Response,
    body::{Body, Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Why a body is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// It is larger than allowed.
    #[error("over {0} bytes")]
    TooLarge(usize),
    /// The connection broke.
    #[error("{0}")]
    Broken(#[from] io::Error),
}

/// The body of a request, of at most `most` bytes. One that announces more is refused without reading it.
pub(super) async fn asked(request: Request, most: usize) -> Result<Bytes, BodyError> {
    let body = request.into_body();
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |least| least > most) {
        return Err(BodyError::TooLarge(most));
    }
    whole(body, most).await
}

/// All of a body, of at most `most` bytes.
pub(super) async fn whole<B>(body: B, most: usize) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge(most)),
        Err(error) => Err(io::Error::other(error).into()),
    }
}

/// Sends one request on a connection of its own; a task moves its bytes.
pub(super) async fn send(
    stream: UnixStream,
    request: hyper::Request<Full<Bytes>>,
) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the reply's body, and tells its errors there.
    tokio::spawn(connection);
    sender.send_request(request).await
}

/// The lines of a reply without an end.
#[derive(Debug)]
pub(super) struct Lines {
    body: Incoming,
    /// What came after the last whole line.
    rest: Vec<u8>,
}

impl Lines {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            rest: Vec::new(),
        }
    }

    /// The next line with its end; `None` when the other side has closed. Nothing is lost when the future is dropped
    /// before it is ready.
    pub(super) async fn next(&mut self) -> Option<hyper::Result<Vec<u8>>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                return Some(Ok(self.rest.drain(..=end).collect()));
            }
            match self.body.frame().await? {
                // Frames without data are trailers.
                Ok(frame) => self.rest.extend(frame.into_data().unwrap_or_default()),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// One segment of a path, or one value of a query: everything but unreserved characters (RFC 3986 section 2.3) is
/// percent-encoded.
pub(super) fn escaped(segment: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    segment
        .bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segments_cannot_leave_their_place() {
        assert_eq!(escaped("web-1.a_b~"), "web-1.a_b~");
        assert_eq!(
            escaped("netns:/run/x y?#%"),
            "netns%3A%2Frun%2Fx%20y%3F%23%25"
        );
        assert_eq!(escaped("a\r\nb"), "a%0D%0Ab");
    }
}
