//! This switch beside others that run without the kernel's bridge, whatever the baseline of the run is.
//!
//! Of a family the best candidate counts, for each load anew: whoever wants speed would take that one. The ratios are
//! within the rounds, as those to the baseline.

use super::{Better, Goal, Metric, Report, Row, Spread};

/// A family of candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rivals {
    /// Open vSwitch's userspace datapath, whatever its ports are.
    OpenVswitch,
    /// VDE's switch.
    Vde,
}

/// How this switch did beside the best of a family.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standing<'a> {
    /// What this switch did.
    pub(crate) own: &'a Row,
    /// The best of the family: its name.
    pub(crate) rival: &'a str,
    /// Ratios to it.
    pub(crate) ratio: Spread,
    /// What they have to be.
    pub(crate) goal: Goal,
}

impl Rivals {
    const ALL: [Self; 2] = [Self::OpenVswitch, Self::Vde];

    fn has(self, candidate: &str) -> bool {
        match self {
            Self::OpenVswitch => candidate.starts_with("ovs-"),
            Self::Vde => candidate == "vde",
        }
    }

    /// What is asked for beside the family, where something is.
    fn bound(self, row: &Row) -> Option<f64> {
        let rate = matches!(
            row.metric,
            Metric::Throughput | Metric::Delivered | Metric::LossFree | Metric::Connections
        );
        match self {
            Self::OpenVswitch if row.load.starts_with("tcp-") && rate => Some(2.5),
            Self::OpenVswitch if row.load == "frames-64" && rate => Some(0.6),
            // Times cannot be a quarter of what is mostly the kernel's own.
            Self::Vde if rate => Some(4.0),
            Self::OpenVswitch | Self::Vde => None,
        }
    }
}

impl Report {
    /// How the candidate `own` stands beside the families that took part.
    pub(crate) fn standings(&self, own: &str) -> Vec<Standing<'_>> {
        let own: Vec<&Row> = (self.rows.iter())
            .filter(|row| row.candidate == own)
            .collect();
        let beside = |family: Rivals| own.iter().filter_map(move |row| self.standing(family, row));
        Rivals::ALL.into_iter().flat_map(beside).collect()
    }

    fn standing<'a>(&'a self, family: Rivals, own: &'a Row) -> Option<Standing<'a>> {
        let bound = family.bound(own)?;
        let same = |row: &&Row| {
            family.has(&row.candidate)
                && (row.mtu, &row.path, &row.load, row.metric)
                    == (own.mtu, &own.path, &own.load, own.metric)
        };
        let rivals = self.rows.iter().filter(same);
        let worth = |row: &&Row| match own.better {
            Better::More => row.value.median,
            Better::Less => -row.value.median,
        };
        let best = rivals.max_by(|one, other| worth(one).total_cmp(&worth(other)))?;
        let ratio = Spread::of_ratios(&own.figures, &best.figures)?;
        Some(Standing {
            own,
            rival: &best.candidate,
            ratio,
            goal: Goal::of(bound, own.better, ratio.median),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{report, row};

    fn of(candidate: &str, load: &str, metric: Metric, figures: [f64; 2]) -> Row {
        let value = Spread::of(&figures).unwrap();
        Row {
            load: load.to_owned(),
            metric,
            candidate: candidate.to_owned(),
            value,
            figures: figures.map(Some).to_vec(),
            ..row()
        }
    }

    #[test]
    fn of_a_family_the_best_counts_for_each_load() {
        let mut report = report();
        let (tcp, frames) = (Metric::Throughput, Metric::Delivered);
        report.rows = vec![
            of("vswitch", "tcp-1-cubic", tcp, [20.0, 22.0]),
            of("ovs-tap", "tcp-1-cubic", tcp, [2.0, 2.0]),
            of("ovs-tap-tso", "tcp-1-cubic", tcp, [10.0, 5.5]),
            of("vde", "tcp-1-cubic", tcp, [1.0, 1.0]),
            of("vswitch", "frames-64", frames, [500.0, 500.0]),
            of("ovs-tap", "frames-64", frames, [300.0, 300.0]),
            of("ovs-xdp", "frames-64", frames, [1000.0, 1000.0]),
            of("vswitch", "rr-udp", Metric::P50, [20.0, 20.0]),
            of("vde", "rr-udp", Metric::P50, [60.0, 60.0]),
            of("vswitch:workers=1", "tcp-1-cubic", tcp, [90.0, 90.0]),
        ];
        let standings = report.standings("vswitch");
        let told: Vec<_> = (standings.iter())
            .map(|one| {
                let load = one.own.load.as_str();
                (
                    load,
                    one.rival,
                    one.ratio.median,
                    one.goal.ratio,
                    one.goal.met,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("tcp-1-cubic", "ovs-tap-tso", 3.0, 2.5, true),
                ("frames-64", "ovs-xdp", 0.5, 0.6, false),
                ("tcp-1-cubic", "vde", 21.0, 4.0, true),
            ]
        );
    }
}
