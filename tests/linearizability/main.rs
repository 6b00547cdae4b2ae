//! Linearizability: real threads call one bulkhead or one wall at the same time, every call is
//! recorded with its answer, and an exhaustive search looks for an order of all calls, one after
//! another, that gives the same answers and in which no call comes before one that had ended when
//! it began. If there is none, the history is printed.
//!
//! # Why the order of calls is known
//! A call is stamped before it begins and after it ended, by `fetch_add` on one counter,
//! sequentially consistent: nothing of the call can move out from between its stamps. Where one
//! call's last stamp is smaller than another's first, the second `fetch_add` has read what the
//! first one wrote, or what was made of it: so the one call happens-before the other, on every
//! processor, and what is demanded of the answers is what is promised.
//!
//! # What it cannot show
//! Stamps order more than a user's calls do, so a memory ordering that is too weak hides behind
//! them: that is for the models in `loom-tests/`. What goes wrong only if all happens within a few
//! nanoseconds, shows by luck. Statistics (peaks, counters) may lag by what is in flight: no look at
//! them is recorded.
//!
//! `FLOODWALL_HISTORIES` sets how many histories of each subject are recorded at least, instead of
//! 50,000; on two quiet processors there is time for five times as many.

mod bulkhead;
mod checker;
mod faulty_rooms;
mod faulty_walls;
mod floodwall;
mod record;
mod room;
mod wall;
