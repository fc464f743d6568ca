//! Published ports: `[IP:]HOST:CONTAINER[/tcp|udp]`.
//!
//! As in Docker `HOST` and `CONTAINER` may be ranges of the same length, `HOST` may be empty or absent (any free port),
//! and an IPv6 address stands in brackets. A range becomes one [`Binding`] for each port. Without an address the port
//! is published on all addresses of both families.

use std::{fmt, net::IpAddr, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use super::ControlError;

/// What is carried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// One published port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The host's address; all addresses of both families when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
    /// The host's port; any free one when 0.
    pub host_port: u16,
    /// The port inside the sandbox.
    pub container_port: u16,
    /// What is carried.
    pub protocol: Transport,
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            None => {}
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
        }
        write!(
            f,
            "{}:{}/{}",
            self.host_port, self.container_port, self.protocol
        )
    }
}

impl Binding {
    /// Reads `[IP:][HOST:]CONTAINER[/tcp|udp]`, one binding for each port of a range.
    ///
    /// # Errors
    /// Invalid, with the form.
    pub fn parse(text: &str) -> Result<Vec<Self>, ControlError> {
        let bad = |why: &str| {
            ControlError::invalid(format!(
                "publish {text:?}: {why}; write [IP:]HOST:CONTAINER[/tcp|udp], such as 8080:80 or [::1]:5300-5303:53-56/udp"
            ))
        };
        let (ports, protocol) = match text.rsplit_once('/') {
            None => (text, Transport::Tcp),
            Some((ports, "tcp")) => (ports, Transport::Tcp),
            Some((ports, "udp")) => (ports, Transport::Udp),
            Some((_, other)) => return Err(bad(&format!("{other:?} is neither tcp nor udp"))),
        };
        let (host, container) = match ports.rsplit_once(':') {
            Some((host, container)) => (host, container),
            None => ("", ports),
        };
        let (host_ip, host) = address(host).map_err(|why| bad(&why))?;
        let container = range(container).map_err(|why| bad(&why))?;
        let host = match host {
            "" => None,
            host => Some(range(host).map_err(|why| bad(&why))?),
        };
        if host
            .as_ref()
            .is_some_and(|host| host.len() != container.len())
        {
            return Err(bad("the two ranges differ in length"));
        }
        let binding = |(position, container_port)| Self {
            host_ip,
            host_port: host.as_ref().map_or(0, |host| host.start() + position),
            container_port,
            protocol,
        };
        Ok((0..).zip(container).map(binding).collect())
    }
}

/// The address in front of the host's port, and the rest.
fn address(text: &str) -> Result<(Option<IpAddr>, &str), String> {
    let not_an_address = |ip: &str| format!("{ip:?} is not an address");
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
        let ip = ip.parse().map_err(|_| not_an_address(ip))?;
        let port = rest.strip_prefix(':').unwrap_or(rest);
        return Ok((Some(IpAddr::V6(ip)), port));
    }
    match text.split_once(':') {
        None if text.contains('.') => {
            let ip = text.parse().map_err(|_| not_an_address(text))?;
            Ok((Some(IpAddr::V4(ip)), ""))
        }
        None => Ok((None, text)),
        Some((ip, port)) => {
            let v4 = ip.parse().map_err(|_| not_an_address(ip))?;
            Ok((Some(IpAddr::V4(v4)), port))
        }
    }
}

/// `N` or `N-M`, from 1 to 65535.
fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let port = |text: &str| {
        let port: Option<u16> = text.parse().ok().filter(|port| *port > 0);
        port.ok_or_else(|| format!("{text:?} is not a port from 1 to 65535"))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(format!("the range {text} runs backwards"));
    }
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let bindings = Binding::parse(text).unwrap();
        bindings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("80", &["0:80/tcp"][..]),
            ("8080:80", &["8080:80/tcp"]),
            (":80", &["0:80/tcp"]),
            ("5300:53/udp", &["5300:53/udp"]),
            ("127.0.0.1:8080:80", &["127.0.0.1:8080:80/tcp"]),
            ("127.0.0.1::80", &["127.0.0.1:0:80/tcp"]),
            ("[::1]:8080:80/tcp", &["[::1]:8080:80/tcp"]),
            ("[2001:2::1]::80", &["[2001:2::1]:0:80/tcp"]),
            (
                "8000-8002:80-82",
                &["8000:80/tcp", "8001:81/tcp", "8002:82/tcp"],
            ),
            ("65535:65535", &["65535:65535/tcp"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn wrong_forms_say_what_is_right() {
        for text in [
            "",
            "x",
            "0",
            "80:",
            "8080:0",
            "65536",
            "8080:80/sctp",
            "1.2.3:80:80",
            "[::1:80:80",
            "::1:80:80",
            "8000-8001:80",
            "8001-8000:81-80",
            "-1:80",
            "8080:80/",
            "300.0.0.1:80:80",
        ] {
            let error = Binding::parse(text).unwrap_err();
            assert!(
                error.message.contains("[IP:]HOST:CONTAINER"),
                "{text}: {error}"
            );
        }
    }
}
