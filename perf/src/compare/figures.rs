//! The figures of a run as they come in, and the rows that they make.

use std::collections::BTreeMap;

use super::plan::Plan;
use crate::load::goal;
use crate::report::{Goal, Metric, Row, Spread};
use crate::scenario::Path;

/// The MTU that goals are for.
const GOAL_MTU: u32 = 1500;

/// Where a figure belongs. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) mtu: u32,
    pub(super) path: Path,
    /// Place in the plan's loads.
    pub(super) load: usize,
    pub(super) metric: Metric,
    /// Place in the plan's candidates.
    pub(super) candidate: usize,
}

/// All of them: for each key a figure a round, absent where there is none.
#[derive(Debug)]
pub(super) struct Figures {
    rounds: usize,
    all: BTreeMap<Key, Vec<Option<f64>>>,
}

impl Figures {
    pub(super) const fn new(rounds: usize) -> Self {
        Self {
            rounds,
            all: BTreeMap::new(),
        }
    }

    /// Takes the figure of a round, which is finite, or else is none.
    pub(super) fn add(&mut self, key: Key, round: usize, figure: f64) {
        let rounds = self
            .all
            .entry(key)
            .or_insert_with(|| vec![None; self.rounds]);
        if let Some(place) = rounds.get_mut(round) {
            *place = Some(figure).filter(|figure| figure.is_finite());
        }
    }

    /// The rows. The plan's first candidate is the baseline.
    pub(super) fn rows(&self, plan: &Plan) -> Vec<Row> {
        let each = self.all.iter();
        each.filter_map(|(key, figures)| self.row(plan, *key, figures))
            .collect()
    }

    fn row(&self, plan: &Plan, key: Key, figures: &[Option<f64>]) -> Option<Row> {
        let (load, kind) = (
            *plan.loads.get(key.load)?,
            plan.candidates.get(key.candidate)?,
        );
        let finished: Vec<f64> = figures.iter().copied().flatten().collect();
        let base = self.all.get(&Key {
            candidate: 0,
            ..key
        });
        let ratio = base.and_then(|base| Spread::of_ratios(figures, base));
        let better = key.metric.better();
        let counts = kind.is_own()
            && key.mtu == GOAL_MTU
            && plan.baseline() == Some(&crate::candidate::Kind::reference(plan.scenario));
        let bound = goal(plan.scenario, load, key.metric).filter(|_| counts);
        Some(Row {
            path: key.path.to_string(),
            mtu: key.mtu,
            load: load.to_string(),
            metric: key.metric,
            unit: load.unit(key.metric).to_owned(),
            better,
            candidate: kind.to_string(),
            value: Spread::of(&finished)?,
            ratio,
            goal: (bound.zip(ratio)).map(|(bound, ratio)| Goal::of(bound, better, ratio.median)),
            figures: figures.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::candidate::Kind;
    use crate::load::Load;
    use crate::scenario::Scenario;

    fn plan() -> Plan {
        let mut candidates = Kind::all(Scenario::Bridge).unwrap();
        candidates.retain(Kind::is_default);
        Plan {
            scenario: Scenario::Bridge,
            candidates,
            loads: Load::all(),
            mtus: vec![1500, 9000],
            rounds: 2,
            time: Duration::from_secs(1),
            misfits: Vec::new(),
            out: None,
        }
    }

    fn key(mtu: u32, candidate: usize) -> Key {
        Key {
            mtu,
            path: Path::BetweenHosts,
            load: 0,
            metric: Metric::Throughput,
            candidate,
        }
    }

    fn rows(plan: &Plan, figures: &[(u32, usize, usize, f64)]) -> Vec<Row> {
        let mut all = Figures::new(plan.rounds);
        for (mtu, candidate, round, figure) in figures {
            all.add(key(*mtu, *candidate), *round, *figure);
        }
        all.rows(plan)
    }

    #[test]
    fn a_goal_is_for_this_switch_at_the_common_mtu() {
        let figures =
            [1500, 9000].map(|mtu| [(mtu, 0, 0, 10.0), (mtu, 1, 0, 8.0), (mtu, 2, 0, 8.0)]);
        let rows = rows(&plan(), &figures.concat());
        let goals: Vec<_> = rows.iter().map(|row| row.goal).collect();
        let missed = Some(Goal {
            ratio: 1.1,
            met: false,
        });
        assert_eq!(goals, [None, missed, None, None, None, None]);
        assert_eq!(rows[1].candidate, "vswitch");
    }

    #[test]
    fn beside_another_baseline_there_are_no_goals() {
        let mut plan = plan();
        plan.candidates.swap(0, 2);
        let rows = rows(&plan, &[(1500, 0, 0, 10.0), (1500, 1, 0, 8.0)]);
        assert_eq!(rows[1].goal, None);
        assert!(rows[1].ratio.is_some());
    }

    #[test]
    fn a_round_without_a_figure_is_a_gap_and_not_a_shift() {
        let rows = rows(
            &plan(),
            &[(1500, 0, 0, 10.0), (1500, 0, 1, 20.0), (1500, 1, 1, 10.0)],
        );
        assert_eq!(rows[1].figures, [None, Some(10.0)]);
        assert_eq!(rows[1].ratio.map(|ratio| ratio.median), Some(0.5));
    }

    #[test]
    fn without_the_baseline_there_are_figures_and_no_ratios() {
        let rows = rows(&plan(), &[(1500, 1, 0, 1.0), (1500, 1, 1, f64::NAN)]);
        assert_eq!(rows[0].ratio, None);
        assert_eq!(rows[0].figures, [Some(1.0), None]);
    }
}
