//! Records and checkpoint → one Kafka transaction.
