//! What a load needs of this machine beside the candidates.

use std::net::TcpListener;
use std::path::Path;

use rustix::net::sockopt::set_tcp_congestion;

use crate::load::{Congestion, Load};
use crate::process::is_installed;

/// What this machine has not got for a load, and what to do about it.
pub(super) fn missing(load: Load) -> Option<String> {
    let (iperf3, congestion) = match load {
        Load::Tcp { congestion, .. } => (true, Some(congestion)),
        Load::Loaded => (true, Some(Congestion::Cubic)),
        Load::Udp { .. } => (true, None),
        Load::RoundTrip(_) | Load::Connect => (false, None),
    };
    if iperf3 && !is_installed(Path::new("iperf3")) {
        return Some("iperf3 is not installed".to_owned());
    }
    let name = congestion?.name();
    let error = refused(name)?;
    Some(format!(
        "this kernel has no {name} ({error}): modprobe tcp_{name}"
    ))
}

/// Why the kernel does not give a socket this congestion control; nothing where it does.
fn refused(congestion: &str) -> Option<rustix::io::Errno> {
    let socket = TcpListener::bind(("127.0.0.1", 0)).ok()?;
    set_tcp_congestion(&socket, congestion).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_congestion_control_that_nobody_has_is_refused() {
        assert!(refused("no-such-one").is_some());
        assert!(refused("reno").is_none());
    }

    #[test]
    fn round_trips_need_nothing() {
        assert_eq!(missing(Load::Connect), None);
    }
}
