//! The harness against real servers: what the other tests take for granted.

mod kafka;
mod lifetime;
mod mysql;
mod relay;
mod writers;
