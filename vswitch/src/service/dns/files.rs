//! The texts of `/etc/resolv.conf`, `/etc/hosts`, `/etc/hostname` and `/etc/nsswitch.conf` of a sandbox, and what the
//! host's resolv.conf says.
//!
//! resolv.conf(5), as Docker makes it for user-defined networks: only our nameserver, the host's search list and options,
//! and `ndots:0`, so that a single label is asked for as it stands. Pure.

use std::net::IpAddr;

/// The option that tells from how many dots on a name is first asked for as it stands.
const NDOTS: &str = "ndots:";

/// `/etc/resolv.conf` of a sandbox, from the host's: `nameserver`, the search list (that of the last line, which is the
/// one that counts), and all options; without a valid `ndots` among them, `ndots:0`.
pub fn resolv_conf(host_conf: &str, nameserver: IpAddr) -> String {
    let mut search: Vec<&str> = Vec::new();
    let mut options: Vec<&str> = Vec::new();
    for line in directives(host_conf) {
        match line.as_slice() {
            ["search" | "domain", domains @ ..] if !domains.is_empty() => search = domains.to_vec(),
            ["options", more @ ..] => options.extend(more),
            _ => {}
        }
    }
    options.retain(|option| match option.strip_prefix(NDOTS) {
        Some(number) => number.parse::<u32>().is_ok(),
        None => *option != "ndots",
    });
    if !options.iter().any(|option| option.starts_with(NDOTS)) {
        options.push("ndots:0");
    }
    let mut text = format!("nameserver {nameserver}\n");
    for (keyword, words) in [("search", search), ("options", options)] {
        if !words.is_empty() {
            text += &format!("{keyword} {}\n", words.join(" "));
        }
    }
    text
}

/// The nameservers of a resolv.conf, in order: the address, and the zone that a link-local one may have (`%eth0`).
/// What is no address is left out.
pub fn nameservers(conf: &str) -> Vec<(IpAddr, Option<&str>)> {
    directives(conf)
        .filter_map(|line| match line.as_slice() {
            ["nameserver", address, ..] => server(address),
            _ => None,
        })
        .collect()
}

fn server(text: &str) -> Option<(IpAddr, Option<&str>)> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    Some((address.parse().ok()?, zone))
}

/// The words of each line that is no comment and not empty.
fn directives(conf: &str) -> impl Iterator<Item = Vec<&str>> {
    conf.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.first().is_some_and(|w| !w.starts_with(['#', ';'])))
}

/// `/etc/hosts` of a sandbox: the loopback and multicast names of Docker's, then one line for each address. A name that
/// is no single word of the file gets no line.
pub fn hosts(name: &str, addresses: &[IpAddr]) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::\tip6-localnet\n\
         ff00::\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n",
    );
    let one_word = |c: char| !c.is_whitespace() && !c.is_control() && c != '#';
    if !name.is_empty() && name.chars().all(one_word) {
        for address in addresses {
            text += &format!("{address}\t{name}\n");
        }
    }
    text
}

/// `/etc/nsswitch.conf` of a sandbox, from the host's: hosts are looked for in `/etc/hosts` and then by DNS, and nowhere
/// else. What else there is (`resolve`, `mdns`, `libvirt`) asks a daemon of the host by a socket in the file system,
/// which knows nothing of the sandbox. None where the host's does that already.
pub fn nsswitch(host_conf: &str) -> Option<String> {
    const HOSTS: &str = "hosts:";
    const OURS: &str = "hosts: files dns";
    let is_hosts = |line: &str| line.trim_start().starts_with(HOSTS);
    let lines: Vec<&str> = host_conf
        .lines()
        .map(|line| if is_hosts(line) { OURS } else { line })
        .collect();
    let same = (host_conf.lines().filter(|line| is_hosts(line)))
        .all(|line| line.split_whitespace().eq(OURS.split_whitespace()));
    (!same).then(|| lines.join("\n") + "\n")
}

/// `/etc/hostname` of a sandbox.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 11));

    #[test]
    fn the_sandbox_asks_us_and_keeps_the_hosts_search_list_and_options() {
        let host = "# made by hand\n; twice\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n\
                    search old.example\nsearch a.example b.example\noptions edns0 trust-ad\n\
                    options timeout:1 ndots:2\nsortlist 192.0.2.0\n";
        assert_eq!(
            resolv_conf(host, OURS),
            "nameserver 127.0.0.11\nsearch a.example b.example\n\
             options edns0 trust-ad timeout:1 ndots:2\n"
        );
    }

    #[test]
    fn ndots_is_zero_where_the_host_has_no_valid_one() {
        for host in [
            "",
            "options ndots:x",
            "options ndots:-1",
            "options ndots",
            "options ndots:",
        ] {
            assert_eq!(
                resolv_conf(host, OURS),
                "nameserver 127.0.0.11\noptions ndots:0\n",
                "{host}"
            );
        }
        let domain = resolv_conf("domain x.example", "2001:2::1".parse().unwrap());
        assert_eq!(
            domain,
            "nameserver 2001:2::1\nsearch x.example\noptions ndots:0\n"
        );
        assert!(resolv_conf("search", OURS).starts_with("nameserver 127.0.0.11\noptions"));
    }

    #[test]
    fn the_hosts_nameservers_are_found_in_order() {
        let conf = "nameserver 192.0.2.1\n nameserver\tfe80::1%eth0 \n#nameserver 192.0.2.3\n\
                    nameserver\nnameserver bad\nnameserver 2001:2::53 # comment\n";
        assert_eq!(
            nameservers(conf),
            [
                ("192.0.2.1".parse().unwrap(), None),
                ("fe80::1".parse().unwrap(), Some("eth0")),
                ("2001:2::53".parse().unwrap(), None),
            ]
        );
    }

    #[test]
    fn hosts_has_localhost_and_every_address() {
        let addresses = ["198.18.0.2".parse().unwrap(), "2001:2::2".parse().unwrap()];
        let text = hosts("web", &addresses);
        for line in [
            "127.0.0.1\tlocalhost\n",
            "::1\tlocalhost ip6-localhost ip6-loopback\n",
            "198.18.0.2\tweb\n",
            "2001:2::2\tweb\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert_eq!(hosts("a b", &addresses), hosts("a\nb", &[]));
        assert_eq!(hostname("web"), "web\n");
    }

    #[test]
    fn hosts_are_looked_for_by_dns_alone() {
        let conf =
            "passwd: files\n hosts:\tfiles resolve [!UNAVAIL=return] dns\nservices: db files\n";
        assert_eq!(
            nsswitch(conf).as_deref(),
            Some("passwd: files\nhosts: files dns\nservices: db files\n")
        );
        for fine in ["hosts:   files  dns\n", "passwd: files\n", ""] {
            assert_eq!(nsswitch(fine), None, "{fine}");
        }
    }
}
