//! VXLAN (RFC 7348) as bytes in, actions out: no socket, no clock, no unsafe.
//!
//! So far there is the header alone ([`header`]): eight bytes between UDP and the inner Ethernet frame, written and
//! read by the rules of section 5. The tunnel endpoint itself is not here yet: no peers, no learning of inner source
//! against outer address, no choice of the outer UDP port, no rule for inner VLAN tags (section 6.1), no encryption.

pub mod header;

pub use header::{Header, HeaderError, LEN, PORT, Reserved};
