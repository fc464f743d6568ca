use super::*;
use std::path::Path;

fn every_error() -> Vec<SysError> {
    let eperm = || io::Error::from_raw_os_error(libc::EPERM);
    let name = || IfName::new("eth0").unwrap();
    let path = || Path::new("/run/netns/x").to_owned();
    let refusals = [
        UserNsRefusal::Limit,
        UserNsRefusal::CloneSysctl,
        UserNsRefusal::AppArmor,
        UserNsRefusal::Seccomp,
        UserNsRefusal::NotInKernel,
        UserNsRefusal::Threads { threads: 3 },
        UserNsRefusal::Other {
            step: "unshare",
            cause: eperm(),
        },
    ];
    let mut all = vec![
        SysError::NoTunDevice,
        SysError::TunPermission { cause: eperm() },
        SysError::NeedsCapability {
            cap: Cap::NetAdmin,
            what: "create a TAP device".into(),
        },
        SysError::NameTaken { name: name() },
        SysError::BadName(IfNameError::Empty),
        SysError::NoSuchLink { name: name() },
        SysError::DeviceGone { name: name() },
        SysError::Unsupported {
            what: "x".into(),
            remedy: "use a plain TAP",
            cause: eperm(),
        },
        SysError::BadDescriptor {
            why: "it is a file".into(),
        },
        SysError::LimitReached {
            what: "x".into(),
            sysctl: "user.max_net_namespaces",
        },
        SysError::NoSuchNamespace { path: path() },
        SysError::NotANamespace { path: path() },
        SysError::NoSuchProcess { pid: 1 },
        SysError::AlreadyPinned { path: path() },
        SysError::MixedRoute {
            dst: "::/0".parse().unwrap(),
            via: [198, 18, 0, 1].into(),
        },
        SysError::Netlink {
            what: "x".into(),
            remedy: "do y",
            cause: eperm(),
        },
        SysError::io("do x", eperm()),
    ];
    all.extend(refusals.map(SysError::UserNamespace));
    all
}

#[test]
fn every_text_is_one_line_with_a_colon_before_the_remedy() {
    for error in every_error() {
        let text = error.to_string();
        assert!(!text.contains('\n') && !text.contains("  "), "{text:?}");
        assert!(text.contains(": "), "{text:?}");
        assert!(text.len() < 250, "{} characters: {text:?}", text.len());
    }
}

#[test]
fn permission_becomes_the_missing_capability() {
    for errno in [libc::EPERM, libc::EACCES] {
        let error = SysError::needs(
            Cap::SysAdmin,
            "enter it",
            io::Error::from_raw_os_error(errno),
        );
        assert_eq!(
            error.to_string(),
            "needs CAP_SYS_ADMIN to enter it: run as root, or use `vswitch demo` which makes an own \
             user namespace"
        );
    }
    let other = SysError::needs(
        Cap::SysAdmin,
        "enter it",
        io::Error::from_raw_os_error(libc::EINVAL),
    );
    assert!(matches!(other, SysError::Io { .. }));
}

#[test]
fn the_cause_is_printed_once() {
    use std::error::Error as _;
    let error = SysError::io("do x", io::Error::from_raw_os_error(libc::EIO));
    assert_eq!(
        error.to_string(),
        "cannot do x: Input/output error (os error 5)"
    );
    assert!(error.source().is_none());
}
