//! DNS over UDP: one task for a socket, and one for each query that has to be asked outside.
//!
//! A reply that the socket does not take at once is dropped, as a network may do it: the client asks again.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::UdpSocket, task::JoinSet, time::sleep};

use super::{Begun, Dns, Transport, Who, running::Open};

/// Longest query, in bytes; of a longer one the rest is cut off, and what is left is malformed.
pub(super) const MAX_QUERY: usize = 4096;
/// After an error of the socket itself, before it is tried again: lack of memory, as a rule.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket and the sign that it is open, in the order of their end.
struct Post {
    socket: UdpSocket,
    _open: Open,
}

/// Answers what comes to the socket, until the task is aborted.
pub(super) async fn serve(dns: Dns, socket: UdpSocket, who: Who, open: Open) {
    let post = Arc::new(Post {
        socket,
        _open: open,
    });
    let mut errands = JoinSet::new();
    let mut buffer = vec![0; MAX_QUERY];
    loop {
        tokio::select! {
            received = post.socket.recv_from(&mut buffer) => match received {
                Ok((length, peer)) => {
                    let Some(querier) = who.querier(peer.ip()) else {
                        continue;
                    };
                    match dns.begin(&buffer[..length], &querier, Transport::UDP) {
                        Begun::Reply(reply) => post.send(&reply, peer),
                        Begun::Errand(errand) => {
                            let post = Arc::clone(&post);
                            errands.spawn(async move {
                                if let Some(reply) = errand.run().await {
                                    post.send(&reply, peer);
                                }
                            });
                        }
                        Begun::Nothing => {}
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot receive DNS queries");
                    sleep(PAUSE).await;
                }
            },
            Some(ended) = errands.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a forwarded query ended early");
                }
            }
        }
    }
}

impl Post {
    fn send(&self, reply: &[u8], peer: SocketAddr) {
        match self.socket.try_send_to(reply, peer) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tracing::debug!(%peer, "a DNS reply was dropped: the socket is full");
            }
            Err(error) => tracing::debug!(%peer, %error, "a DNS reply was not sent"),
        }
    }
}
