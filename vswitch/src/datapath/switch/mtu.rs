//! A port's MTU follows that of its interface.

use std::sync::atomic::Ordering;

use super::Switch;
use crate::port::PortId;

impl Switch {
    /// Changes the MTU of a port whose interface has got another one; tells whether there is such a
    /// port. Frames that leave from now on are measured by it.
    pub fn set_port_mtu(&self, id: PortId, mtu: u16) -> bool {
        (self.lock().ports.get(&id))
            .map(|port| port.view.mtu_now.store(mtu, Ordering::Relaxed))
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vswitch_wire::OffloadSet;

    use super::*;
    use crate::datapath::{NetworkSettings, SwitchConfig};
    use crate::port::memory;

    #[test]
    fn frames_are_measured_by_the_new_mtu() {
        let switch = Switch::start(&SwitchConfig::default()).unwrap();
        let network = switch.add_network(NetworkSettings::default());
        let add = || {
            let (port, end) = memory::pair(1000, OffloadSet::ALL).unwrap();
            (switch.add_port(network, port).unwrap(), end)
        };
        let ((_, from), (to, end)) = (add(), add());
        let frame = |payload: usize| {
            let mut frame = vec![0; 12];
            frame.extend([0xff; 6]);
            frame.extend([2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
            frame.resize(12 + 14 + payload, 0);
            frame
        };
        let mut passing = Vec::new();
        for mtu in [1000, 1400, 900] {
            assert!(switch.set_port_mtu(to, mtu));
            assert_eq!(switch.port_stats(to).unwrap().mtu, mtu);
            for payload in [901, 1001, 1401, 1] {
                from.put(frame(payload)).unwrap();
            }
            // Each round ends with the frame that always passes.
            loop {
                let seen = end.take_within(Duration::from_secs(10)).unwrap();
                passing.push(seen.len() - 12 - 14);
                if passing.last() == Some(&1) {
                    break;
                }
            }
        }
        assert_eq!(passing, [901, 1, 901, 1001, 1, 1]);
        assert!(!switch.set_port_mtu(PortId::new(9), 1500));
    }
}
