//! The publisher and its checkpoint against a real broker, fed with numbers instead of a binlog.

mod at_least_once;
mod atomicity;
mod checkpoint;
mod fencing;
mod instance;
mod kills;
mod refusals;
mod stage;
mod witness;
