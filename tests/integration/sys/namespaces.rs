//! Namespaces: entering, spawning, pinning.

use super::*;

#[test]
fn preflight_passes_where_these_tests_run() {
    caps::preflight().unwrap();
}

#[test]
fn run_leaves_the_callers_namespace_alone() {
    let before = Netns::current().unwrap().id().unwrap();
    let netns = Netns::create().unwrap();
    assert_ne!(netns.id().unwrap(), before);
    let inside = netns
        .run(|| Netns::current().unwrap().id().unwrap())
        .unwrap();
    assert_eq!(inside, netns.id().unwrap());
    assert_eq!(Netns::current().unwrap().id().unwrap(), before);
    // Nor does a panic, which goes on in the caller.
    let panic = std::panic::catch_unwind(|| netns.run(|| panic!("inside")));
    assert!(panic.is_err());
    assert_eq!(Netns::current().unwrap().id().unwrap(), before);
}

#[test]
fn a_child_starts_inside_the_namespace() {
    let netns = Netns::create().unwrap();
    let mut command = Command::new("readlink");
    command.arg("/proc/self/ns/net").stdout(Stdio::piped());
    let mut child = spawn_in(&netns, &mut command).unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(text.trim(), format!("net:[{}]", netns.id().unwrap().ino));
    // A process that runs is a way to its namespace.
    let mut sleeper = spawn_in(&netns, Command::new("sleep").arg("60")).unwrap();
    let found = Netns::of_pid(sleeper.id()).and_then(|n| n.id());
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(found.unwrap(), netns.id().unwrap());
}

#[test]
fn a_pin_keeps_a_namespace_and_other_tools_can_use_it() {
    alone(
        module_path!(),
        "a_pin_keeps_a_namespace_and_other_tools_can_use_it",
        || {
            let dir = tempfile::tempdir().unwrap();
            let pins = dir.path().join("netns");
            let path = pins.join("red");
            let netns = Netns::create().unwrap();
            let id = netns.id().unwrap();
            netns.pin(&path).unwrap();
            assert!(Netns::is_pinned(&path));
            assert!(matches!(
                netns.pin(&path),
                Err(SysError::AlreadyPinned { .. })
            ));
            drop(netns);

            assert_eq!(Netns::open(&path).unwrap().id().unwrap(), id);
            let link = format!("--net={}", path.display());
            let out = Command::new("nsenter")
                .args([&link, "ip", "-br", "link"])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&out.stdout);
            assert!(out.status.success() && text.starts_with("lo"), "{out:?}");

            // The directory is mounted once, however many pins there are.
            Netns::create().unwrap().pin(&pins.join("blue")).unwrap();
            assert_eq!(mounts_at(&pins), 1);
            Netns::unpin(&path).unwrap();
            Netns::unpin(&path).unwrap();
            assert!(!path.exists() && !Netns::is_pinned(&path));
            assert!(matches!(
                Netns::open(&path),
                Err(SysError::NoSuchNamespace { .. })
            ));

            // A leftover file, as after a crash, is no namespace and no obstacle.
            fs::write(&path, "").unwrap();
            assert!(matches!(
                Netns::open(&path),
                Err(SysError::NotANamespace { .. })
            ));
            Netns::create().unwrap().pin(&path).unwrap();

            // In use, the directory stays; empty, it goes.
            assert!(Netns::release_directory(&pins).is_err());
            for pin in ["red", "blue"] {
                Netns::unpin(&pins.join(pin)).unwrap();
            }
            Netns::release_directory(&pins).unwrap();
            Netns::release_directory(&pins).unwrap();
            assert_eq!(mounts_at(&pins), 0);
            dir.close().unwrap();
        },
    );
}
