//! What this switch is to reach beside the kernel's own, at an MTU of 1500.

use super::{Congestion, Direction, Load, Rate, Transport};
use crate::report::Metric;
use crate::scenario::Scenario;

/// What the ratio to the kernel's own has to be: at least, or for times at most.
pub(crate) const fn goal(scenario: Scenario, load: Load, metric: Metric) -> Option<f64> {
    use Congestion::{Bbr, Cubic};
    let (one_cubic, one_bbr, many_cubic, small, trip) = match scenario {
        Scenario::Bridge => (0.9, 0.65, Some(0.35), Some(0.5), Some(4.0)),
        Scenario::Macvlan => (0.8, 0.4, None, None, None),
        Scenario::Overlay => (0.5, 0.75, None, Some(0.9), Some(4.0)),
        Scenario::Publish => return None,
    };
    match (load, metric) {
        (
            Load::Tcp {
                flows,
                congestion,
                direction: Direction::Forward,
            },
            Metric::Throughput,
        ) => match (flows, congestion) {
            (1, Cubic) => Some(one_cubic),
            (1, Bbr) => Some(one_bbr),
            (8, Cubic) => many_cubic,
            _ => None,
        },
        (
            Load::Udp {
                size: 64,
                rate: Rate::Overload,
            },
            Metric::Delivered,
        ) => small,
        (Load::RoundTrip(Transport::Udp), Metric::P50) => trip,
        _ => None,
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
            "tcp-1-cubic 0.9, tcp-1-bbr 0.65, tcp-8-cubic 0.35, udp-64-overload 0.5, rr-udp 4"
        );
        assert_eq!(
            text(goals(Scenario::Macvlan)),
            "tcp-1-cubic 0.8, tcp-1-bbr 0.4"
        );
        assert_eq!(
            text(goals(Scenario::Overlay)),
            "tcp-1-cubic 0.5, tcp-1-bbr 0.75, udp-64-overload 0.9, rr-udp 4"
        );
        assert!(goals(Scenario::Publish).is_empty());
    }
}
