use super::*;
use crate::plot::svg::{check, texts};

fn spread(min: f64, median: f64, max: f64) -> Spread {
    Spread { median, min, max }
}

fn bars() -> Bars {
    let bar = |candidate, value, ratio, floor| Bar {
        candidate,
        value,
        at_least: false,
        ratio,
        floor,
    };
    let floor = |ratio, at, met| {
        Some(Floor {
            ratio,
            at: Some(at),
            met,
        })
    };
    let names = ["kernel-bridge", "vswitch", "ovs-netdev"];
    Bars {
        title: "bridge, host to host, MTU 1500: TCP".to_owned(),
        subtitle: "5 rounds of 3 s".to_owned(),
        unit: "Gbit/s".to_owned(),
        better: Better::More,
        candidates: names.map(str::to_owned).to_vec(),
        groups: vec![
            Group {
                label: "tcp-1-cubic".to_owned(),
                bars: vec![
                    bar(0, spread(28.0, 30.9, 33.0), None, None),
                    bar(
                        1,
                        spread(17.0, 19.0, 20.5),
                        Some(0.57),
                        floor(0.9, 27.8, false),
                    ),
                ],
            },
            Group {
                label: "tcp-8-cubic".to_owned(),
                bars: vec![
                    bar(0, spread(26.0, 28.1, 29.0), None, None),
                    bar(
                        1,
                        spread(15.0, 16.9, 18.0),
                        Some(0.71),
                        floor(0.35, 9.8, true),
                    ),
                    bar(2, spread(1.0, 3.0, 3.5), Some(0.11), None),
                ],
            },
        ],
    }
}

#[test]
fn every_bar_has_its_name_figure_and_ratio_in_writing() {
    let svg = bars().draw();
    check(&svg);
    let texts: Vec<_> = texts(&svg).into_iter().map(|(_, _, text)| text).collect();
    for wanted in [
        "kernel-bridge",
        "30.9",
        "19.0  ×0.57",
        "≥ 0.90 MISSED",
        "≥ 0.35 met",
        "3.00  ×0.11",
        "tcp-8-cubic",
        "Gbit/s, more is better; upright marks: floors",
    ] {
        assert!(
            texts.iter().any(|text| text == wanted),
            "{wanted}: {texts:?}"
        );
    }
    assert_eq!(
        svg.matches("<rect").count(),
        1 + 5,
        "the page and five bars"
    );
    assert!(
        svg.contains("vswitch 19.0 Gbit/s (17.0 to 20.5), 0.57 of the baseline, ≥ 0.90 MISSED")
    );
}

#[test]
fn no_text_leaves_the_picture_and_no_two_lines_meet() {
    let mut bars = bars();
    bars.candidates[2] = "open-vswitch-with-dpdk-and-tso".to_owned();
    // The longest bar is the one with the longest text behind it.
    bars.groups[0].bars[1].value = spread(30.0, 39.0, 40.0);
    let svg = bars.draw();
    for (x, _, text) in texts(&svg) {
        // Those that end or lie at their place reach no further to the right.
        assert!(x > 0.0 && x < WIDTH, "{text} at {x}");
    }
    for (x, _, text) in texts(&svg).iter().filter(|(_, _, text)| text.contains('≥')) {
        assert!(x + width_of(text) <= WIDTH, "{text} at {x}");
    }
    let mut names: Vec<_> = (texts(&svg).into_iter())
        .filter(|(_, _, text)| bars.candidates.contains(text))
        .map(|(_, y, _)| y)
        .collect();
    names.sort_by(f64::total_cmp);
    assert!(names.windows(2).all(|pair| pair[1] - pair[0] >= STEP - 0.1));
}

#[test]
fn a_bar_is_as_long_as_its_median_and_a_longer_whisker_fits() {
    let bars = bars();
    let columns = bars.columns();
    assert!(columns.right - columns.left > 300.0);
    assert!(columns.x(33.0) <= columns.right);
    assert!((columns.x(0.0) - columns.left).abs() < 1e-9);
}

#[test]
fn what_is_known_but_for_a_bound_is_marked_and_has_no_whisker() {
    let mut bars = bars();
    bars.groups.truncate(1);
    bars.groups[0].bars.truncate(1);
    bars.groups[0].bars[0].value = spread(30.0, 30.0, 30.0);
    bars.groups[0].bars[0].at_least = true;
    let svg = bars.draw();
    check(&svg);
    assert!(
        svg.contains(">≥ 30.0<") && !svg.contains("class=\"whisker\""),
        "{svg}"
    );
    assert!(svg.contains("kernel-bridge at least 30.0 Gbit/s."), "{svg}");
}

#[test]
fn nothing_to_show_is_a_picture_all_the_same() {
    let mut bars = bars();
    bars.groups.clear();
    check(&bars.draw());
}
