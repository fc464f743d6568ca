//! The text of the rules, in the language of nft(8).
//!
//! Priorities are numbers (100 is `srcnat`, 0 `filter`), and a table is added before it is deleted: so it works with
//! every nft that knows NAT in the family `inet` (0.9.1, Linux 5.2).

use ipnet::IpNet;

use super::HOST_PREFIX;
use crate::sys::IfName;

/// What the names of our tables begin with; the interface follows.
const TABLE_PREFIX: &str = "vswitch-";

/// The table of an interface, as `nft list tables` shows it.
pub(super) fn table_name(interface: &IfName) -> String {
    format!("inet {TABLE_PREFIX}{interface}")
}

/// Whose table this is; `None` where it is none of ours.
pub(super) fn interface_of(table: &str) -> Option<IfName> {
    let interface = table.strip_prefix("inet ")?.strip_prefix(TABLE_PREFIX)?;
    interface
        .starts_with(HOST_PREFIX)
        .then(|| IfName::new(interface).ok())
        .flatten()
}

/// Takes an interface's table away, if it is there.
pub(super) fn removal(interface: &IfName) -> String {
    let table = table_name(interface);
    format!("add table {table}\ndelete table {table}\n")
}

/// The rules of one interface.
pub(super) struct Table<'a> {
    pub(super) interface: &'a IfName,
    pub(super) subnets: &'a [IpNet],
}

impl Table<'_> {
    /// Replaces the table by what it is to be, at once.
    pub(super) fn script(&self) -> String {
        let (own, table) = (self.interface, table_name(self.interface));
        let masquerade: String = (self.subnets.iter())
            .map(|subnet| {
                let family = match subnet {
                    IpNet::V4(_) => "ip",
                    IpNet::V6(_) => "ip6",
                };
                let subnet = subnet.trunc();
                format!("\t\t{family} saddr {subnet} oifname != \"{own}\" masquerade\n")
            })
            .collect();
        format!(
            "{removal}table {table} {{
\tchain postrouting {{
\t\ttype nat hook postrouting priority 100; policy accept;
{masquerade}\t}}
\tchain forward {{
\t\ttype filter hook forward priority 0; policy accept;
\t\tiifname \"{own}\" oifname \"{HOST_PREFIX}*\" oifname != \"{own}\" drop
\t\toifname \"{own}\" iifname \"{HOST_PREFIX}*\" iifname != \"{own}\" drop
\t}}
}}
",
            removal = removal(own),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_says_all_of_it() {
        let interface = IfName::new("vs-a1").unwrap();
        let subnets = ["198.18.5.1/24", "2001:2:0:5::1/64"].map(|net| net.parse().unwrap());
        let script = Table {
            interface: &interface,
            subnets: &subnets,
        }
        .script();
        let expected = r#"add table inet vswitch-vs-a1
delete table inet vswitch-vs-a1
table inet vswitch-vs-a1 {
	chain postrouting {
		type nat hook postrouting priority 100; policy accept;
		ip saddr 198.18.5.0/24 oifname != "vs-a1" masquerade
		ip6 saddr 2001:2:0:5::/64 oifname != "vs-a1" masquerade
	}
	chain forward {
		type filter hook forward priority 0; policy accept;
		iifname "vs-a1" oifname "vs-*" oifname != "vs-a1" drop
		oifname "vs-a1" iifname "vs-*" iifname != "vs-a1" drop
	}
}
"#;
        assert_eq!(script, expected);
    }

    #[test]
    fn a_table_names_its_interface_and_others_are_not_ours() {
        let interface = IfName::new("vs-a1").unwrap();
        assert_eq!(interface_of(&table_name(&interface)), Some(interface));
        for table in [
            "inet vswitch-probe",
            "ip vswitch-vs-a1",
            "inet filter",
            "inet vs-a1",
            "inet vswitch-vs-a/b",
        ] {
            assert_eq!(interface_of(table), None, "{table}");
        }
    }
}
