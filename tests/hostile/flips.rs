//! Statuses change under readers that are slow, come and go: none that lasts is lost, and none is told twice.

use grpc_health::ServingStatus::{self, NotServing, ServiceUnknown, Serving, Unknown};
use tokio::time::timeout;

use crate::arena::{Arena, SECOND, count};
use crate::support::frame::{self, CANCEL, Frame, SETTINGS_INITIAL_WINDOW_SIZE};
use crate::support::grpc::{Request, WATCH, health_request};
use crate::support::peer::{PIPE, Peer};

const SERVICES: [&str; 4] = ["", "up", "down", "later"];
const READERS: usize = 16;

/// Numbers that look random, the same for the same seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }
}

/// All that each service has shown, oldest first, each different from the one before.
struct History([Vec<u8>; SERVICES.len()]);

impl History {
    /// Changes the status of one service.
    fn flip(&mut self, arena: &Arena, random: &mut Random) {
        let service = random.below(SERVICES.len());
        let shown = &mut self.0[service];
        let status = loop {
            let status = random.one_of(&[Unknown, Serving, NotServing, ServiceUnknown]);
            if shown.last() != Some(&(status as u8)) {
                break status;
            }
        };
        shown.push(status as u8);
        set(arena, SERVICES[service], status);
    }
}

fn set(arena: &Arena, name: &str, status: ServingStatus) {
    if status == ServiceUnknown {
        arena.registry.clear(name);
    } else {
        arena.registry.set_service_status(name, status).unwrap();
    }
}

/// One stream, and how far into its service's history it has come.
struct Watching {
    stream: u32,
    service: usize,
    /// The next status is at this place of the history or behind it.
    from: usize,
    last: Option<u8>,
    /// Of a message that is not whole.
    bytes: Vec<u8>,
    /// What has been read and not been given back to the window.
    owed: u32,
}

impl Watching {
    fn take(&mut self, payload: &[u8], history: &History, messages: &mut usize) {
        self.owed += payload.len() as u32;
        self.bytes.extend(payload);
        while let Some(prefix) = self.bytes.get(..5) {
            let len = 5 + usize::from(prefix[4]);
            let Some(message) = self.bytes.get(..len) else {
                break;
            };
            let status = message.get(6).copied().unwrap_or(0);
            self.bytes.drain(..len);
            *messages += 1;
            assert_ne!(Some(status), self.last, "told twice");
            self.last = Some(status);
            let later = history.0[self.service][self.from..].iter();
            let skipped = later.take_while(|shown| **shown != status).count();
            self.from += skipped + 1;
            let known = history.0[self.service].len();
            assert!(self.from <= known, "told what was not shown since");
        }
    }
}

/// A connection, its Watches, and a test that reads it when it likes.
struct Reader {
    peer: Peer,
    watches: Vec<Watching>,
    messages: usize,
}

impl Reader {
    async fn connect(arena: &Arena, history: &History, random: &mut Random) -> Self {
        let window = random.one_of(&[1, 7, 12, 65_535]);
        let pipe = random.one_of(&[16, 100, 1_000, PIPE]);
        let settings = [(SETTINGS_INITIAL_WINDOW_SIZE, window)];
        let mut reader = Self {
            peer: Peer::handshake(arena.dial(pipe), &settings).await,
            watches: Vec::new(),
            messages: 0,
        };
        for _ in 0..1 + random.below(4) {
            reader.watch(history, random.below(SERVICES.len())).await;
        }
        reader
    }

    async fn watch(&mut self, history: &History, service: usize) {
        let from = history.0[service].len() - 1;
        let request = health_request(SERVICES[service]);
        let stream = self.peer.call(&Request::new(WATCH), &request).await;
        self.watches.push(Watching {
            stream,
            service,
            from,
            last: None,
            bytes: Vec::new(),
            owed: 0,
        });
    }

    /// Cancels one Watch, and begins another.
    async fn watch_another(&mut self, history: &History, random: &mut Random) {
        let cancelled = self.watches.swap_remove(random.below(self.watches.len()));
        self.peer
            .send(&frame::reset(cancelled.stream, CANCEL))
            .await;
        self.watch(history, random.below(SERVICES.len())).await;
    }

    /// Reads so many frames at most, and as long as some come. True if no more did.
    async fn read(&mut self, frames: usize, history: &History) -> bool {
        for _ in 0..frames {
            let Ok(frame) = timeout(SECOND / 1_000, self.peer.recv()).await else {
                return true;
            };
            match frame {
                Frame::Data {
                    stream,
                    payload,
                    end_stream: false,
                } => {
                    let mut watches = self.watches.iter_mut();
                    // Of one that is cancelled there may be some on the way.
                    if let Some(watch) = watches.find(|watch| watch.stream == stream) {
                        watch.take(&payload, history, &mut self.messages);
                    }
                }
                Frame::Headers {
                    end_stream: false, ..
                }
                | Frame::WindowUpdate { .. } => {}
                other => panic!("{other:?} is not of a Watch"),
            }
        }
        false
    }

    /// Opens the windows again by what was read.
    async fn pay(&mut self) {
        let mut updates = Vec::new();
        for watch in self.watches.iter_mut().filter(|watch| watch.owed > 0) {
            updates.extend(frame::window_update(watch.stream, watch.owed));
            updates.extend(frame::window_update(0, watch.owed));
            watch.owed = 0;
        }
        self.peer.send(&updates).await;
    }

    /// Reads all there is: then each Watch has told what is shown.
    async fn catch_up(&mut self, history: &History) {
        self.pay().await;
        while !self.read(1, history).await {
            self.pay().await;
        }
        for watch in &self.watches {
            let shown = history.0[watch.service].last().copied();
            assert_eq!(watch.last, shown, "the last status is lost");
            assert!(watch.bytes.is_empty());
        }
    }
}

/// Returns how many messages were read.
async fn run(seed: u64, flips: usize) -> usize {
    let (arena, neighbour) = Arena::new().await;
    let mut random = Random(seed);
    let mut history = History([(); SERVICES.len()].map(|()| vec![Serving as u8]));
    for name in SERVICES {
        set(&arena, name, Serving);
    }
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(Reader::connect(&arena, &history, &mut random).await);
    }
    let (mut flipped, mut messages) = (0, 0);
    while flipped < flips {
        // Before the server has run, or in its pauses.
        for _ in 0..1 + random.below(16) {
            history.flip(&arena, &mut random);
            flipped += 1;
            if random.below(4) == 0 {
                tokio::task::yield_now().await;
            }
        }
        let chosen = random.below(READERS);
        let reader = &mut readers[chosen];
        match random.below(64) {
            0 => {
                messages += reader.messages;
                *reader = Reader::connect(&arena, &history, &mut random).await;
            }
            1..4 => reader.watch_another(&history, &mut random).await,
            4..12 => reader.catch_up(&history).await,
            12..36 => {
                reader.read(1 + random.below(8), &history).await;
            }
            36..50 => reader.pay().await,
            _ => {}
        }
    }
    for reader in &mut readers {
        reader.catch_up(&history).await;
        messages += reader.messages;
    }
    drop(readers);
    // What the neighbour is used to.
    set(&arena, "", Serving);
    arena.end(neighbour).await;
    messages
}

#[tokio::test(start_paused = true)]
async fn a14_no_last_status_is_lost_and_none_is_told_twice() {
    for seed in 0..10 {
        let flips = count(500, 100_000);
        let messages = run(seed, flips).await;
        println!("seed {seed}: {flips} changes, {messages} messages read");
        assert!(messages > READERS);
    }
}
