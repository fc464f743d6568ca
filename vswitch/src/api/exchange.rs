//! One request and its reply over HTTP/1.1 (RFC 9112), as small as one request for each connection allows.

use axum::http::StatusCode;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use super::client::ClientError;

/// Bytes of a reply's line of head, and of its body: more than any switch has to tell.
const MAX_LINE: u64 = 16 * 1024;
const MAX_HEADERS: usize = 64;
const MAX_BODY: u64 = 256 * 1024 * 1024;

/// A reply whose head was read.
#[derive(Debug)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// Bytes of the body; up to the end of the stream when absent.
    length: Option<u64>,
    stream: BufReader<UnixStream>,
}

impl Answer {
    /// The whole body.
    pub(super) async fn body(self) -> Result<Vec<u8>, ClientError> {
        let length = if self.status == StatusCode::NO_CONTENT {
            Some(0)
        } else {
            self.length
        };
        let announced = length.unwrap_or(MAX_BODY);
        if announced > MAX_BODY {
            return Err(ClientError::Protocol(format!(
                "a body of {announced} bytes"
            )));
        }
        let mut body = Vec::new();
        self.stream.take(announced).read_to_end(&mut body).await?;
        match length {
            Some(length) if u64::try_from(body.len()) != Ok(length) => Err(ClientError::Broken(
                std::io::ErrorKind::UnexpectedEof.into(),
            )),
            _ => Ok(body),
        }
    }

    /// The body as a stream.
    pub(super) fn into_stream(self) -> BufReader<UnixStream> {
        self.stream
    }
}

/// Sends a request and reads the head of the reply.
pub(super) async fn exchange(
    stream: UnixStream,
    method: &str,
    target: &str,
    body: Option<&[u8]>,
) -> Result<Answer, ClientError> {
    let mut stream = BufReader::new(stream);
    let mut request =
        format!("{method} {target} HTTP/1.1\r\nhost: vswitch\r\nconnection: close\r\n");
    if let Some(body) = body {
        request += &format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
    }
    request += "\r\n";
    let mut request = request.into_bytes();
    request.extend_from_slice(body.unwrap_or_default());
    let sent = stream.get_mut().write_all(&request).await;
    // A server that refuses early stops reading; its reply says why.
    let answer = read_head(stream).await;
    match (sent, answer) {
        (Err(error), Err(_)) => Err(error.into()),
        (_, answer) => answer,
    }
}

async fn read_head(mut stream: BufReader<UnixStream>) -> Result<Answer, ClientError> {
    let line = read_line(&mut stream).await?;
    let status = (line
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| line.strip_prefix("HTTP/1.0 ")))
    .and_then(|rest| rest.get(..3)?.parse().ok())
    .ok_or_else(|| ClientError::Protocol(format!("{line:?} is not HTTP")))?;
    let mut length = None;
    for _ in 0..MAX_HEADERS {
        let line = read_line(&mut stream).await?;
        let Some((name, value)) = line.split_once(':') else {
            return Ok(Answer {
                status,
                length,
                stream,
            });
        };
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(ClientError::Protocol(format!("transfer encoding{value}")));
        }
        if name.eq_ignore_ascii_case("content-length") {
            let parsed = value
                .trim()
                .parse()
                .map_err(|_| ClientError::Protocol(format!("length{value}")))?;
            length = Some(parsed);
        }
    }
    Err(ClientError::Protocol("a head without end".to_owned()))
}

async fn read_line(stream: &mut BufReader<UnixStream>) -> Result<String, ClientError> {
    let mut line = String::new();
    if stream.take(MAX_LINE).read_line(&mut line).await? == 0 {
        return Err(ClientError::Broken(
            std::io::ErrorKind::UnexpectedEof.into(),
        ));
    }
    Ok(line.trim_end().to_owned())
}
