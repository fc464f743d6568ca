//! Who sends to whom: the traffic patterns of RFC 2285 3.3, as streams between the ports' addresses.

use vswitch_wire::MacAddr;

use crate::generate::{Attention, FrameSize, Pace, Plan, Stream, Target, Transmitter, Until};

/// A traffic pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pattern {
    /// The first port sends to the second.
    Pair,
    /// And the second to the first.
    BothWays,
    /// Every port sends to the next one.
    Ring,
    /// Every port sends to all the others, in turn (RFC 2889 5.1).
    FullMesh,
    /// The first port sends to all the others, in turn (RFC 2889 5.2).
    OneToMany,
    /// All the others send to the first (RFC 2889 5.2).
    ManyToOne,
    /// The ports of the first half send to those of the second, in turn (RFC 2889 5.4).
    Halves,
    /// The first port sends broadcast frames (RFC 2889 5.10).
    Broadcast,
}

/// A port that sends, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offering {
    pub(crate) port: usize,
    pub(crate) streams: Vec<Stream>,
}

/// What each port sends. Ports with nothing to send are left out.
pub(crate) fn offering(macs: &[MacAddr], pattern: Pattern) -> Vec<Offering> {
    let count = macs.len();
    let half = count / 2;
    (0..count)
        .filter_map(|port| {
            // A port begins with the one behind it, so that not all begin with the same.
            let others = (port + 1..count).chain(0..port);
            let to: Vec<usize> = match pattern {
                Pattern::Broadcast if port == 0 => return Some(broadcast(macs[port])),
                Pattern::Pair if port == 0 => vec![1],
                Pattern::BothWays if port < 2 => vec![1 - port],
                Pattern::Ring => vec![(port + 1) % count],
                Pattern::FullMesh => others.collect(),
                Pattern::OneToMany if port == 0 => others.collect(),
                Pattern::ManyToOne if port > 0 => vec![0],
                Pattern::Halves if port < half => (0..count - half)
                    .map(|place| half + (port + place) % (count - half))
                    .collect(),
                Pattern::Broadcast
                | Pattern::Pair
                | Pattern::BothWays
                | Pattern::OneToMany
                | Pattern::ManyToOne
                | Pattern::Halves => return None,
            };
            let streams = to.into_iter().map(|to| stream(macs, port, to)).collect();
            Some(Offering { port, streams })
        })
        .collect()
}

/// Frames from one port's address to another's.
pub(crate) fn stream(macs: &[MacAddr], from: usize, to: usize) -> Stream {
    Stream {
        dst: macs[to],
        src: macs[from],
        to: Target::Port(to),
    }
}

fn broadcast(src: MacAddr) -> Offering {
    let dst = MacAddr::BROADCAST;
    let to = Target::Others;
    Offering {
        port: 0,
        streams: vec![Stream { dst, src, to }],
    }
}

/// A plan in which every port that sends has the same share of the load, and all ports listen.
pub(crate) fn plan(
    size: FrameSize,
    offering: &[Offering],
    ports: usize,
    load: Pace,
    until: Until,
    attention: Attention,
) -> Plan {
    let pace = match load {
        Pace::Maximum => Pace::Maximum,
        #[expect(clippy::cast_precision_loss, reason = "a few ports")]
        Pace::Rate(rate) => Pace::Rate(rate / offering.len() as f64),
    };
    let transmitters = offering.iter().map(|one| Transmitter {
        port: one.port,
        streams: one.streams.clone(),
        pace,
        until,
    });
    Plan {
        size,
        transmitters: transmitters.collect(),
        listeners: (0..ports).collect(),
        attention,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(ports: u8, pattern: Pattern) -> Vec<(usize, Vec<usize>)> {
        let macs: Vec<_> = (0..ports)
            .map(|n| MacAddr::new([2, 0, 0, 0, 0, n]))
            .collect();
        let targets = |one: &Offering| {
            let target = |stream: &Stream| match stream.to {
                Target::Port(to) => {
                    assert_eq!((stream.src, stream.dst), (macs[one.port], macs[to]));
                    to
                }
                Target::Others => panic!("a broadcast"),
            };
            (one.port, one.streams.iter().map(target).collect())
        };
        offering(&macs, pattern).iter().map(targets).collect()
    }

    #[test]
    fn patterns_are_those_of_the_rfc() {
        assert_eq!(pairs(4, Pattern::Pair), [(0, vec![1])]);
        assert_eq!(pairs(2, Pattern::BothWays), [(0, vec![1]), (1, vec![0])]);
        assert_eq!(
            pairs(3, Pattern::Ring),
            [(0, vec![1]), (1, vec![2]), (2, vec![0])]
        );
        let mesh = [(0, vec![1, 2]), (1, vec![2, 0]), (2, vec![0, 1])];
        assert_eq!(pairs(3, Pattern::FullMesh), mesh);
        assert_eq!(pairs(4, Pattern::OneToMany), [(0, vec![1, 2, 3])]);
        let many = [(1, vec![0]), (2, vec![0]), (3, vec![0])];
        assert_eq!(pairs(4, Pattern::ManyToOne), many);
        assert_eq!(
            pairs(4, Pattern::Halves),
            [(0, vec![2, 3]), (1, vec![3, 2])]
        );
        assert_eq!(
            pairs(5, Pattern::Halves),
            [(0, vec![2, 3, 4]), (1, vec![3, 4, 2])]
        );
    }

    #[test]
    fn a_broadcast_is_for_all_the_others() {
        let macs = [MacAddr::new([2, 0, 0, 0, 0, 1]); 3];
        let offering = offering(&macs, Pattern::Broadcast);
        assert_eq!(offering.len(), 1);
        assert_eq!(offering[0].streams[0].to, Target::Others);
        assert!(offering[0].streams[0].dst.is_broadcast());
    }

    #[test]
    fn the_load_is_shared_by_those_who_send() {
        let macs = [MacAddr::new([2, 0, 0, 0, 0, 1]); 4];
        let offering = offering(&macs, Pattern::ManyToOne);
        let load = Pace::Rate(300.0);
        let until = Until::Sent(1);
        let plan = plan(
            FrameSize::SMALLEST,
            &offering,
            4,
            load,
            until,
            Attention::Lazy,
        );
        assert!(
            plan.transmitters
                .iter()
                .all(|one| one.pace == Pace::Rate(100.0))
        );
        assert_eq!(plan.intended(), Some(300.0));
        assert_eq!(plan.listeners, [0, 1, 2, 3]);
    }
}
