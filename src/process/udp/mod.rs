//! Sockets of UDP that a process shares with those before and after it: every packet comes to one of them, which
//! need not be the one that it is for.

pub mod relay;
pub mod turn;
