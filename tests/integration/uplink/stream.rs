//! Streams between containers and the LAN, through nothing but ports.
