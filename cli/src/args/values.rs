//! Values on the command line: what is read from one word, and what a wrong word is answered.
//!
//! Only the form is checked here, so that a slip of the finger is a usage error (status 2) that says
//! what was expected. Whether a value makes sense (an address inside its subnet, a name that is
//! free) is the daemon's to say, which alone knows the state.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vswitch::control::{ControlError, publish::Binding};

/// A word `KEY=VALUE`; without `=` the value is empty, as in Docker (`-o encrypted`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyValue {
    /// Before the first `=`; never empty.
    pub(crate) key: String,
    /// After it.
    pub(crate) value: String,
}

/// A word `NAME=IP` of `--aux-address`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedAddress {
    /// What the address is for; never empty.
    pub(crate) name: String,
    /// The address that no endpoint gets.
    pub(crate) address: IpAddr,
}

/// Reads `ADDRESS/PREFIX`.
pub(crate) fn cidr(word: &str) -> Result<IpNet, String> {
    word.parse()
        .map_err(|_| "expected ADDRESS/PREFIX, such as 198.18.0.0/24 or 2001:2:0:1::/64".to_owned())
}

/// Reads an address of either family.
pub(crate) fn ip(word: &str) -> Result<IpAddr, String> {
    word.parse()
        .map_err(|_| "expected an IP address, such as 198.18.0.1 or 2001:2::1".to_owned())
}

/// Reads an IPv4 address.
pub(crate) fn ipv4(word: &str) -> Result<Ipv4Addr, String> {
    word.parse().map_err(|_| match word.parse::<Ipv6Addr>() {
        Ok(_) => "expected an IPv4 address; IPv6 goes with --ip6".to_owned(),
        Err(_) => "expected an IPv4 address without a prefix, such as 198.18.0.10".to_owned(),
    })
}

/// Reads an IPv6 address.
pub(crate) fn ipv6(word: &str) -> Result<Ipv6Addr, String> {
    word.parse().map_err(|_| match word.parse::<Ipv4Addr>() {
        Ok(_) => "expected an IPv6 address; IPv4 goes with --ip".to_owned(),
        Err(_) => "expected an IPv6 address without a prefix, such as 2001:2::10".to_owned(),
    })
}

/// Reads `KEY=VALUE` or `KEY`.
pub(crate) fn key_value(word: &str) -> Result<KeyValue, String> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    if key.is_empty() {
        return Err("expected KEY=VALUE, such as mtu=9000".to_owned());
    }
    Ok(KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    })
}

/// Reads `NAME=IP`.
pub(crate) fn named_address(word: &str) -> Result<NamedAddress, String> {
    let expected = || "expected NAME=IP, such as router=198.18.0.254".to_owned();
    let (name, address) = word.split_once('=').ok_or_else(expected)?;
    if name.is_empty() {
        return Err(expected());
    }
    let address = address.parse().map_err(|_| expected())?;
    Ok(NamedAddress {
        name: name.to_owned(),
        address,
    })
}

/// The ports of one `--publish`, of which a range is several.
#[derive(Clone, Debug)]
pub(crate) struct Bindings(Vec<Binding>);

impl From<Bindings> for Vec<Binding> {
    fn from(bindings: Bindings) -> Self {
        bindings.0
    }
}

/// `[IP:]HOST:CONTAINER[/tcp|udp]`.
pub(crate) fn bindings(text: &str) -> Result<Bindings, ControlError> {
    Binding::parse(text).map(Bindings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_needs_its_prefix() {
        assert!(cidr("198.18.0.0/24").is_ok());
        assert!(cidr("2001:2::/48").is_ok());
        for wrong in [
            "198.18.0.0",
            "198.18.0.0/33",
            "198.18.0/24",
            "",
            "/24",
            "x/24",
        ] {
            let text = cidr(wrong).expect_err(wrong);
            assert!(text.contains("ADDRESS/PREFIX"), "{text}");
        }
    }

    #[test]
    fn an_address_of_the_other_family_is_told_its_flag() {
        assert!(ipv4("2001:2::1").expect_err("v6").contains("--ip6"));
        assert!(ipv6("198.18.0.1").expect_err("v4").ends_with("--ip"));
        assert!(
            ipv4("198.18.0.1/24")
                .expect_err("prefix")
                .contains("without a prefix")
        );
        assert!(ip("198.18.0.256").is_err());
    }

    #[test]
    fn a_key_may_stand_alone_but_not_be_empty() {
        let read = |word| key_value(word).map(|kv| (kv.key, kv.value));
        assert_eq!(read("mtu=9000"), Ok(("mtu".into(), "9000".into())));
        assert_eq!(read("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(read("encrypted"), Ok(("encrypted".into(), String::new())));
        assert!(read("=x").is_err());
        assert!(read("").is_err());
    }

    #[test]
    fn an_auxiliary_address_has_a_name_and_an_address() {
        let aux = named_address("router=198.18.0.254").expect("well formed");
        assert_eq!(aux.name, "router");
        assert_eq!(aux.address, IpAddr::from([198, 18, 0, 254]));
        for wrong in ["router", "=198.18.0.254", "router=", "router=198.18.0.0/24"] {
            assert!(named_address(wrong).expect_err(wrong).contains("NAME=IP"));
        }
    }
}
