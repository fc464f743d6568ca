use super::{raw::*, *};
use std::cell::RefCell;

/// A kernel that knows the bits of `known`, and as the real one takes nothing without CSUM and USO
/// only as a pair. Returns the bits in force and what was tried.
fn step(wanted: u32, known: u32) -> (Result<u32, Errno>, Vec<u32>) {
    let tried = RefCell::new(Vec::new());
    let uso = offload::USO4 | offload::USO6;
    let got = step_down(wanted, |bits| {
        tried.borrow_mut().push(bits);
        let unknown = bits & !known != 0;
        let no_csum = bits != 0 && bits & offload::CSUM == 0;
        let half_uso = bits & uso != 0 && bits & uso != uso;
        if unknown || no_csum || half_uso {
            Err(Errno::INVAL)
        } else {
            Ok(())
        }
    });
    (got, tried.into_inner())
}

#[test]
fn offload_is_the_most_that_the_kernel_knows() {
    let tcp = offload::CSUM | offload::TCP;
    assert_eq!(
        step(offload::ALL, offload::ALL),
        (Ok(offload::ALL), vec![offload::ALL])
    );
    assert_eq!(step(offload::ALL, tcp), (Ok(tcp), vec![offload::ALL, tcp]));
    assert_eq!(step(offload::ALL, offload::CSUM).0, Ok(offload::CSUM));
    assert_eq!(
        step(offload::ALL, 0),
        (Ok(0), vec![offload::ALL, tcp, offload::CSUM, 0])
    );
    // What the caller did not want is never set.
    assert_eq!(
        step(offload::CSUM | offload::USO4, offload::ALL).0,
        Ok(offload::CSUM)
    );
    assert_eq!(step(offload::TSO4, offload::ALL).0, Ok(0));
    assert_eq!(step(0, offload::ALL), (Ok(0), vec![0]));
}

#[test]
fn an_error_that_is_no_refusal_of_bits_is_not_stepped_over() {
    let tried = RefCell::new(0);
    let got = step_down(offload::ALL, |_| {
        *tried.borrow_mut() += 1;
        Err(Errno::BADFD)
    });
    assert_eq!((got, tried.into_inner()), (Err(Errno::BADFD), 1));
}

#[test]
fn opening_the_device_is_explained() {
    for errno in [Errno::NOENT, Errno::NODEV, Errno::NXIO] {
        assert!(
            matches!(device_refused(errno), SysError::NoTunDevice),
            "{errno}"
        );
    }
    for errno in [Errno::ACCESS, Errno::PERM] {
        assert!(
            matches!(device_refused(errno), SysError::TunPermission { .. }),
            "{errno}"
        );
    }
    assert!(matches!(device_refused(Errno::MFILE), SysError::Io { .. }));
}

#[test]
fn ioctl_numbers_are_those_of_the_header() {
    // x86, Arm, RISC-V and the like; the generic encoding of asm-generic/ioctl.h.
    if cfg!(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )) {
        assert_eq!(TUNSETIFF, 0x4004_54ca);
        assert_eq!(TUNSETOFFLOAD, 0x4004_54d0);
        assert_eq!(TUNGETIFF, 0x8004_54d2);
        assert_eq!(TUNGETVNETHDRSZ, 0x8004_54d7);
        assert_eq!(TUNSETVNETHDRSZ, 0x4004_54d8);
        assert_eq!(TUNSETVNETLE, 0x4004_54dc);
        assert_eq!(TUNGETDEVNETNS, 0x54e3);
    }
}

#[test]
fn flags_go_there_and_back() {
    for (vnet_hdr, multi_queue) in [(false, false), (false, true), (true, false), (true, true)] {
        let options = TunOptions {
            vnet_hdr,
            multi_queue,
        };
        assert_eq!(TunOptions::from_flags(options.flags()), options);
        assert_eq!(options.flags() & (IFF_TAP | IFF_NO_PI), IFF_TAP | IFF_NO_PI);
    }
}

#[test]
fn a_name_that_cannot_be_is_refused_before_the_device_is_opened() {
    let error = Tun::create("much/too/wrong", &TunOptions::default()).unwrap_err();
    assert!(matches!(error, SysError::BadName(_)), "{error}");
}

#[test]
fn a_foreign_descriptor_is_refused() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = Tun::from_fd(file.into()).unwrap_err();
    assert!(matches!(error, SysError::BadDescriptor { .. }), "{error}");
}
