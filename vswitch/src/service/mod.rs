//! What the switch answers itself, such as a gateway's address or names of the DNS. None is built yet.
//!
//! A service is a host inside the switch: it has an address on a network, receives the frames sent to it, and reads the
//! control plane's data, which it never changes.
