//! The children of one parent, or of one VLAN on it, and where their frames go.
//!
//! This is `struct macvlan_port` of the kernel's driver. [`Segment::from_child`] is its `macvlan_queue_xmit`,
//! [`Segment::from_wire`] its `macvlan_handle_frame`, [`Segment::add`] its `macvlan_common_newlink`. The complications:
//!
//! - **The sender's address is not checked** on the way out, as in the driver: a child may host others.
//! - **Source lists come first**, for whatever arrives at the parent, and that includes what one bridge child hands to
//!   another. NODST then takes the frame away from everybody else.
//! - **The parent's own address is nobody's here**: to the host from a child goes to the wire, where nobody returns it.
//! - **IPv6 off** holds both ways, and whatever tags stand in front of it. A frame with more tags than are taken apart
//!   could be IPv6, so it counts as IPv6 there (CVE-2024-32473, and CVE-2021-27853 for the tags).
//!
//! Unicast costs one look-up by the sender's key or in the source lists (none, when there are no lists), and one by
//! address.
//!
//! **Threads**: any number may ask; who changes it owns it, or a copy. All changes cost time in proportion to the
//! number of children.

mod change;

use core::fmt::Debug;
use core::hash::Hash;

use hashbrown::HashMap;
use vswitch_wire::{EtherType, Head, MacAddr};

use crate::bpf::{MAX_INSTRUCTIONS, Program, VlanRule};
use crate::delivery::{Delivery, Flood, Refusal};
use crate::membership::Membership;
use crate::mode::{Cast, Mode, Origin};
use crate::reports::Reports;

/// Where PAUSE goes (802.3 annex 31B).
pub(crate) const PAUSE_ADDRESS: MacAddr = MacAddr::new([0x01, 0x80, 0xc2, 0, 0, 1]);

/// A station behind the parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child<K> {
    /// The caller's name for it, such as a port number.
    pub key: K,
    /// Its address.
    pub mac: MacAddr,
    /// Its mode.
    pub mode: Mode,
    /// Source mode: the addresses that it takes frames from. Otherwise empty.
    pub sources: Vec<MacAddr>,
    /// Source mode: nobody else gets these frames (`MACVLAN_FLAG_NODST`).
    pub nodst: bool,
    /// Whether it may send and receive IPv6.
    pub ipv6: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry<K> {
    pub(crate) child: Child<K>,
    pub(crate) membership: Membership,
}

impl<K> Entry<K> {
    /// Whether it wants frames to this group address.
    pub(crate) fn takes_group(&self, group: MacAddr) -> bool {
        self.child.mode.is_alone() || self.membership.takes(group)
    }
}

/// The source children that list one address.
#[derive(Debug, Clone, Default)]
struct Listed {
    slots: Vec<usize>,
    /// One of them has NODST.
    consumed: bool,
}

/// The children of one parent. `K` names a child, and is small.
///
/// ```
/// use macvlan_emu::{Child, Mode, Refusal, Segment};
/// use vswitch_wire::{Head, MacAddr};
///
/// let mac = |last| MacAddr::new([2, 0, 0, 0, 0, last]);
/// let child = |key: u8| Child {
///     key,
///     mac: mac(key),
///     mode: Mode::Bridge,
///     sources: Vec::new(),
///     nodst: false,
///     ipv6: false,
/// };
/// let mut segment = Segment::new(Some(mac(0xee)));
/// segment.add(child(1))?;
/// segment.add(child(2))?;
///
/// let mut frame = [0; 60];
/// vswitch_wire::set_addresses(&mut frame, mac(2), mac(1));
/// let delivery = segment.from_child(1, &Head::parse(&frame)?)?;
/// assert!(!delivery.wire && delivery.children().eq([2]));
///
/// vswitch_wire::set_addresses(&mut frame, MacAddr::BROADCAST, mac(1));
/// let delivery = segment.from_child(1, &Head::parse(&frame)?)?;
/// assert!(delivery.wire && delivery.children().eq([2]));
///
/// vswitch_wire::set_addresses(&mut frame, mac(3), mac(0xdd));
/// let refused = segment.from_wire(&Head::parse(&frame)?).map(|_| ());
/// assert_eq!(refused, Err(Refusal::Nobody));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Segment<K> {
    parent: Option<MacAddr>,
    /// In the order in which they came. A slot is an index into this.
    pub(crate) entries: Vec<Entry<K>>,
    by_key: HashMap<K, usize>,
    by_mac: HashMap<MacAddr, usize>,
    by_source: HashMap<MacAddr, Listed>,
}

impl<K: Copy + Eq + Hash + Debug> Segment<K> {
    /// A segment without children behind a parent with this address; `None` for a network that has no wire.
    #[must_use]
    pub fn new(parent: Option<MacAddr>) -> Self {
        Self {
            parent,
            entries: Vec::new(),
            by_key: HashMap::new(),
            by_mac: HashMap::new(),
            by_source: HashMap::new(),
        }
    }

    /// The parent's address.
    #[must_use]
    pub const fn parent(&self) -> Option<MacAddr> {
        self.parent
    }

    /// The children, in the order in which they came.
    pub fn children(&self) -> impl Iterator<Item = &Child<K>> {
        self.entries.iter().map(|entry| &entry.child)
    }

    /// The child of this key.
    #[must_use]
    pub fn child(&self, key: K) -> Option<&Child<K>> {
        self.entry(key).map(|(_, entry)| &entry.child)
    }

    /// Where a frame goes that a child sends.
    ///
    /// # Errors
    /// The sender is unknown or may not send this, or nobody gets it.
    #[inline]
    pub fn from_child(&self, from: K, head: &Head) -> Result<Delivery<'_, K>, Refusal> {
        let (sender, entry) = self.entry(from).ok_or(Refusal::UnknownChild)?;
        let ipv6 = may_be_ipv6(head);
        if ipv6 && !entry.child.ipv6 {
            return Err(Refusal::Ipv6Off);
        }
        let mut delivery = Delivery::new(self, ipv6);
        delivery.wire = self.parent.is_some();
        if entry.child.mode.is_joined() {
            let origin = Origin::Child(entry.child.mode);
            if !head.dst.is_multicast() {
                self.to_sibling(&mut delivery, origin, sender, head);
            } else if !is_pause(head) {
                delivery.flood = Some(Flood {
                    group: head.dst,
                    origin,
                    except: Some(sender),
                });
            }
        }
        delivery.or_refusal()
    }

    /// Where a frame goes that came in through the parent.
    ///
    /// # Errors
    /// Nobody gets it. That is no fault: most frames are for somebody else.
    #[inline]
    pub fn from_wire(&self, head: &Head) -> Result<Delivery<'_, K>, Refusal> {
        let mut delivery = Delivery::new(self, may_be_ipv6(head));
        let group = head.dst.is_multicast();
        if group && is_pause(head) {
            return Err(Refusal::Nobody);
        }
        if !self.to_listed(&mut delivery, head.src) {
            if group {
                self.flood(&mut delivery, head);
            } else {
                delivery.one = self.addressed(head.dst, Origin::Outside);
            }
        }
        delivery.or_refusal()
    }

    /// What the child tells the routers about its groups with this frame, whose parsed header is `head`; for
    /// [`Self::note`]. `None` for everything else, which most frames are and which is seen at once.
    #[inline]
    #[must_use]
    pub fn hears(&self, from: K, head: &Head, ethernet: &[u8]) -> Option<Reports> {
        if !head.dst.is_multicast() {
            return None;
        }
        let child = self.child(from)?;
        let groups_matter = match child.mode {
            Mode::Bridge | Mode::Private | Mode::Vepa => true,
            Mode::Passthru | Mode::Source => false,
        };
        if !groups_matter || (may_be_ipv6(head) && !child.ipv6) {
            return None;
        }
        Reports::parse(head, ethernet)
    }

    /// Whether the parent has to take in frames for addresses that are neither its own nor a child's. Only passthru has
    /// it so: the driver takes what is from a source child's list where it arrives, and does not ask for it.
    #[must_use]
    pub fn is_promiscuous(&self) -> bool {
        self.children().any(|child| child.mode.is_alone())
    }

    /// The program that lets through what [`Self::from_wire`] has a receiver for; see [`crate::bpf`].
    #[must_use]
    pub fn filter(&self, vlan: VlanRule<'_>) -> Program {
        self.filter_within(vlan, MAX_INSTRUCTIONS)
    }

    /// The most precise such program of at most `limit` instructions, for a kernel that has no memory for a longer
    /// one. Never shorter than two, which let everything pass.
    #[must_use]
    pub fn filter_within(&self, vlan: VlanRule<'_>, limit: usize) -> Program {
        Program::new(self, vlan, limit)
    }

    fn entry(&self, key: K) -> Option<(usize, &Entry<K>)> {
        let slot = *self.by_key.get(&key)?;
        Some((slot, self.entries.get(slot)?))
    }

    /// The child with this address, if it takes unicast frames of this origin; a passthru child has all addresses.
    #[inline]
    fn addressed(&self, dst: MacAddr, origin: Origin) -> Option<usize> {
        let slot = match self.entries.first() {
            Some(first) if first.child.mode.is_alone() => 0,
            Some(_) | None => *self.by_mac.get(&dst)?,
        };
        let mode = self.entries.get(slot)?.child.mode;
        mode.takes(origin, Cast::Unicast).then_some(slot)
    }

    /// From one bridge child to another: through the parent's way in, not to the wire.
    #[inline]
    fn to_sibling<'a>(
        &'a self,
        delivery: &mut Delivery<'a, K>,
        origin: Origin,
        sender: usize,
        head: &Head,
    ) {
        let Some(slot) = self.addressed(head.dst, origin) else {
            return;
        };
        delivery.wire = false;
        if !self.to_listed(delivery, head.src) && slot != sender {
            delivery.one = Some(slot);
        }
    }

    /// To the source children that list the sender; whether nobody else gets it.
    #[inline]
    fn to_listed<'a>(&'a self, delivery: &mut Delivery<'a, K>, src: MacAddr) -> bool {
        let Some(listed) = self.by_source.get(&src) else {
            return false;
        };
        delivery.listed = &listed.slots;
        listed.consumed
    }

    /// A group frame from the wire.
    fn flood(&self, delivery: &mut Delivery<'_, K>, head: &Head) {
        let owner = self.by_mac.get(&head.src).copied();
        let mode = owner.and_then(|slot| Some(self.entries.get(slot)?.child.mode));
        if mode.is_some_and(Mode::takes_own_reflection) {
            delivery.one = owner.filter(|slot| !delivery.listed.contains(slot));
            return;
        }
        delivery.flood = Some(Flood {
            group: head.dst,
            origin: mode.map_or(Origin::Outside, Origin::Reflected),
            except: owner,
        });
    }
}

/// IPv6, or more tags than are taken apart and so perhaps IPv6 behind them.
#[inline]
const fn may_be_ipv6(head: &Head) -> bool {
    match head.ethertype() {
        Some(kind) => kind.0 == EtherType::IPV6.0 || kind.is_vlan_tag(),
        None => false,
    }
}

/// Of frames to a group: PAUSE, by its address or as the driver knows it, by its type.
#[inline]
fn is_pause(head: &Head) -> bool {
    head.dst == PAUSE_ADDRESS || head.ethertype() == Some(EtherType::PAUSE)
}

#[cfg(test)]
mod tests;
