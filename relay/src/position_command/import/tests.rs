//! Reading what those products wrote.
