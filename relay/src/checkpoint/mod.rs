//! The position, stored in Kafka.
