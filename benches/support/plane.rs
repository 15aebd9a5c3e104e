//! One operation of what the health plane adds to a registry, so many times: `bench_plane OPERATION TIMES`. For scripts/bench-registry.sh.

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
use std::time::Duration;

use counted::{arguments, counted_loop, name, status};
use grpc_health::registry::{Group, Registry, ServiceHandle, ServingStatus};

fn main() {
    let (operation, times) = arguments();
    let registry = Registry::new();
    let register = |i| registry.register(&name(i), ServingStatus::Serving).unwrap();
    let handles: Vec<ServiceHandle> = (0..16).map(register).collect();
    let handle = &handles[0];
    let group = || {
        let members = Group::all_of((0..16).map(name));
        registry.group("a group", members).unwrap();
    };
    let mut set = |i| black_box(handle).set(status(i));
    match operation.as_str() {
        "nothing" => counted_loop(times, |_| ()),
        "beat" => {
            let lease = registry.lease("a lease", Duration::from_secs(1)).unwrap();
            counted_loop(times, |_| black_box(&lease).beat());
        }
        "get, group" => {
            group();
            counted_loop(times, |_| {
                black_box(registry.get_service_status(black_box("a group")));
            });
        }
        "set changed, member of a group of 16" => {
            group();
            counted_loop(times, set);
        }
        "set changed, the same with history" => {
            group();
            registry.record_history(16);
            counted_loop(times, set);
        }
        "set changed, with a static reason" => counted_loop(times, |i| {
            black_box(handle).set_with_reason(status(i), "because");
        }),
        "report" => counted_loop(times, |_| black_box(handle).report(true)),
        "set changed, somebody follows all services" => {
            let mut cx = Context::from_waker(Waker::noop());
            let mut driver = Box::pin(registry.driver());
            let mut all = registry.subscribe_all();
            let mut deliver = || {
                let _ = Pin::new(&mut driver).poll(&mut cx);
                while all.poll_next(&mut cx).is_ready() {}
            };
            deliver();
            // Not read: that is the subscriber's time.
            counted_loop(times, &mut set);
            deliver();
        }
        unknown => panic!("no operation {unknown:?}"),
    }
}
