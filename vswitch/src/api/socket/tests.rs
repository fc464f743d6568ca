//! The socket file, and clients that meet something else behind it.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream as StdStream,
};

use super::*;
use crate::api::{Client, ClientError};

#[test]
fn the_socket_is_private_and_taken_only_from_the_dead() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run/v.sock");
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    let (socket, _listener) = ControlSocket::bind(&path).unwrap();
    assert_eq!(mode(&path), 0o660);
    assert_eq!(mode(path.parent().unwrap()), 0o750);
    let error = ControlSocket::bind(&path).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, SocketError::InUse { .. }), "{text}");
    assert!(
        text.contains(&format!("pid {}", std::process::id())) && !text.contains('\n'),
        "{text}"
    );
    let other = ControlSocket::bind(&path.with_file_name("w.sock")).unwrap_err();
    assert!(
        matches!(other, SocketError::DirectoryInUse { .. }),
        "{other}"
    );
    drop(socket);
    assert!(!path.exists());
    // A socket that nobody listens on any more.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (socket, _listener) = ControlSocket::bind(&path).unwrap();
    assert!(StdStream::connect(&path).is_ok());
    drop(socket);
    fs::write(&path, "precious").unwrap();
    assert!(matches!(
        ControlSocket::bind(&path).unwrap_err(),
        SocketError::NotASocket { .. }
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let long = directory.path().join("x".repeat(200));
    assert!(matches!(
        ControlSocket::bind(&long).unwrap_err(),
        SocketError::BadPath { .. }
    ));
}

#[test]
fn a_client_says_when_a_socket_is_dead() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("v.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(stream.read(&mut [0; 10]));
        drop(stream);
        let (mut stream, _) = listener.accept().unwrap();
        drop(stream.read(&mut [0; 1000]));
        stream.write_all(b"SSH-2.0-nonsense\r\n").unwrap();
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = Client::connect(&path).await.unwrap();
        assert!(matches!(
            client.status().await.unwrap_err(),
            ClientError::Protocol(_)
        ));
        answering.join().unwrap();
        assert!(matches!(
            client.status().await.unwrap_err(),
            ClientError::Unreachable { .. }
        ));
    });
}
