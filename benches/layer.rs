//! What does a call through the layer cost?
//!
//! A call polls the service until it is ready, calls it, and polls the future to its end. The inner
//! service and its future are ready at once: `no layer` is such a call without a layer. Each thread
//! calls its own clone of the service, and all clones share one limit. Nothing waits for an event,
//! with one exception: a rejection by `tower-resilience` waits for a timer of zero length, so a
//! runtime has to drive it.

mod common;

use std::future::{self, Ready};
use std::mem::forget;
use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use floodwall::{Floodwall, Rejection};
use floodwall_tower::FloodwallLayer;
use futures_util::FutureExt;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_resilience_bulkhead::BulkheadLayer;

use common::threads::{self, concurrently_with};
use common::walls::{Kind, PLAIN, hold};
use common::{CAPACITY, FLOOR, is_err};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn layer(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("layer");
    common::measure_in_long_samples(group);
    floor(group);
    no_layer(group);
    floodwall(group);
    tower(group);
    tower_resilience(group);
}

/// Acquires and releases a counter instead of calling, for comparison.
fn floor(group: &mut Group<'_>) {
    let make = || || FLOOR.acquire_and_release();
    admitted(group, "floor", make);
    rejected(group, "floor", make);
}

fn no_layer(group: &mut Group<'_>) {
    let service = service_fn(handle);
    admitted(group, "no layer", || {
        let mut service = service;
        move || assert_admitted(call(&mut service))
    });
}

fn floodwall(group: &mut Group<'_>) {
    static FREE: Floodwall<Kind> = Floodwall::new(CAPACITY, &PLAIN);
    static FULL: Floodwall<Kind> = Floodwall::new(CAPACITY, &PLAIN);
    hold(&FULL, Kind::Login, CAPACITY);
    let service = |wall: &'static Floodwall<Kind>| {
        FloodwallLayer::new(wall, |_: &()| Kind::Message, Err).layer(service_fn(handle))
    };
    let make = || {
        let mut service = service(&FREE);
        move || assert_admitted(call(&mut service))
    };
    admitted(group, "floodwall-tower", make);
    rejected(group, "floodwall-tower", || {
        let mut service = service(&FULL);
        move || assert!(is_err(call(&mut service)), "a permit was free")
    });
}

fn tower(group: &mut Group<'_>) {
    const SUBJECT: &str = "LoadShed + ConcurrencyLimit";
    let semaphore = Arc::new(Semaphore::new(CAPACITY as usize));
    let service = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(
            semaphore.clone(),
        ))
        .service(service_fn(handle));
    admitted(group, SUBJECT, || {
        let mut service = service.clone();
        move || assert_admitted(call(&mut service))
    });
    forget(semaphore.try_acquire_many(CAPACITY));
    rejected(group, SUBJECT, || {
        let mut service = service.clone();
        move || assert!(is_err(call(&mut service)), "a permit was free")
    });
}

fn tower_resilience(group: &mut Group<'_>) {
    const SUBJECT: &str = "tower-resilience";
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("the runtime starts");
    // With a handle, all services of the layer share one limit.
    let builder = BulkheadLayer::builder().max_concurrent_calls(CAPACITY as usize);
    let (layer, _handle) = builder
        .reject_when_full()
        .build_with_handle()
        .expect("the capacity is not zero");
    let service = layer.layer(service_fn(handle));
    admitted(group, SUBJECT, || {
        let entered = runtime.enter();
        let mut service = service.clone();
        move || {
            let _ = &entered;
            assert_admitted(call(&mut service));
        }
    });
    let mut waiting = layer.layer(service_fn(|()| future::pending::<Result<(), Rejection>>()));
    for _ in 0..CAPACITY {
        let _entered = runtime.enter();
        let mut future = waiting.call(());
        assert!((&mut future).now_or_never().is_none());
        forget(future);
    }
    rejected(group, SUBJECT, || {
        let mut service = service.clone();
        let runtime = &runtime;
        move || {
            let result = runtime.block_on(async { service.ready().await?.call(()).await });
            assert!(is_err(result), "a permit was free");
        }
    });
}

/// Measures admitted calls on one thread and on two. `make` creates the call of one thread.
fn admitted<C: FnMut()>(group: &mut Group<'_>, subject: &str, make: impl Fn() -> C + Sync) {
    for threads in [1, 2] {
        let id = BenchmarkId::new(subject, threads::name(threads));
        group.bench_function(id, |b| {
            b.iter_custom(|calls| concurrently_with(threads, calls, &make));
        });
    }
}

/// Measures rejected calls on one thread.
fn rejected<C: FnMut()>(group: &mut Group<'_>, subject: &str, make: impl Fn() -> C + Sync) {
    group.bench_function(BenchmarkId::new(subject, "rejected"), |b| {
        b.iter_custom(|calls| concurrently_with(1, calls, &make));
    });
}

fn handle((): ()) -> Ready<Result<(), Rejection>> {
    future::ready(Ok(()))
}

/// Calls the service without a runtime.
#[inline]
fn call<S: Service<()>>(service: &mut S) -> Result<S::Response, S::Error> {
    let ready = service.ready().now_or_never();
    let future = ready.expect("the service is ready")?.call(());
    future.now_or_never().expect("the future is ready")
}

#[inline]
fn assert_admitted<E>(result: Result<(), E>) {
    assert!(result.is_ok(), "the call was rejected");
}

criterion_group!(name = benches; config = common::criterion(); targets = layer);
criterion_main!(benches);
