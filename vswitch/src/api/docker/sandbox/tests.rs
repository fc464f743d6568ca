//! What `docker:CONTAINER` becomes, and why not.

use serde_json::json;

use super::*;
use crate::{api::docker::testing::FakeEngine, control::ErrorKind};

fn container(pid: u32, status: &str) -> serde_json::Value {
    json!({
        "Id": "c215dea35190fdf18c1dbf0507fca96c6530fbb03c64a721d295a2d1b1621f57",
        "Name": "/web",
        "State": {"Status": status, "Pid": pid},
        "Config": {"Hostname": "c215dea35190"},
        "NetworkSettings": {"Networks": null},
    })
}

#[tokio::test]
async fn a_container_is_its_process_under_its_name() {
    let docker = FakeEngine::start();
    docker.knows("/containers/web/json", container(4242, "running"));
    docker.knows("/containers/c215/json", container(4242, "running"));
    let engine = docker.engine();
    for reference in ["docker:web", "docker:c215"] {
        assert_eq!(engine.sandbox(reference).await.unwrap(), "docker:web@4242");
    }
    for other in ["web", "pid:1", "netns:/run/docker:x"] {
        assert_eq!(engine.sandbox(other).await.unwrap(), other);
    }
}

#[tokio::test]
async fn what_is_no_running_container_says_why() {
    let docker = FakeEngine::start();
    docker.knows("/containers/web/json", container(0, "exited"));
    docker.knows("/containers/odd/json", "[]");
    let away = Engine::new("/nonexistent/docker.sock");
    for (engine, reference, kind, says) in [
        (
            docker.engine(),
            "docker:web",
            ErrorKind::Conflict,
            "not running (exited); run `docker start web`",
        ),
        (
            docker.engine(),
            "docker:nobody",
            ErrorKind::NotFound,
            "no such container; `docker ps`",
        ),
        (
            docker.engine(),
            "docker:odd",
            ErrorKind::Unavailable,
            "gives no answer",
        ),
        (
            docker.engine(),
            "docker:web@1",
            ErrorKind::Invalid,
            "docker:NAME",
        ),
        (
            docker.engine(),
            "docker:../x",
            ErrorKind::Invalid,
            "docker:NAME",
        ),
        (
            docker.engine(),
            "docker:",
            ErrorKind::Invalid,
            "docker:NAME",
        ),
        (
            away,
            "docker:web",
            ErrorKind::Unavailable,
            "--docker-socket",
        ),
    ] {
        let error = engine.sandbox(reference).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(
            error.message.contains(says) && error.message.contains(reference),
            "{error}"
        );
    }
}
