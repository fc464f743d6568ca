//! `tshark` as the judge of what a packet is.
//!
//! Only the protocols that the tests send are switched on: a decoder of an unheard-of one must not guess
//! at a test's payload and call it malformed.

use crate::{Must, Output, sandbox::command_of};
use std::{collections::BTreeMap, fs, sync::OnceLock};

/// What the tests send. Those whose name begins with `_ws.` are the decoder's own.
const PROTOCOLS: [&str; 17] = [
    "arp",
    "data",
    "eth",
    "ethertype",
    "frame",
    "icmp",
    "icmpv6",
    "igmp",
    "ip",
    "ipv6",
    "ipv6.dstopts",
    "ipv6.fraghdr",
    "ipv6.hopopts",
    "tcp",
    "udp",
    "vlan",
    "vxlan",
];

/// Every checksum is verified; bad ones do not depend on what came before.
const OPTIONS: [&str; 4] = [
    "ip.check_checksum:TRUE",
    "udp.check_checksum:TRUE",
    "tcp.check_checksum:TRUE",
    "tcp.desegment_tcp_streams:FALSE",
];

/// What is wrong with a packet: the decoder could not, or a checksum is bad (expert group 0x01000000), or the
/// packet is malformed (0x07000000), or anything else is an error to it (severity 0x00800000). Its lower
/// severities are about the conversation, a segment sent again for instance.
///
/// One remark is none: a checksum of 0xffff where 0 would be as right (RFC 1624 section 3). The kernel does
/// so in software, with TCP as with UDP.
const FLAWED: &str = "_ws.malformed or _ws.short \
    or (_ws.expert.group == 16777216 and not tcp.checksum.ffff) \
    or _ws.expert.group == 117440512 or _ws.expert.severity == 8388608 \
    or ip.checksum.status == 0 or udp.checksum.status == 0 or tcp.checksum.status == 0 \
    or icmp.checksum.status == 0 or icmpv6.checksum.status == 0";

/// Seconds that it gets, many times what it needs.
const LIMIT: &str = "180";

/// Between the values of one field; in none of them.
const BETWEEN: char = '|';

/// A packet's fields, those of outer and inner headers in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    fields: BTreeMap<String, Vec<String>>,
}

impl Packet {
    /// All values of a field: for one that outer and inner headers have, first the outer's.
    ///
    /// # Panics
    /// When it was not asked for.
    #[track_caller]
    #[must_use]
    pub fn all(&self, field: &str) -> &[String] {
        self.fields.get(field).must(field)
    }

    /// The one value of a field.
    ///
    /// # Panics
    /// When there is none or more than one.
    #[track_caller]
    #[must_use]
    pub fn one(&self, field: &str) -> &str {
        match self.all(field) {
            [value] => value,
            other => panic!("{field}: {other:?} in {self:?}"),
        }
    }

    /// The outer header's value of a field.
    #[track_caller]
    #[must_use]
    pub fn outer(&self, field: &str) -> &str {
        self.all(field).first().must(field)
    }

    /// The one value of a field as a number, decimal or `0x`.
    #[track_caller]
    #[must_use]
    pub fn number(&self, field: &str) -> u64 {
        number(self.one(field)).must(field)
    }

    /// The outer header's value of a field as a number.
    #[track_caller]
    #[must_use]
    pub fn outer_number(&self, field: &str) -> u64 {
        number(self.outer(field)).must(field)
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The fields of the packets in a capture.
#[track_caller]
pub(super) fn read(file: &[u8], port: u16, show: &str, fields: &[&str]) -> Vec<Packet> {
    let aggregator = format!("aggregator={BETWEEN}");
    let mut words = vec!["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"];
    words.extend(["-E", &aggregator, "-Y", show]);
    for field in fields {
        words.extend(["-e", field]);
    }
    let output = run(file, port, &words);
    (output.ok().lines())
        .map(|line| Packet {
            fields: (fields.iter())
                .zip(line.split('\t'))
                .map(|(name, values)| ((*name).to_owned(), split(values)))
                .collect(),
        })
        .collect()
}

fn split(values: &str) -> Vec<String> {
    let values = values.split(BETWEEN).filter(|value| !value.is_empty());
    values.map(str::to_owned).collect()
}

/// Flawed packets as `tshark` shows them, and why.
#[track_caller]
pub(super) fn flaws(file: &[u8], port: u16) -> Vec<String> {
    let words = ["-Y", FLAWED, "-T", "fields", "-E", "separator=/s"];
    let fields = ["frame.number", "frame.protocols", "_ws.col.Info"];
    let verdicts = ["_ws.expert.message", "udp.checksum.status"];
    let named = fields.iter().chain(&verdicts);
    let words: Vec<&str> = (words.into_iter())
        .chain(named.flat_map(|field| ["-e", field]))
        .collect();
    run(file, port, &words)
        .stdout
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Runs `tshark` over a capture, with a configuration of its own.
#[track_caller]
fn run(file: &[u8], port: u16, more: &[&str]) -> Output {
    let home = tempfile::tempdir().must("a directory");
    let path = home.path().join("capture.pcap");
    fs::write(&path, file).must("write the capture");
    fs::write(home.path().join("disabled_protos"), switched_off()).must("disabled_protos");
    let decode_as = format!("udp.port=={port},vxlan");
    let path = path.to_string_lossy();
    let mut words = vec![
        "timeout", LIMIT, "tshark", "-n", "-r", &path, "-d", &decode_as,
    ];
    words.extend(OPTIONS.iter().flat_map(|option| ["-o", option]));
    words.extend(more.iter().copied().filter(|word| !word.is_empty()));
    let mut command = command_of(&words);
    command.env("WIRESHARK_CONFIG_DIR", home.path());
    let output = Output::new("tshark".to_owned(), &command.output().must("tshark"));
    output.done();
    output
}

/// All protocols but ours, as the file `disabled_protos` wants them.
fn switched_off() -> &'static str {
    static LIST: OnceLock<String> = OnceLock::new();
    LIST.get_or_init(|| {
        let mut command = command_of(&["tshark", "-G", "protocols"]);
        let output = Output::new("tshark".to_owned(), &command.output().must("tshark"));
        (output.ok().lines())
            .filter_map(|line| line.split('\t').nth(2))
            .filter(|name| !name.starts_with("_ws.") && !PROTOCOLS.contains(name))
            .map(|name| format!("{name}\n"))
            .collect()
    })
}
