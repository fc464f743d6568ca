//! The options of `network create -d macvlan`.
//!
//! | option | meaning | without it |
//! |---|---|---|
//! | `parent` | interface of the host, or a VLAN on it: `eth0`, `eth0.10` | an internal network: the children alone |
//! | `mode` | `bridge`, `private`, `vepa`, `passthru` or `source` | `bridge` |
//! | `sources` | source mode: the MAC addresses that may send to the children, with commas between | nobody |
//! | `nodst` | source mode: frames from them go to these children alone | off |
//! | `host_access` | the host reaches the children, through an interface of its own on the segment | off, as in the kernel |
//! | `mtu` | of the interfaces | the parent's, followed when it changes |
//! | `offload` | as on a bridge network | on |

use std::collections::BTreeMap;

use macvlan_emu::Mode;
use vswitch_wire::MacAddr;

use super::{ControlError, DOCKER_MTU, MTU, bad, said_once, switch, unknown_option, within};

/// Docker's name of `mode`.
const DOCKER_MODE: &str = "macvlan_mode";

/// What the macvlan driver knows, in the order in which it is listed.
const KNOWN: [&str; 9] = [
    "parent",
    "mode",
    "sources",
    "nodst",
    "host_access",
    "mtu",
    "offload",
    DOCKER_MODE,
    DOCKER_MTU,
];

/// The options of a macvlan network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MacvlanOptions {
    /// The parent as it was written; what of it is the interface and what the VLAN, the host's interfaces tell.
    pub parent: Option<String>,
    /// How its children are kept apart.
    pub mode: Mode,
    /// Source mode: who may send to them.
    pub sources: Vec<MacAddr>,
    /// Source mode: whether nobody else gets that.
    pub nodst: bool,
    /// Whether the host is on the segment.
    pub host_access: bool,
    /// Bytes, if it was said; else the parent's.
    pub mtu: Option<u16>,
    /// Whether super-frames pass the endpoints.
    pub offload: bool,
}

impl Default for MacvlanOptions {
    fn default() -> Self {
        Self {
            parent: None,
            mode: Mode::default(),
            sources: Vec::new(),
            nodst: false,
            host_access: false,
            mtu: None,
            offload: true,
        }
    }
}

impl MacvlanOptions {
    /// Reads the options.
    ///
    /// # Errors
    /// Invalid with the known options or the allowed values.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Self, ControlError> {
        said_once(options, "mtu", DOCKER_MTU)?;
        said_once(options, "mode", DOCKER_MODE)?;
        let mut parsed = Self::default();
        for (key, value) in options {
            parsed.set(key, value)?;
        }
        parsed.check()?;
        Ok(parsed)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), ControlError> {
        match key {
            "parent" if value.is_empty() => {
                return Err(bad(key, value, "an interface, such as eth0 or eth0.10"));
            }
            "parent" => self.parent = Some(value.to_owned()),
            "mode" | DOCKER_MODE => {
                let modes = "bridge, private, vepa, passthru or source";
                self.mode = value.parse().map_err(|_| bad(key, value, modes))?;
            }
            "sources" => self.sources = sources(key, value)?,
            "nodst" => self.nodst = switch(key, value)?,
            "host_access" => self.host_access = switch(key, value)?,
            "mtu" | DOCKER_MTU => self.mtu = Some(within(key, value, MTU)?),
            "offload" => self.offload = switch(key, value)?,
            unknown => return Err(unknown_option("macvlan", unknown, &KNOWN)),
        }
        Ok(())
    }

    /// What does not go together.
    fn check(&self) -> Result<(), ControlError> {
        let problem = match self.mode {
            Mode::Passthru if self.parent.is_none() => {
                "option mode: passthru needs a parent; give -o parent="
            }
            Mode::Passthru if self.host_access => {
                "option host_access: a passthru child has the parent for itself; leave it out, or choose another mode"
            }
            Mode::Bridge | Mode::Private | Mode::Vepa | Mode::Passthru
                if self.nodst || !self.sources.is_empty() =>
            {
                "option sources: belongs to source mode, and so does nodst; give -o mode=source"
            }
            Mode::Private | Mode::Vepa | Mode::Source if self.host_access => {
                "option host_access: the host is one more child, and in this mode children do not reach one another; \
                 give -o mode=bridge"
            }
            Mode::Bridge | Mode::Private | Mode::Vepa | Mode::Passthru | Mode::Source => {
                return Ok(());
            }
        };
        Err(ControlError::invalid(problem))
    }
}

fn sources(key: &str, value: &str) -> Result<Vec<MacAddr>, ControlError> {
    let station = |text: &str| {
        let mac = text.trim().parse::<MacAddr>().ok();
        mac.filter(|mac| mac.is_unicast())
            .ok_or_else(|| bad(key, text, "the MAC address of a station"))
    };
    value.split(',').map(station).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorKind;

    fn parse(options: &[(&str, &str)]) -> Result<MacvlanOptions, ControlError> {
        let options = options.iter();
        MacvlanOptions::parse(
            &options
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn every_known_option_has_its_effect() {
        let options = parse(&[
            ("parent", "eth0.10"),
            ("mode", "source"),
            ("sources", "02:00:00:00:00:01, 02:00:00:00:00:02"),
            ("nodst", "on"),
            ("mtu", "1400"),
            ("offload", "off"),
        ])
        .unwrap();
        assert_eq!(options.parent.as_deref(), Some("eth0.10"));
        assert_eq!((options.mode, options.nodst), (Mode::Source, true));
        assert_eq!(options.sources.len(), 2);
        assert_eq!((options.mtu, options.offload), (Some(1400), false));
        assert_eq!(
            parse(&[("macvlan_mode", "vepa")]).unwrap().mode,
            Mode::Vepa,
            "Docker's name"
        );
        assert!(parse(&[("host_access", "on")]).unwrap().host_access);
        assert_eq!(parse(&[]).unwrap(), MacvlanOptions::default());
    }

    #[test]
    fn wrong_values_and_combinations_are_refused_with_the_remedy() {
        let cases: [(&[(&str, &str)], &str); 11] = [
            (&[("colour", "red")], "known are parent, mode"),
            (&[("parent", "")], "eth0.10"),
            (&[("mode", "ipvlan")], "bridge, private"),
            (&[("mode", "vepa"), ("macvlan_mode", "bridge")], "twice"),
            (&[("sources", "02:00:00:00:00:01")], "mode=source"),
            (&[("nodst", "on")], "mode=source"),
            (
                &[("mode", "source"), ("sources", "01:00:5e:00:00:01")],
                "station",
            ),
            (&[("mode", "passthru")], "parent="),
            (
                &[
                    ("mode", "passthru"),
                    ("parent", "eth0"),
                    ("host_access", "on"),
                ],
                "another mode",
            ),
            (&[("mode", "private"), ("host_access", "on")], "mode=bridge"),
            (&[("mtu", "67")], "68 to 65521"),
        ];
        for (options, hint) in cases {
            let error = parse(options).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.contains(hint), "{error}");
        }
    }
}
