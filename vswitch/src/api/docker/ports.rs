//! Published ports, from Docker's form to ours.
//!
//! Docker may leave the choice of the host's port open, within a range or altogether. The engine has no field in which a
//! plugin could tell the choice, so that `docker ps` does not show it; `vswitch port inspect` does.

use std::net::IpAddr;

use super::shapes::{ConnectivityOptions, PortBinding};
use crate::control::{
    ControlError, ErrorKind, Handle,
    guest::Guest,
    name::ObjectId,
    publish::{Binding, Transport},
};

/// A port to be published, and the last of the host's ports that will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wish {
    pub(super) binding: Binding,
    pub(super) last: u16,
}

/// Reads Docker's.
pub(super) fn wishes(asked: &ConnectivityOptions) -> Result<Vec<Wish>, ControlError> {
    asked.ports.iter().map(wish).collect()
}

fn wish(asked: &PortBinding) -> Result<Wish, ControlError> {
    let protocol = match asked.proto {
        6 => Transport::Tcp,
        17 => Transport::Udp,
        other => {
            let name = if other == 132 { " (sctp)" } else { "" };
            return Err(ControlError::unavailable(format!(
                "publish port {}: protocol {other}{name} cannot be published; publish tcp or udp",
                asked.port
            )));
        }
    };
    if asked.port == 0 {
        return Err(ControlError::invalid(
            "publish port 0: not a port of the container; give one from 1 to 65535",
        ));
    }
    let host_ip = match asked.host_ip.as_str() {
        "" => None,
        text => Some(text.parse::<IpAddr>().map_err(|_| {
            ControlError::invalid(format!(
                "publish {text}: not an address; write -p [IP:]HOST:CONTAINER[/tcp|udp]"
            ))
        })?),
    };
    Ok(Wish {
        binding: Binding {
            host_ip,
            host_port: asked.host_port,
            container_port: asked.port,
            protocol,
        },
        last: asked.host_port_end.max(asked.host_port),
    })
}

/// Publishes all of them or none.
pub(super) async fn publish(
    handle: &Handle,
    endpoint: &ObjectId,
    wishes: &[Wish],
) -> Result<(), ControlError> {
    let (ranges, fixed): (Vec<Wish>, Vec<Wish>) =
        (wishes.iter().copied()).partition(|wish| wish.binding.host_port < wish.last);
    let mut bindings: Vec<Binding> = fixed.iter().map(|wish| wish.binding).collect();
    ask(handle, endpoint, &bindings).await?;
    for wish in ranges {
        if let Err(error) = add(handle, endpoint, &mut bindings, wish).await {
            ask(handle, endpoint, &[]).await?;
            return Err(error);
        }
    }
    Ok(())
}

/// Publishes one more, at the first port of its range that is free.
async fn add(
    handle: &Handle,
    endpoint: &ObjectId,
    bindings: &mut Vec<Binding>,
    wish: Wish,
) -> Result<(), ControlError> {
    for host_port in wish.binding.host_port..wish.last {
        bindings.push(Binding {
            host_port,
            ..wish.binding
        });
        match ask(handle, endpoint, bindings).await {
            Err(error) if error.kind == ErrorKind::Conflict => {
                bindings.truncate(bindings.len() - 1)
            }
            outcome => return outcome,
        }
    }
    bindings.push(Binding {
        host_port: wish.last,
        ..wish.binding
    });
    ask(handle, endpoint, bindings).await
}

/// Publishes these, and gives up others.
async fn ask(
    handle: &Handle,
    endpoint: &ObjectId,
    bindings: &[Binding],
) -> Result<(), ControlError> {
    let publish = Guest::Publish {
        endpoint: endpoint.clone(),
        bindings: bindings.to_vec(),
    };
    handle.guest(publish).await.map(|_| ())
}
