//! Captures of the underlay, both directions, decoded by `tshark`.
//!
//! - Capture where frames are real: at a site whose interface has no offload. On another a frame may be a
//!   superframe with partial checksums, which no decoder finds right.
//! - [`finish`](Capture::finish) sends a marker from the site and waits until it has been seen, so that
//!   nothing that passed before it is missing.
//! - [`decode`](Trace::decode) is strict: a packet that the decoder calls malformed or whose checksum is
//!   wrong (outer or inner) is a failed test.

mod tshark;

pub use tshark::Packet;

use crate::{
    Must, Sandbox, frames,
    frames::{Raw, station},
    tcpdump::{FILE_HEADER, Record, Settings, Tcpdump},
};
use vswitch::sys::netlink;
use vswitch_wire::MacAddr;

/// What is captured.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// A filter expression (pcap-filter(7)); all when empty. The markers pass it in any case.
    pub filter: String,
    /// It ends of itself after so many frames; what comes later is not missed.
    pub limit: Option<u32>,
}

/// A capture that is running.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Tcpdump,
    site: Sandbox,
    limited: bool,
}

impl Capture {
    /// Captures all that passes the site's interface, from now on.
    #[track_caller]
    #[must_use]
    pub fn start(site: &Sandbox) -> Self {
        Self::start_with(site, &Selection::default())
    }

    /// Captures what is selected.
    ///
    /// # Panics
    /// When `tcpdump` does not start.
    #[track_caller]
    #[must_use]
    pub fn start_with(site: &Sandbox, selection: &Selection) -> Self {
        let links = site.run(netlink::links).must("list interfaces");
        let link = links.iter().find(|link| link.name == site.nic().ifname);
        let mtu = usize::try_from(link.must("the interface").mtu).must("an MTU");
        let filter = match selection.filter.as_str() {
            "" => String::new(),
            wanted => format!("({wanted}) or ether proto {:#x}", frames::MARKER_TYPE),
        };
        let settings = Settings {
            direction: "inout",
            // With Ethernet header and a tag.
            longest: mtu + 18,
            ring: 1 << 15,
            limit: selection.limit,
            filter,
        };
        Self {
            tcpdump: Tcpdump::start(site, &settings),
            site: site.clone(),
            limited: selection.limit.is_some(),
        }
    }

    /// Waits for the first frame of which `wanted` is true.
    ///
    /// # Panics
    /// With `what` when it does not come.
    #[track_caller]
    pub fn expect(&self, what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        self.tcpdump.expect(what, wanted).must("tcpdump runs on")
    }

    /// Ends it.
    ///
    /// # Panics
    /// When frames are missing, or were longer than the interface's MTU.
    #[track_caller]
    #[must_use]
    pub fn finish(self) -> Trace {
        let Self {
            tcpdump,
            site,
            limited,
        } = self;
        let marker = frames::marker(station(u32::MAX), site.mac());
        Raw::open(&site).send(&marker);
        let seen = tcpdump.expect("the marker", |frame| frame == marker);
        assert!(
            seen.is_some() || limited,
            "{}: the capture ended",
            site.name
        );
        let mut recording = std::mem::take(&mut *tcpdump.so_far());
        let missed = tcpdump.stop();
        assert!(limited || missed == 0, "{}: {missed} missed", site.name);
        let end = (recording.records.iter()).position(|record| record.frame == marker);
        recording
            .records
            .truncate(end.unwrap_or(recording.records.len()));
        recording
            .records
            .retain(|record| record.frame.get(12..14) != Some(&frames::MARKER_TYPE.to_be_bytes()));
        let cut = recording.records.iter().map(Record::missing).max();
        assert!(
            cut.is_none_or(|missing| missing == 0),
            "{}: superframes; capture at an interface without offload",
            site.name
        );
        Trace {
            name: site.name,
            header: recording.header,
            records: recording.records,
        }
    }
}

/// A capture that has ended.
#[derive(Debug, Clone)]
pub struct Trace {
    name: String,
    header: Vec<u8>,
    records: Vec<Record>,
}

impl Trace {
    /// The frames, in the order in which they passed.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.records.iter().map(|record| &record.frame[..])
    }

    /// What `tshark` reads in the packets that the display filter `show` picks (all when empty): for each,
    /// the values of `fields` under their names in wireshark-filter(4). UDP to or from `port` is VXLAN.
    ///
    /// # Panics
    /// When any packet of the capture, picked or not, is malformed or has a wrong checksum.
    #[track_caller]
    #[must_use]
    pub fn decode(&self, port: u16, show: &str, fields: &[&str]) -> Vec<Packet> {
        let flaws = self.flaws(port);
        assert!(flaws.is_empty(), "{}: {flaws:#?}", self.name);
        tshark::read(&self.file(), port, show, fields)
    }

    /// What `tshark` finds wrong, a line a packet.
    #[track_caller]
    #[must_use]
    pub fn flaws(&self, port: u16) -> Vec<String> {
        tshark::flaws(&self.file(), port)
    }

    /// Changes frames before they are decoded, to see that the decoder notices.
    pub fn tamper(&mut self, change: impl Fn(&mut [u8])) {
        for record in &mut self.records {
            change(&mut record.frame);
        }
    }

    /// How many frames are from `src` to `dst`, each `None` for any, and hold `text`.
    #[must_use]
    pub fn count(&self, src: Option<MacAddr>, dst: Option<MacAddr>, text: &str) -> usize {
        let at = |frame: &[u8], from: usize, wanted: Option<MacAddr>| {
            wanted.is_none_or(|mac| frame.get(from..from + 6) == Some(&mac.octets()[..]))
        };
        (self.frames())
            .filter(|frame| at(frame, 6, src) && at(frame, 0, dst))
            .filter(|frame| holds(frame, text))
            .count()
    }

    fn file(&self) -> Vec<u8> {
        assert_eq!(self.header.len(), FILE_HEADER, "{}: no header", self.name);
        let mut file = self.header.clone();
        for record in &self.records {
            file.extend(record.header);
            file.extend(&record.frame);
        }
        file
    }
}

/// Whether a frame has the text somewhere in it, in a tunnel or not.
#[must_use]
pub fn holds(frame: &[u8], text: &str) -> bool {
    frame
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
