//! The registry beside tonic-health's reporter.
//!
//! `cargo bench --bench registry`; times are the caller's, per operation.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that is wrong may stop"
)]

use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use grpc_health::registry::{Driver, Group, Registry, ServiceHandle, ServingStatus, Watcher};
use tokio_stream::Stream;
use tonic_health::ServingStatus as TonicStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_server::Health;
use tonic_health::server::{HealthReporter, HealthService};

const STATUSES: [ServingStatus; 2] = [ServingStatus::Serving, ServingStatus::NotServing];
const TONIC: [TonicStatus; 2] = [TonicStatus::Serving, TonicStatus::NotServing];

fn name(i: usize) -> String {
    format!("acme.inventory.v1.Service{i}")
}

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The output of a future that never waits here: its locks are free.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut noop()) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing else runs"),
    }
}

fn tonic_with(services: usize) -> HealthReporter {
    let reporter = HealthReporter::new();
    for i in 0..services {
        now(reporter.set_service_status(name(i), TonicStatus::Serving));
    }
    reporter
}

fn registry_with(services: usize) -> (Registry, Vec<ServiceHandle>) {
    let registry = Registry::new();
    let register = |i| registry.register(&name(i), ServingStatus::Serving).unwrap();
    let handles = (0..services).map(register).collect();
    (registry, handles)
}

/// Names in an order that neither slab nor index follows.
fn shuffled(services: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..services).collect();
    let mut state = 1u64;
    for i in (1..services).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        order.swap(i, (state >> 33) as usize % (i + 1));
    }
    order.into_iter().map(name).collect()
}

fn get(c: &mut Criterion) {
    let mut group = c.benchmark_group("get");
    let (_registry, handles) = registry_with(1);
    let handle = &handles[0];
    group.bench_function("handle", |b| b.iter(|| black_box(handle).status()));

    for services in [10, 1_000, 10_000] {
        let (registry, _) = registry_with(services);
        let one = name(services / 2);
        group.bench_function(BenchmarkId::new("one name of", services), |b| {
            b.iter(|| registry.get_service_status(black_box(&one)));
        });
        let names = shuffled(services);
        group.bench_function(BenchmarkId::new("each name of", services), |b| {
            let mut names = names.iter().cycle();
            b.iter(|| registry.get_service_status(names.next().unwrap()));
        });
        group.bench_function(BenchmarkId::new("absent name among", services), |b| {
            b.iter(|| registry.get_service_status(black_box("acme.inventory.v1.Absent")));
        });
        // Its only reader: the handler of Check, which takes an owned request.
        let service = HealthService::from_health_reporter(tonic_with(services));
        group.bench_function(
            BenchmarkId::new("tonic-health Check, one name of", services),
            |b| {
                b.iter_batched(
                    || {
                        tonic::Request::new(HealthCheckRequest {
                            service: one.clone(),
                        })
                    },
                    |request| now(service.check(request)).unwrap(),
                    criterion::BatchSize::SmallInput,
                );
            },
        );
    }
    group.finish();
}

fn set(c: &mut Criterion) {
    let mut group = c.benchmark_group("set");
    let (registry, handles) = registry_with(1_000);
    let (handle, one) = (&handles[500], name(500));
    let reporter = tonic_with(1_000);

    group.bench_function("unchanged, handle", |b| {
        b.iter(|| black_box(handle).set(black_box(ServingStatus::Serving)));
    });
    group.bench_function("unchanged, name", |b| {
        b.iter(|| registry.set_service_status(black_box(&one), ServingStatus::Serving));
    });
    group.bench_function("unchanged, tonic-health", |b| {
        b.iter(|| now(reporter.set_service_status(black_box(&one), TonicStatus::Serving)));
    });

    group.bench_function("changed, handle", |b| {
        let mut i = 0;
        b.iter(|| {
            i ^= 1;
            black_box(handle).set(STATUSES[i]);
        });
    });
    group.bench_function("changed, name", |b| {
        let mut i = 0;
        b.iter(|| {
            i ^= 1;
            registry.set_service_status(black_box(&one), STATUSES[i])
        });
    });
    group.bench_function("changed, tonic-health", |b| {
        let mut i = 0;
        b.iter(|| {
            i ^= 1;
            now(reporter.set_service_status(black_box(&one), TONIC[i]));
        });
    });
    group.finish();
}

/// How many services are set per reading of the clock, so that reading it costs little of each.
const SERVICES: usize = 16;

/// Watched services, and what to do so that every watcher reads what was set.
struct Watched {
    handles: Vec<ServiceHandle>,
    watchers: Vec<Watcher>,
    driver: Pin<Box<Driver>>,
    round: usize,
}

impl Watched {
    fn new(watchers: usize) -> Self {
        let (registry, handles) = registry_with(SERVICES);
        let watch = |i| registry.watch(&name(i % SERVICES)).unwrap();
        let mut this = Self {
            handles,
            watchers: (0..watchers * SERVICES).map(watch).collect(),
            driver: Box::pin(registry.driver()),
            round: 0,
        };
        this.deliver();
        this
    }

    fn set(&mut self) {
        self.round += 1;
        for handle in &self.handles {
            handle.set(STATUSES[self.round % 2]);
        }
    }

    fn deliver(&mut self) {
        // More polls than it needs for its bounded rounds; those after the last find nothing.
        for _ in 0..=2 * self.watchers.len() / 128 + SERVICES {
            assert!(self.driver.as_mut().poll(&mut noop()).is_pending());
        }
        for watcher in &mut self.watchers {
            assert!(watcher.poll_next(&mut noop()).is_ready());
            assert!(watcher.poll_next(&mut noop()).is_pending());
        }
    }
}

type TonicWatcher = <HealthService as Health>::WatchStream;

/// The same of tonic-health.
struct TonicWatched {
    reporter: HealthReporter,
    names: Vec<String>,
    watchers: Vec<Pin<Box<TonicWatcher>>>,
    round: usize,
}

impl TonicWatched {
    fn new(watchers: usize) -> Self {
        let reporter = tonic_with(SERVICES);
        let service = HealthService::from_health_reporter(reporter.clone());
        let watch = |i| {
            let request = tonic::Request::new(HealthCheckRequest {
                service: name(i % SERVICES),
            });
            Box::pin(now(service.watch(request)).unwrap().into_inner())
        };
        let mut this = Self {
            reporter,
            names: (0..SERVICES).map(name).collect(),
            watchers: (0..watchers * SERVICES).map(watch).collect(),
            round: 0,
        };
        this.deliver();
        this
    }

    fn set(&mut self) {
        self.round += 1;
        for name in &self.names {
            now(self
                .reporter
                .set_service_status(name, TONIC[self.round % 2]));
        }
    }

    fn deliver(&mut self) {
        for watcher in &mut self.watchers {
            assert!(watcher.as_mut().poll_next(&mut noop()).is_ready());
            assert!(watcher.as_mut().poll_next(&mut noop()).is_pending());
        }
    }
}

/// The time of `timed` alone, per service, `untimed` running after each.
fn per_service<T>(
    iterations: u64,
    state: &mut T,
    timed: fn(&mut T),
    untimed: fn(&mut T),
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..iterations {
        let start = Instant::now();
        timed(state);
        total += start.elapsed();
        untimed(state);
    }
    total / SERVICES as u32
}

fn watched(c: &mut Criterion) {
    let mut group = c.benchmark_group("set changed, watchers");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(3));
    for watchers in [0, 1, 1_000] {
        let mut ours = Watched::new(watchers);
        group.bench_function(BenchmarkId::new("caller, driver alive", watchers), |b| {
            b.iter_custom(|n| per_service(n, &mut ours, Watched::set, Watched::deliver));
        });
        group.bench_function(BenchmarkId::new("all told", watchers), |b| {
            let all = |this: &mut Watched| {
                this.set();
                this.deliver();
            };
            b.iter_custom(|n| per_service(n, &mut ours, all, |_| ()));
        });
        let mut tonic = TonicWatched::new(watchers);
        group.bench_function(BenchmarkId::new("caller, tonic-health", watchers), |b| {
            b.iter_custom(|n| per_service(n, &mut tonic, TonicWatched::set, TonicWatched::deliver));
        });
        group.bench_function(BenchmarkId::new("all told, tonic-health", watchers), |b| {
            let all = |this: &mut TonicWatched| {
                this.set();
                this.deliver();
            };
            b.iter_custom(|n| per_service(n, &mut tonic, all, |_| ()));
        });
    }
    group.finish();
}

/// The time per operation when each of `threads` does as many at once.
fn at_once(threads: usize, iterations: u64, work: impl Fn(usize, u64) + Sync) -> Duration {
    let barrier = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    work(thread, iterations);
                })
            })
            .collect();
        // Before the barrier: a main thread that is late must not miss the work.
        let start = Instant::now();
        barrier.wait();
        for worker in workers {
            worker.join().unwrap();
        }
        start.elapsed()
    })
}

fn threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("threads");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(2));
    let (registry, handles) = registry_with(8);
    let reporter = tonic_with(8);
    let one = name(0);
    for threads in 1..=4 {
        group.bench_function(BenchmarkId::new("get by name", threads), |b| {
            b.iter_custom(|n| {
                at_once(threads, n, |_, n| {
                    for _ in 0..n {
                        black_box(registry.get_service_status(black_box(&one)));
                    }
                })
            });
        });
        group.bench_function(
            BenchmarkId::new("set changed, a service each", threads),
            |b| {
                b.iter_custom(|n| {
                    at_once(threads, n, |thread, n| {
                        for i in 0..n as usize {
                            handles[thread].set(STATUSES[i % 2]);
                        }
                    })
                });
            },
        );
        group.bench_function(
            BenchmarkId::new("set changed, all the same", threads),
            |b| {
                b.iter_custom(|n| {
                    at_once(threads, n, |_, n| {
                        for i in 0..n as usize {
                            handles[0].set(STATUSES[i % 2]);
                        }
                    })
                });
            },
        );
        group.bench_function(
            BenchmarkId::new("set changed, a service each, tonic-health", threads),
            |b| {
                b.iter_custom(|n| {
                    at_once(threads, n, |thread, n| {
                        let runtime = tokio::runtime::Builder::new_current_thread()
                            .build()
                            .unwrap();
                        let name = name(thread);
                        runtime.block_on(async {
                            for i in 0..n as usize {
                                reporter.set_service_status(&name, TONIC[i % 2]).await;
                            }
                        });
                    })
                });
            },
        );
    }
    group.finish();
}

fn register(c: &mut Criterion) {
    let mut group = c.benchmark_group("register");
    group.sample_size(20);
    for services in [1_000, 10_000] {
        let names = shuffled(services);
        group.bench_function(BenchmarkId::new("names", services), |b| {
            b.iter(|| {
                let registry = Registry::new();
                for name in &names {
                    registry
                        .set_service_status(name, ServingStatus::Serving)
                        .unwrap();
                }
                registry
            });
        });
    }
    group.finish();
}

/// What the health plane adds: to nobody who does not use it.
fn plane(c: &mut Criterion) {
    let mut group = c.benchmark_group("plane");
    let (registry, handles) = registry_with(16);
    let lease = registry.lease("a lease", Duration::from_secs(1)).unwrap();
    group.bench_function("beat", |b| b.iter(|| black_box(&lease).beat()));

    let all = (0..16).map(name);
    registry.group("a group", Group::all_of(all)).unwrap();
    let mut i = 0;
    let mut toggle = || {
        i ^= 1;
        black_box(&handles[0]).set(STATUSES[i]);
    };
    group.bench_function("set changed, member of a group of 16", |b| {
        b.iter(&mut toggle);
    });
    registry.record_history(16);
    group.bench_function("set changed, the same with history", |b| {
        b.iter(&mut toggle);
    });
    group.bench_function("get, group", |b| {
        b.iter(|| registry.get_service_status(black_box("a group")));
    });
    let (_registry, handles) = registry_with(1);
    let mut i = 0;
    group.bench_function("set changed, with a static reason", |b| {
        b.iter(|| {
            i ^= 1;
            black_box(&handles[0]).set_with_reason(STATUSES[i], "because");
        });
    });
    group.bench_function("report", |b| {
        b.iter(|| black_box(&handles[0]).report(true));
    });
    group.finish();
}

criterion_group!(benches, plane, get, set, watched, threads, register);
criterion_main!(benches);
