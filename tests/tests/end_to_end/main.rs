//! The whole relay between a real MySQL and a real Kafka: what is written is what is published.

mod faults;
mod giant;
mod kills;
mod publishing;
mod stack;
