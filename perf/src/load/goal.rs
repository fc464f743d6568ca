//! What this switch is to reach beside the kernel's own, at an MTU of 1500.

use super::{Congestion, Direction, Load, Rate, Transport};
use crate::report::Metric;
use crate::scenario::Scenario;

/// What the ratio to the kernel's own has to be: at least, or for times at most.
pub(crate) const fn goal(scenario: Scenario, load: Load, metric: Metric) -> Option<f64> {
    match (load, metric) {
        (
            Load::Tcp {
                flows,
                congestion,
                direction,
            },
            Metric::Throughput,
        ) => tcp(scenario, flows, congestion, direction),
        (
            Load::Udp {
                size: 64,
                rate: Rate::Overload,
            },
            Metric::Delivered,
        ) => match scenario {
            Scenario::Bridge => Some(0.75),
            Scenario::Overlay => Some(1.0),
            Scenario::Macvlan | Scenario::Publish => None,
        },
        (Load::RoundTrip(Transport::Udp), Metric::P50 | Metric::P99) => {
            round_trip(scenario, matches!(metric, Metric::P99))
        }
        _ => None,
    }
}

const fn tcp(
    scenario: Scenario,
    flows: u8,
    congestion: Congestion,
    direction: Direction,
) -> Option<f64> {
    use Congestion::{Bbr, Cubic};
    use Direction::{Both, Forward};
    match (scenario, flows, congestion, direction) {
        (Scenario::Bridge, 1, Cubic, Forward) => Some(1.1),
        (Scenario::Bridge, 1, Bbr, Forward) => Some(0.8),
        (Scenario::Bridge, 8, Cubic, Forward | Both) => Some(0.5),
        (Scenario::Overlay, 1, Cubic, Forward) => Some(0.7),
        (Scenario::Overlay, 1, Bbr, Forward) => Some(0.85),
        (Scenario::Macvlan, 1, Cubic, Forward) => Some(0.9),
        (Scenario::Macvlan, 1, Bbr, Forward) => Some(0.6),
        _ => None,
    }
}

const fn round_trip(scenario: Scenario, p99: bool) -> Option<f64> {
    match scenario {
        Scenario::Bridge => Some(if p99 { 4.0 } else { 2.5 }),
        Scenario::Overlay if !p99 => Some(4.0),
        Scenario::Overlay | Scenario::Macvlan | Scenario::Publish => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goals(scenario: Scenario) -> Vec<(String, f64)> {
        let metrics = [
            Metric::Throughput,
            Metric::Delivered,
            Metric::P50,
            Metric::P99,
            Metric::CpuSwitch,
        ];
        let each = |load: Load| {
            let goals = metrics
                .into_iter()
                .filter_map(move |metric| goal(scenario, load, metric));
            goals.map(move |goal| (load.to_string(), goal))
        };
        Load::all().into_iter().flat_map(each).collect()
    }

    #[test]
    fn each_comparison_has_its_own_bounds() {
        let text = |goals: Vec<(String, f64)>| {
            let each = goals.iter().map(|(load, goal)| format!("{load} {goal}"));
            each.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            text(goals(Scenario::Bridge)),
            "tcp-1-cubic 1.1, tcp-1-bbr 0.8, tcp-8-cubic 0.5, tcp-8-cubic-bidir 0.5, udp-64-overload 0.75, \
             rr-udp 2.5, rr-udp 4"
        );
        assert_eq!(
            text(goals(Scenario::Macvlan)),
            "tcp-1-cubic 0.9, tcp-1-bbr 0.6"
        );
        assert_eq!(
            text(goals(Scenario::Overlay)),
            "tcp-1-cubic 0.7, tcp-1-bbr 0.85, udp-64-overload 1, rr-udp 4"
        );
        assert!(goals(Scenario::Publish).is_empty());
    }
}
