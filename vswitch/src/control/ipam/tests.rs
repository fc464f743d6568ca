use proptest::prelude::*;

use super::*;
use crate::control::ErrorKind;

fn spec(subnet: &str) -> PoolSpec {
    PoolSpec {
        unrouted: false,
        subnet: subnet.parse().unwrap(),
        gateway: None,
        range: None,
        auxiliary: BTreeMap::new(),
    }
}

fn pool(subnet: &str) -> Pool {
    Pool::new(spec(subnet)).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn take(pool: &mut Pool) -> IpAddr {
    pool.lease(None).unwrap().address()
}

#[test]
fn lowest_first_and_a_freed_address_last() {
    let mut pool = pool("198.18.0.0/29");
    assert_eq!(pool.gateway(), ip("198.18.0.1"));
    assert_eq!(
        [take(&mut pool), take(&mut pool)],
        [ip("198.18.0.2"), ip("198.18.0.3")]
    );
    pool.release(ip("198.18.0.2"));
    pool.release(ip("198.18.0.3"));
    let rest: Vec<_> = (0..3).map(|_| take(&mut pool)).collect();
    assert_eq!(rest, [ip("198.18.0.4"), ip("198.18.0.5"), ip("198.18.0.6")]);
    assert_eq!(
        take(&mut pool),
        ip("198.18.0.2"),
        "the one freed longest ago"
    );
    assert_eq!(take(&mut pool), ip("198.18.0.3"));
    let error = pool.lease(None).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("198.18.0.0/29"), "{error}");
    pool.release(ip("198.18.0.5"));
    assert_eq!(take(&mut pool), ip("198.18.0.5"));
}

#[test]
fn a_cancelled_lease_never_was() {
    let mut pool = pool("198.18.0.0/29");
    let lease = pool.lease(None).unwrap();
    pool.cancel(lease);
    assert_eq!(take(&mut pool), ip("198.18.0.2"));
    pool.release(ip("198.18.0.2"));
    let lease = pool.lease(Some(ip("198.18.0.2"))).unwrap();
    pool.cancel(lease);
    assert_eq!(
        take(&mut pool),
        ip("198.18.0.3"),
        "a cancelled reuse is still freed"
    );
    assert_eq!(pool.leased(), 1);
}

#[test]
fn a_wish_is_checked() {
    let mut pool = Pool::new(PoolSpec {
        auxiliary: [("dns".to_owned(), ip("198.18.0.9"))].into(),
        ..spec("198.18.0.0/24")
    })
    .unwrap();
    let kind = |pool: &mut Pool, wish| pool.lease(Some(ip(wish))).unwrap_err().kind;
    assert_eq!(kind(&mut pool, "198.18.1.1"), ErrorKind::Invalid);
    assert_eq!(kind(&mut pool, "2001:2::5"), ErrorKind::Invalid);
    assert_eq!(kind(&mut pool, "198.18.0.0"), ErrorKind::Invalid);
    assert_eq!(kind(&mut pool, "198.18.0.255"), ErrorKind::Invalid);
    assert_eq!(kind(&mut pool, "198.18.0.1"), ErrorKind::Conflict);
    assert_eq!(kind(&mut pool, "198.18.0.9"), ErrorKind::Conflict);
    pool.lease(Some(ip("198.18.0.2"))).unwrap();
    assert_eq!(kind(&mut pool, "198.18.0.2"), ErrorKind::Conflict);
    assert_eq!(take(&mut pool), ip("198.18.0.3"));
}

#[test]
fn a_range_bounds_what_is_automatic_but_not_what_is_wished() {
    let range = Some("198.18.0.128/30".parse().unwrap());
    let mut pool = Pool::new(PoolSpec {
        range,
        ..spec("198.18.0.0/24")
    })
    .unwrap();
    assert_eq!(pool.gateway(), ip("198.18.0.1"));
    pool.lease(Some(ip("198.18.0.77"))).unwrap();
    pool.release(ip("198.18.0.77"));
    let given: Vec<_> = (0..4).map(|_| take(&mut pool)).collect();
    assert_eq!(given[0], ip("198.18.0.128"));
    assert_eq!(given[3], ip("198.18.0.131"));
    assert!(
        pool.lease(None)
            .unwrap_err()
            .message
            .contains("198.18.0.128/30")
    );
}

#[test]
fn small_and_large_subnets() {
    assert_eq!(take(&mut pool("198.18.0.0/31")), ip("198.18.0.1"));
    assert_eq!(take(&mut pool("198.18.0.0/30")), ip("198.18.0.2"));
    assert_eq!(take(&mut pool("2001:2::/127")), ip("2001:2::1"));
    assert_eq!(take(&mut pool("2001:2::/64")), ip("2001:2::2"));
    assert_eq!(take(&mut pool("8000::/1")), ip("8000::2"));
    for none in ["198.18.0.0/32", "2001:2::/128"] {
        assert_eq!(Pool::new(spec(none)).unwrap_err().kind, ErrorKind::Invalid);
    }
}

#[test]
fn what_does_not_fit_the_subnet_is_refused() {
    let with = |gateway: Option<&str>, range: Option<&str>, aux: Option<&str>| {
        Pool::new(PoolSpec {
            gateway: gateway.map(ip),
            range: range.map(|r| r.parse().unwrap()),
            auxiliary: aux.map(|a| ("a".to_owned(), ip(a))).into_iter().collect(),
            ..spec("198.18.0.0/24")
        })
    };
    assert!(
        with(
            Some("198.18.0.254"),
            Some("198.18.0.64/26"),
            Some("198.18.0.1")
        )
        .is_ok()
    );
    assert!(with(Some("198.18.1.1"), None, None).is_err());
    assert!(with(Some("198.18.0.0"), None, None).is_err());
    assert!(with(Some("198.18.0.255"), None, None).is_err());
    assert!(with(None, Some("198.18.0.0/23"), None).is_err());
    assert!(with(None, Some("2001:2::/64"), None).is_err());
    assert!(with(None, None, Some("198.18.1.9")).is_err());
    assert!(
        with(None, None, Some("198.18.0.1")).is_err(),
        "that is the gateway"
    );
}

#[test]
fn memory_is_bounded_in_a_subnet_without_end() {
    let mut pool = pool("2001:2::/64");
    for _ in 0..3 * REUSE_AFTER {
        let address = take(&mut pool);
        pool.release(address);
    }
    assert_eq!(pool.freed.len(), REUSE_AFTER);
}

#[derive(Clone, Debug)]
enum Step {
    Take,
    Wish(u8),
    Release(u8),
    Cancel,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Take),
        1 => any::<u8>().prop_map(Step::Wish),
        3 => any::<u8>().prop_map(Step::Release),
        1 => Just(Step::Cancel),
    ]
}

proptest! {
    /// Never twice, never a reserved address, reuse only when nothing unused is left, exhausted only when full.
    #[test]
    fn invariants_hold_under_any_history(prefix in 26u8..=30, steps in prop::collection::vec(step(), 0..200)) {
        let subnet: IpNet = format!("198.18.0.0/{prefix}").parse().unwrap();
        let gateway = ip("198.18.0.1");
        let mut pool = Pool::new(PoolSpec { subnet, ..spec("198.18.0.0/24") }).unwrap();
        let capacity = subnet.hosts().count() - 1;
        let mut held: Vec<IpAddr> = Vec::new();
        let mut ever: BTreeSet<IpAddr> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Take | Step::Cancel => match pool.lease(None) {
                    Ok(lease) => {
                        let address = lease.address();
                        prop_assert!(!held.contains(&address));
                        prop_assert!(subnet.contains(&address) && address != gateway);
                        prop_assert!(address != subnet.network() && address != subnet.broadcast());
                        if ever.contains(&address) {
                            prop_assert_eq!(ever.len(), capacity, "reused while something was unused");
                        }
                        if matches!(step, Step::Cancel) {
                            pool.cancel(lease);
                        } else {
                            held.push(address);
                            ever.insert(address);
                        }
                    }
                    Err(error) => {
                        prop_assert_eq!(error.kind, ErrorKind::Unavailable);
                        prop_assert_eq!(held.len(), capacity, "refused with room left");
                    }
                },
                Step::Wish(last) => {
                    let wish = IpAddr::from([198, 18, 0, last]);
                    if let Ok(lease) = pool.lease(Some(wish)) {
                        prop_assert_eq!(lease.address(), wish);
                        prop_assert!(!held.contains(&wish) && wish != gateway);
                        held.push(wish);
                        ever.insert(wish);
                    }
                }
                Step::Release(index) if !held.is_empty() => {
                    let address = held.swap_remove(usize::from(index) % held.len());
                    pool.release(address);
                }
                Step::Release(_) => {}
            }
            prop_assert_eq!(pool.leased(), held.len());
        }
    }
}
