//! The whole relay between a real MySQL and a real Kafka: what is written is what is published.

#![expect(
    clippy::indexing_slicing,
    reason = "a panic is how a test fails; this crate is in no product"
)]

mod alterations;
mod binlog;
mod case;
mod check;
mod columns;
mod consumer;
mod delivery;
mod exit_codes;
mod failover;
mod failover_middle;
mod faults;
mod find;
mod find_missing;
mod foreign_positions;
mod giant;
mod giant_compressed;
mod gtid_modes;
mod gtid_sets;
mod halts;
mod imports;
mod kills;
mod lost;
mod operations;
mod pair;
mod position_set;
mod position_show;
mod publishing;
mod replay;
mod replay_kills;
mod replay_schema;
mod security;
mod stack;
mod starting;
mod statements;
mod stopping;
mod table_start;
mod transactions;
mod xa;
mod xa_gone;
mod xa_kills;
mod xa_restarts;
