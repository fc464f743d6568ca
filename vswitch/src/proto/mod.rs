//! Control protocols of the switch, such as spanning tree and multicast snooping. None is built yet.
//!
//! Each will be a state machine without I/O and without a clock: a frame and `now` go in (`on_frame`), frames to send
//! come out (`poll_send`), and the machine says when it wants to be asked again (`next_deadline`). They may use the wire
//! types and nothing else of the switch.
