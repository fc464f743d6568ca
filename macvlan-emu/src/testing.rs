//! Frames for the tests.
