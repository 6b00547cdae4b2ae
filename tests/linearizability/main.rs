//! Linearizability: real threads call one bulkhead or one wall at the same time, every call is
//! recorded with its answer, and an exhaustive checker looks for an order of all calls, one after
//! another, that gives the same answers and in which no call comes before one that had ended when
//! it began. If there is none, the history is printed.
//!
//! Histories are short, of 3 or 4 threads with 3 to 5 operations each, and many. A third of them must
//! overlap: two operations at once, of which one at least changed the state. For this, threads wait
//! for one another before each history; no answer depends on how long.
//!
//! # Why the order of calls is known
//! A call is stamped before it begins and after it ended, by `fetch_add` on one counter,
//! sequentially consistent: nothing of the call can move out from between its stamps. Where one call's
//! last stamp is smaller than another's first, the second `fetch_add` has read what the first one
//! wrote, or what was made of it: so the one call happens-before the other, on every processor, and
//! what is demanded of the answers is what is promised.
//!
//! That matters for the `Relaxed` load in `Bulkhead::try_acquire`. It promises "a state no older than
//! anything that happens-before the call", and in theory it may read a state that was over before the
//! call, if nothing told the caller so. Here the stamps always tell. So does x86, where each of them is a
//! full barrier.
//!
//! # What it cannot show
//! Stamps order more than a user's calls do, so a memory ordering that is too weak hides behind them:
//! that is for the models in `loom-tests/`. Statistics (peaks, counters) may lag by what is in
//! flight: no look at them is recorded. On two processors, two calls run at once, and a third one is
//! in the middle of its own only if it was put to sleep there.
//!
//! `FLOODWALL_HISTORIES` sets how many histories of each kind are recorded, instead of 100,000.

mod bulkhead;
mod checker;
mod faulty_rooms;
mod faulty_walls;
mod floodwall;
mod record;
mod room;
mod wall;
