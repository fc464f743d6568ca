//! The control socket without the command line: single HTTP requests, and bytes that are none.

use crate::{Lab, Must, deadline::SOON};
use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
};

impl Lab {
    /// Sends bytes to the control socket and reads until the daemon closes the connection.
    ///
    /// # Panics
    /// When it does not close it.
    #[track_caller]
    #[must_use]
    pub fn raw_request(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.socket()).must("the control socket");
        stream.set_read_timeout(Some(SOON)).must("a timeout");
        stream.set_write_timeout(Some(SOON)).must("a timeout");
        // A daemon that has heard enough closes: that is an answer, too.
        let _sent = stream.write_all(bytes);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the daemon neither answers nor closes: {error}"),
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One HTTP request: status and body of the reply.
    ///
    /// # Panics
    /// When the reply is not HTTP.
    #[track_caller]
    #[must_use]
    pub fn http(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: vswitch\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let reply = self.raw_request(request.as_bytes());
        let status = reply.split(' ').nth(1).and_then(|code| code.parse().ok());
        let (_, body) = reply.split_once("\r\n\r\n").must(&reply);
        (status.must(&reply), body.to_owned())
    }
}
