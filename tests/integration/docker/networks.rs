//! Networks: made, shown, removed, refused.

use super::lab;
use vswitch_tests::Docker;

#[test]
fn the_plugin_is_found_and_what_it_refuses_reaches_the_user() {
    let lab = lab();
    let docker = Docker::start(&lab);
    let refused = docker.refuses(
        &[
            "network",
            "create",
            "-d",
            "vswitch",
            "-o",
            "colour=red",
            "x",
        ],
        &["remote: option \"colour\": unknown to the bridge driver; known are mtu"],
    );
    assert_eq!(refused.lines().count(), 1, "{refused}");
    docker.finish();
    lab.finish();
}
