//! The options of `network create -d bridge`.

use std::collections::BTreeMap;

use super::{
    ControlError, DOCKER_MTU, GatewayWish, MTU, RelayOptions, ageing, bad, max_entries, nat,
    said_once, switch, unknown_option, within,
};

/// What the bridge driver knows, in the order in which it is listed.
const KNOWN: [&str; 10] = [
    "mtu",
    "ageing",
    "max_entries",
    "relay_reserved",
    "learning",
    "offload",
    "gateway",
    "nat",
    DOCKER_MTU,
    DOCKER_NAT,
];

/// Docker's name of `nat`.
const DOCKER_NAT: &str = "com.docker.network.bridge.enable_ip_masquerade";

/// What it will know.
const LATER: [&str; 4] = ["icc", "isolated", "vlan_aware", "stp"];

/// Most entries of a forwarding database.
const MAX_ENTRIES: u32 = 1_000_000;

/// Reads the options.
///
/// # Errors
/// Invalid with the known options or the allowed values; unavailable for options not built yet.
pub fn parse(options: &BTreeMap<String, String>) -> Result<RelayOptions, ControlError> {
    said_once(options, "mtu", DOCKER_MTU)?;
    said_once(options, "nat", DOCKER_NAT)?;
    let mut parsed = RelayOptions::default();
    for (key, value) in options {
        set(&mut parsed, key, value)?;
    }
    Ok(parsed)
}

fn set(options: &mut RelayOptions, key: &str, value: &str) -> Result<(), ControlError> {
    match key {
        "mtu" | DOCKER_MTU => options.mtu = within(key, value, MTU)?,
        "offload" => options.offload = switch(key, value)?,
        "gateway" => options.gateway = gateway(key, value)?,
        "nat" | DOCKER_NAT => options.nat = nat(key, value)?,
        "learning" => options.settings.learning = switch(key, value)?,
        "relay_reserved" => options.settings.relay_reserved = switch(key, value)?,
        "ageing" => options.settings.ageing = ageing(key, value)?,
        "max_entries" => options.settings.max_entries = max_entries(key, value, MAX_ENTRIES)?,
        later if LATER.contains(&later) => {
            return Err(ControlError::unavailable(format!(
                "option {later}: the bridge driver does not have it yet; leave it out"
            )));
        }
        unknown => return Err(unknown_option("bridge", unknown, &KNOWN)),
    }
    Ok(())
}

fn gateway(key: &str, value: &str) -> Result<GatewayWish, ControlError> {
    match value {
        "host" => Ok(GatewayWish::Host),
        "inside" => Ok(GatewayWish::Inside),
        "off" => Ok(GatewayWish::Off),
        _ => Err(bad(key, value, "host, inside or off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorKind;

    fn parse(options: &[(&str, &str)]) -> Result<RelayOptions, ControlError> {
        super::parse(
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
        assert_eq!(parse(&[]).unwrap(), RelayOptions::default());
    }

    #[test]
    fn an_unknown_option_lists_the_known_ones() {
        let error = parse(&[("colour", "red")]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        for known in KNOWN {
            assert!(error.message.contains(known), "{error}");
        }
    }

    #[test]
    fn options_not_built_yet_say_so() {
        for later in LATER {
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
