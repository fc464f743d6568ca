//! Driver options: `-o KEY=VALUE`.
//!
//! Each driver has a list of the options that it knows. A key outside the list is an error that shows the list, so that
//! a misspelt option is never ignored; a key that is known but not built yet is refused in plain words.

pub mod bridge;
pub mod macvlan;
pub mod overlay;

use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive, str::FromStr};

use super::ControlError;
use crate::datapath::{Ageing, MaxEntries, NetworkSettings};

pub use macvlan::MacvlanOptions;
pub use overlay::OverlayOptions;

/// Bytes that an interface's MTU may have: IPv4's minimum (RFC 791) to the most that a TAP takes.
pub const MTU: RangeInclusive<u16> = 68..=65521;

/// Docker's name of `mtu`.
const DOCKER_MTU: &str = "com.docker.network.driver.mtu";

/// Who shall have the addresses of a network's gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GatewayWish {
    /// The host, by an interface on the network; the switch itself where the network is internal.
    Host,
    /// The switch itself.
    Inside,
    /// Nobody.
    Off,
}

/// Whether the host lets a network out under its own addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NatWish {
    /// Where it can.
    Auto,
    /// It has to.
    Kernel,
    /// No.
    Off,
}

/// What holds for the ports of a network, whatever its driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelayOptions {
    /// Bytes that the interfaces get; within [`MTU`].
    pub mtu: u16,
    /// Super-frames and partial checksums pass; off makes plain TAPs.
    pub offload: bool,
    /// Who has the gateway's addresses; says nothing on a macvlan network with a parent.
    pub gateway: GatewayWish,
    /// The way out by the host's gateway.
    pub nat: NatWish,
    /// How the relay behaves.
    pub settings: NetworkSettings,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            mtu: 1500,
            offload: true,
            gateway: GatewayWish::Host,
            nat: NatWish::Auto,
            settings: NetworkSettings::default(),
        }
    }
}

/// Reads the options of `network connect`: `offload` alone, which overrides the network's.
///
/// # Errors
/// Invalid with the known options or the allowed values.
pub fn offload(options: &BTreeMap<String, String>) -> Result<Option<bool>, ControlError> {
    let mut offload = None;
    for (key, value) in options {
        if key != "offload" {
            return Err(ControlError::invalid(format!(
                "option {key:?}: unknown to an endpoint; known is offload"
            )));
        }
        offload = Some(switch(key, value)?);
    }
    Ok(offload)
}

fn unknown_option(driver: &str, key: &str, known: &[&str]) -> ControlError {
    ControlError::invalid(format!(
        "option {key:?}: unknown to the {driver} driver; known are {}",
        known.join(", ")
    ))
}

/// One thing under two names, ours and Docker's, must be one value.
fn said_once(
    options: &BTreeMap<String, String>,
    own: &str,
    docker: &str,
) -> Result<(), ControlError> {
    match (options.get(own), options.get(docker)) {
        (Some(first), Some(second)) if first != second => Err(ControlError::invalid(format!(
            "option {own}: given twice, {first} and {second} ({docker}); give it once"
        ))),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

fn bad(key: &str, value: &str, expected: &str) -> ControlError {
    ControlError::invalid(format!(
        "option {key}: {value:?} is not a valid value; give {expected}"
    ))
}

fn within<T: FromStr + PartialOrd + Display>(
    key: &str,
    value: &str,
    range: RangeInclusive<T>,
) -> Result<T, ControlError> {
    let found = value.parse().ok().filter(|number| range.contains(number));
    found.ok_or_else(|| {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        bad(key, value, &expected)
    })
}

fn switch(key: &str, value: &str) -> Result<bool, ControlError> {
    match value {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err(bad(key, value, "on or off")),
    }
}

fn nat(key: &str, value: &str) -> Result<NatWish, ControlError> {
    match value {
        "auto" => Ok(NatWish::Auto),
        "kernel" | "on" | "true" => Ok(NatWish::Kernel),
        "off" | "false" => Ok(NatWish::Off),
        _ => Err(bad(key, value, "auto, kernel or off")),
    }
}

fn ageing(key: &str, value: &str) -> Result<Ageing, ControlError> {
    let ageing = value.parse().ok().and_then(Ageing::from_secs);
    ageing.ok_or_else(|| bad(key, value, "seconds from 10 to 1000000"))
}

fn max_entries(key: &str, value: &str, most: u32) -> Result<MaxEntries, ControlError> {
    MaxEntries::new(within(key, value, 1..=most)?)
        .ok_or_else(|| bad(key, value, "a smaller number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_knows_one_option() {
        let read =
            |key: &str, value: &str| offload(&BTreeMap::from([(key.to_owned(), value.to_owned())]));
        assert_eq!(offload(&BTreeMap::new()).unwrap(), None);
        assert_eq!(read("offload", "off").unwrap(), Some(false));
        assert_eq!(read("offload", "on").unwrap(), Some(true));
        assert!(
            read("offload", "x")
                .unwrap_err()
                .message
                .contains("on or off")
        );
        assert!(
            read("mtu", "9000")
                .unwrap_err()
                .message
                .contains("known is offload")
        );
    }
}
