//! The cable and the ends of it.

use super::*;
use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use std::fs;
use vswitch::sys::Netns;
use vswitch_tests::{Nic, ip};

/// The interface at both ends.
pub(super) const IFNAME: &str = "eth0";
/// Numbers of the stations at the ends.
pub(super) const HOST: u32 = 1;
pub(super) const LAN: u32 = 2;

/// Two namespaces on one cable.
#[derive(Debug)]
pub(super) struct Cable {
    pub(super) host: Sandbox,
    pub(super) lan: Sandbox,
    _guard: Guard,
}

fn end(name: &str, number: u32, last: u8) -> Sandbox {
    let nic = Nic {
        network: "cable".to_owned(),
        ifname: IFNAME.to_owned(),
        port: 0,
        mac: station(number),
        ip4: Some(Ipv4Addr::new(198, 18, 60, last)),
        ip6: None,
    };
    let sandbox = Sandbox::of(name, Netns::create().must("a namespace"), Some(nic));
    // Nothing but the test's own frames: no router solicitation, no group membership.
    let silent = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
    sandbox.run(|| fs::write(silent, "1")).must(silent);
    sandbox
}

impl Cable {
    /// With an MTU of 1500 and all offloads.
    #[track_caller]
    pub(super) fn new() -> Self {
        let _guard = Guard::shared();
        let (host, lan) = (end("host", HOST, 1), end("lan", LAN, 2));
        let (path, here, there) = (lan.netns_path(), host.mac(), lan.mac());
        let pair = format!(
            "link add name {IFNAME} address {here} type veth \
             peer name {IFNAME} address {there} netns {path}\n"
        );
        ip::batch(&host, &pair);
        let cable = Self { host, lan, _guard };
        for end in [&cable.host, &cable.lan] {
            ip::batch(end, &format!("link set dev {IFNAME} up\n"));
        }
        cable.up();
        cable
    }

    /// A cable on which every frame is as it would be on a real one.
    #[track_caller]
    pub(super) fn without_offload() -> Self {
        let cable = Self::new();
        for end in [&cable.host, &cable.lan] {
            let words = ["ethtool", "--offload", IFNAME, "tx", "off", "rx", "off"];
            end.exec(&words).done();
        }
        cable
    }

    /// Waits until both ends carry frames. A carrier alone does not say so: the kernel starts an
    /// interface's queue a moment later, and until then drops what is sent.
    #[track_caller]
    pub(super) fn up(&self) {
        for end in [&self.host, &self.lan] {
            eventually(SOON, "an interface that works", || {
                let shown = end.exec(&["ip", "-j", "link", "show", IFNAME]).json();
                (shown[0]["operstate"] == "UP").then_some(())
            });
        }
    }

    /// An uplink at the host's end.
    #[track_caller]
    pub(super) fn uplink(&self, vlan: Option<u16>, filter: Vec<FilterInstruction>) -> End {
        End::open(&self.host, vlan, filter, false)
    }

    /// An uplink at the LAN's end, for all.
    #[track_caller]
    pub(super) fn peer(&self, vlan: Option<u16>) -> End {
        End::open(&self.lan, vlan, everything(), false)
    }
}

/// The end's interface.
#[track_caller]
pub(super) fn link(end: &Sandbox) -> netlink::LinkInfo {
    let links = end.run(netlink::links).must("list interfaces");
    let found = links.into_iter().find(|link| link.name == IFNAME);
    found.must(IFNAME)
}

/// A filter that lets everything through.
pub(super) fn everything() -> Vec<FilterInstruction> {
    vec![FilterInstruction::ret(u32::MAX)]
}

/// A filter that lets through what is for these stations and for groups.
pub(super) fn only(stations: &[MacAddr]) -> Vec<FilterInstruction> {
    let step = |code, jt, jf, k| FilterInstruction { code, jt, jf, k };
    let accept = FilterInstruction::ret(u32::MAX);
    // ldb [0]; jset #1
    let mut program = vec![step(0x30, 0, 0, 0), step(0x45, 0, 1, 1), accept];
    for station in stations {
        let [a, b, c, d, e, f] = station.octets();
        program.extend([
            step(0x20, 0, 0, 2), // ld [2]
            step(0x15, 0, 3, u32::from_be_bytes([c, d, e, f])),
            step(0x28, 0, 0, 0), // ldh [0]
            step(0x15, 0, 1, u32::from_be_bytes([0, 0, a, b])),
            accept,
        ]);
    }
    program.push(FilterInstruction::ret(0));
    program
}

/// An uplink in the hands of a test.
#[derive(Debug)]
pub(super) struct End {
    pub(super) port: Port,
    pub(super) uplink: Arc<Uplink>,
    pub(super) batch: Batch,
    poll: Poll,
}

impl End {
    #[track_caller]
    pub(super) fn open(
        end: &Sandbox,
        vlan: Option<u16>,
        filter: Vec<FilterInstruction>,
        short_header: bool,
    ) -> Self {
        let parent = Parent::Name(IfName::new(IFNAME).must("a name"));
        let options = UplinkOptions {
            vlan: vlan.map(|vid| VlanId::new(vid).must("a VLAN")),
            filter,
            short_header,
            ..UplinkOptions::new(parent)
        };
        let (port, uplink) = end.run(|| packet::open(&options)).must("an uplink");
        let poll = Poll::new().must("an event loop");
        let descriptor = port.rx.descriptor();
        (poll.registry())
            .register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)
            .must("a registration");
        Self {
            port,
            uplink,
            batch: Batch::new(),
            poll,
        }
    }

    /// Whether the descriptor reports something new, within `limit`: edge-triggered, as the switch's
    /// workers wait.
    #[track_caller]
    pub(super) fn ready(&mut self, limit: Duration) -> bool {
        let mut events = Events::with_capacity(8);
        self.poll
            .poll(&mut events, Some(limit))
            .must("an event loop");
        !events.is_empty()
    }

    /// One batch, at most; what the switch's worker would do on a wake-up.
    #[track_caller]
    pub(super) fn once(&mut self) -> (Vec<Vec<u8>>, Drained) {
        self.batch.clear();
        let drained = self.port.rx.recv(&mut self.batch).must("the parent");
        (taken(&self.batch), drained)
    }

    /// All that is there.
    #[track_caller]
    pub(super) fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let (frames, drained) = self.once();
            all.extend(frames);
            if drained == Drained::Yes {
                return all;
            }
        }
    }

    /// Waits for a frame that ends like `marker`, and gives all before it.
    #[track_caller]
    pub(super) fn until(&mut self, marker: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        eventually(SOON, "the marker", || {
            self.ready(Duration::from_millis(100));
            all.extend(self.drain());
            let end = all.iter().position(|frame| frame[VNET_LEN..] == *marker)?;
            all.truncate(end);
            Some(())
        });
        all
    }

    /// Waits for so many frames.
    #[track_caller]
    pub(super) fn expect(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        eventually(SOON, "the frames", || {
            self.ready(Duration::from_millis(100));
            all.extend(self.drain());
            (all.len() >= count).then_some(())
        });
        assert_eq!(all.len(), count);
        all
    }

    /// Sends frames, each behind its virtio-net header.
    pub(super) fn try_send(&self, frames: &[Vec<u8>]) -> SendReport {
        let slices: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let mut report = SendReport::default();
        self.port.tx.send(&slices, &mut report);
        assert_eq!(report.accounted(), frames.len() as u64);
        report
    }

    /// Sends frames that all must leave.
    #[track_caller]
    pub(super) fn send(&self, frames: &[Vec<u8>]) {
        let report = self.try_send(frames);
        assert_eq!(report.frames, frames.len() as u64, "{report:?}");
    }

    /// Sends Ethernet frames with nothing left to do.
    #[track_caller]
    pub(super) fn send_plain(&self, frames: &[Vec<u8>]) {
        let frames: Vec<_> = frames.iter().map(|frame| plain(frame)).collect();
        self.send(&frames);
    }
}

/// Behind an empty virtio-net header.
pub(super) fn plain(frame: &[u8]) -> Vec<u8> {
    [&VnetHdr::NONE.to_bytes(), frame].concat()
}

/// The frames of a batch without their virtio-net headers.
pub(super) fn bare(frames: &[Vec<u8>]) -> Vec<&[u8]> {
    frames.iter().map(|frame| &frame[VNET_LEN..]).collect()
}

fn taken(batch: &Batch) -> Vec<Vec<u8>> {
    (0..batch.len())
        .map(|index| batch.get(index).to_vec())
        .collect()
}

/// The tag of a VLAN and a priority.
pub(super) fn tag(tpid: u16, tci: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (tpid.to_be_bytes(), tci.to_be_bytes());
    [a, b, c, d]
}

/// A frame with this tag behind its addresses.
pub(super) fn with_tag(frame: &[u8], tag: [u8; 4]) -> Vec<u8> {
    [&frame[..12], &tag, &frame[12..]].concat()
}
