//! One operation of a registry with 1,000 services, so many times: `bench_registry OPERATION TIMES`. scripts/bench-registry.sh also builds
//! this file with earlier sources, so it uses what the registry has always had.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that is wrong may stop"
)]

#[path = "counted.rs"]
mod counted;

use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Waker};

use counted::{arguments, counted_loop, name, status};
use grpc_health::registry::{Registry, ServiceHandle, ServingStatus};

fn main() {
    let (operation, times) = arguments();
    let registry = Registry::new();
    let register = |i| registry.register(&name(i), ServingStatus::Serving).unwrap();
    let handles: Vec<ServiceHandle> = (0..1_000).map(register).collect();
    let (handle, one) = (&handles[500], name(500));
    match operation.as_str() {
        "nothing" => counted_loop(times, |_| ()),
        "get by handle" => counted_loop(times, |_| {
            black_box(black_box(handle).status());
        }),
        "get by name" => counted_loop(times, |_| {
            black_box(registry.get_service_status(black_box(&one)));
        }),
        "set unchanged, by handle" => counted_loop(times, |_| {
            black_box(handle).set(black_box(ServingStatus::Serving));
        }),
        "set changed, by handle" => counted_loop(times, |i| {
            black_box(handle).set(black_box(status(i)));
        }),
        "set changed, by name" => counted_loop(times, |i| {
            let _ = registry.set_service_status(black_box(&one), status(i));
        }),
        "set changed, until its watcher has read it" => {
            let mut cx = Context::from_waker(Waker::noop());
            let mut watcher = registry.watch(&one).unwrap();
            let mut driver = Box::pin(registry.driver());
            let mut deliver = || {
                let _ = Pin::new(&mut driver).poll(&mut cx);
                assert!(watcher.poll_next(&mut cx).is_ready());
                assert!(watcher.poll_next(&mut cx).is_pending());
            };
            deliver();
            counted_loop(times, |i| {
                handle.set(status(i));
                deliver();
            });
        }
        "register a name" => {
            let names: Vec<String> = (0..times).map(|i| name(1_000 + i)).collect();
            let names = &names[..];
            counted_loop(times, |i| {
                let _ = registry.set_service_status(&names[i as usize], ServingStatus::Serving);
            });
        }
        unknown => panic!("no operation {unknown:?}"),
    }
}
