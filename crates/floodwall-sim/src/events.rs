//! Events in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Virtual time in nanoseconds since the beginning.
pub(crate) type Time = u64;

/// Events in the order of their times; those of one time in the order in which they were added.
pub(crate) struct Events<E> {
    end: Time,
    heap: BinaryHeap<Reverse<Entry<E>>>,
    added: u64,
    now: Time,
}

struct Entry<E> {
    at: Time,
    number: u64,
    event: E,
}

impl<E> Events<E> {
    /// Creates an empty queue of events until a time.
    pub(crate) fn until(end: Time) -> Self {
        Events {
            end,
            heap: BinaryHeap::new(),
            added: 0,
            now: 0,
        }
    }

    /// Returns the time of the last event that was taken.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Adds an event after a delay.
    pub(crate) fn add_in(&mut self, delay: Time, event: E) {
        self.add(self.now.saturating_add(delay), event);
    }

    /// Adds an event at a time, which must not have passed. One after the end of the run never happens.
    pub(crate) fn add(&mut self, at: Time, event: E) {
        debug_assert!(at >= self.now);
        if at > self.end {
            return;
        }
        self.heap.push(Reverse(Entry {
            at,
            number: self.added,
            event,
        }));
        self.added += 1;
    }

    /// Returns the number of events to come.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Takes the next event.
    pub(crate) fn next(&mut self) -> Option<E> {
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.at;
        Some(entry.event)
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<E> Eq for Entry<E> {}
