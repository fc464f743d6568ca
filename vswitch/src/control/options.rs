//! Driver options: `-o KEY=VALUE`.
//!
//! Each driver has a list of the options that it knows. A key outside the list is an error that shows the list, so that
//! a misspelt option is never ignored; a key that is known but not built yet is refused in plain words.

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::ControlError;
use crate::datapath::{Ageing, MaxEntries, NetworkSettings};

/// Bytes that an interface's MTU may have: IPv4's minimum (RFC 791) to the most that a TAP takes.
const MTU: RangeInclusive<u16> = 68..=65521;

/// What the bridge driver knows, in the order in which it is listed.
const BRIDGE: [&str; 7] = [
    "mtu",
    "ageing",
    "max_entries",
    "relay_reserved",
    "learning",
    "offload",
    DOCKER_MTU,
];

/// What the bridge driver will know.
const BRIDGE_LATER: [&str; 4] = ["icc", "isolated", "vlan_aware", "stp"];

/// Docker's name of `mtu`.
const DOCKER_MTU: &str = "com.docker.network.driver.mtu";

/// The options of a bridge network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BridgeOptions {
    /// `mtu`: bytes, 68 to 65521, 1500 when absent.
    pub mtu: u16,
    /// `offload`: super-frames and partial checksums pass; off makes plain TAPs.
    pub offload: bool,
    /// `ageing`, `max_entries`, `relay_reserved`, `learning`.
    pub settings: NetworkSettings,
}

impl Default for BridgeOptions {
    fn default() -> Self {
        Self {
            mtu: 1500,
            offload: true,
            settings: NetworkSettings::default(),
        }
    }
}

impl BridgeOptions {
    /// Reads the options of `network create -d bridge`.
    ///
    /// # Errors
    /// Invalid with the known options or the allowed values; unavailable for options not built yet.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Self, ControlError> {
        if let (Some(own), Some(docker)) = (options.get("mtu"), options.get(DOCKER_MTU))
            && own != docker
        {
            return Err(ControlError::invalid(format!(
                "option mtu: given twice, {own} and {docker} ({DOCKER_MTU}); give it once"
            )));
        }
        let mut parsed = Self::default();
        for (key, value) in options {
            parsed.set(key, value)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), ControlError> {
        match key {
            "mtu" | DOCKER_MTU => self.mtu = within(key, value, MTU)?,
            "offload" => self.offload = switch(key, value)?,
            "learning" => self.settings.learning = switch(key, value)?,
            "relay_reserved" => self.settings.relay_reserved = switch(key, value)?,
            "ageing" => {
                let ageing = value.parse().ok().and_then(Ageing::from_secs);
                self.settings.ageing =
                    ageing.ok_or_else(|| bad(key, value, "seconds from 10 to 1000000"))?;
            }
            "max_entries" => {
                let entries = value.parse().ok().and_then(MaxEntries::new);
                self.settings.max_entries =
                    entries.ok_or_else(|| bad(key, value, "a number from 1 to 1000000"))?;
            }
            later if BRIDGE_LATER.contains(&later) => {
                return Err(ControlError::unavailable(format!(
                    "option {later}: the bridge driver does not have it yet; leave it out"
                )));
            }
            unknown => return Err(unknown_option(unknown)),
        }
        Ok(())
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

fn unknown_option(key: &str) -> ControlError {
    ControlError::invalid(format!(
        "option {key:?}: unknown to the bridge driver; known are {}",
        BRIDGE.join(", ")
    ))
}

fn bad(key: &str, value: &str, expected: &str) -> ControlError {
    ControlError::invalid(format!(
        "option {key}: {value:?} is not a valid value; give {expected}"
    ))
}

fn within(key: &str, value: &str, range: RangeInclusive<u16>) -> Result<u16, ControlError> {
    value
        .parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            bad(
                key,
                value,
                &format!("a number from {} to {}", range.start(), range.end()),
            )
        })
}

fn switch(key: &str, value: &str) -> Result<bool, ControlError> {
    match value {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err(bad(key, value, "on or off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorKind;

    fn parse(options: &[(&str, &str)]) -> Result<BridgeOptions, ControlError> {
        BridgeOptions::parse(
            &options
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn every_known_option_has_its_effect() {
        let options = parse(&[
            ("mtu", "9000"),
            ("ageing", "10"),
            ("max_entries", "1000000"),
            ("relay_reserved", "on"),
            ("learning", "off"),
            ("offload", "off"),
        ])
        .unwrap();
        assert_eq!((options.mtu, options.offload), (9000, false));
        assert_eq!(options.settings.ageing.secs(), 10);
        assert_eq!(options.settings.max_entries.get(), 1_000_000);
        assert!(options.settings.relay_reserved && !options.settings.learning);
        assert_eq!(parse(&[(DOCKER_MTU, "1400")]).unwrap().mtu, 1400);
        assert_eq!(
            parse(&[(DOCKER_MTU, "1400"), ("mtu", "1400")]).unwrap().mtu,
            1400
        );
        assert_eq!(parse(&[]).unwrap(), BridgeOptions::default());
    }

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

    #[test]
    fn an_unknown_option_lists_the_known_ones() {
        let error = parse(&[("colour", "red")]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        for known in BRIDGE {
            assert!(error.message.contains(known), "{error}");
        }
    }

    #[test]
    fn options_not_built_yet_say_so() {
        for later in BRIDGE_LATER {
            let error = parse(&[(later, "on")]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unavailable);
            assert!(error.message.contains(later));
        }
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        for (key, value, range) in [
            ("mtu", "67", "68 to 65521"),
            ("mtu", "65522", "68 to 65521"),
            ("mtu", "abc", "68 to 65521"),
            (DOCKER_MTU, "", "68 to 65521"),
            ("ageing", "9", "10 to 1000000"),
            ("ageing", "1000001", "10 to 1000000"),
            ("max_entries", "0", "1 to 1000000"),
            ("learning", "maybe", "on or off"),
        ] {
            let error = parse(&[(key, value)]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.contains(range), "{error}");
        }
        assert!(
            parse(&[("mtu", "68"), (DOCKER_MTU, "69")])
                .unwrap_err()
                .message
                .contains("twice")
        );
    }
}
