//! How many bytes of replies h2 may queue for a connection between two flushes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::config::Config;
use super::link::Link;
use super::sending::{Outbox, Sending};

/// The queue of a connection that has sent nothing, the shortest queue and the longest queue.
const FIRST: usize = 128 << 10;
const SHORTEST: usize = 64 << 10;
const LONGEST: usize = 1 << 20;

/// The replies of a connection.
struct Replies {
    sending: Sending,
    link: Arc<Link>,
    /// How many bytes h2 has that the socket has not taken.
    unwritten: usize,
}

impl Replies {
    fn new(config: &Config) -> Self {
        let link = Arc::new(Link::new());
        let outbox = Arc::new(Outbox::new(config.send_budget));
        Self {
            sending: Sending::new(&outbox, config, &link),
            link,
            unwritten: 0,
        }
    }

    /// Gives h2 `bytes` of replies, and the socket takes up to `most` bytes of what h2 has.
    fn give(&mut self, bytes: usize, most: usize) {
        self.sending.give(bytes);
        self.unwritten += bytes;
        let taken = self.unwritten.min(most);
        self.unwritten -= taken;
        let written = u64::try_from(taken).unwrap();
        self.link.bytes_written.fetch_add(written, Relaxed);
        let is_blocked = self.unwritten > 0;
        self.link.write_blocked.store(is_blocked, Relaxed);
        self.sending.flushed();
    }

    /// The replies of a connection whose queue has grown as far as it can.
    fn grown() -> Self {
        let mut replies = Self::new(&Config::default());
        for _ in 0..4 {
            replies.fill(usize::MAX);
        }
        assert_eq!(replies.sending.queue(), LONGEST);
        replies
    }

    /// Gives h2 as much of a long reply as there is room for. Returns the queue after the flush.
    fn fill(&mut self, most: usize) -> usize {
        self.sending.set_full();
        self.give(self.sending.room(), most);
        self.sending.queue()
    }
}

#[test]
fn the_queue_grows_for_a_peer_that_takes_everything() {
    let mut replies = Replies::new(&Config::default());
    assert_eq!(replies.sending.queue(), FIRST);
    // Replies that fit need no longer queue.
    for _ in 0..10 {
        replies.give(FIRST, usize::MAX);
        assert_eq!(replies.sending.queue(), FIRST);
    }
    assert!(!replies.sending.is_swollen());
    for queue in [2 * FIRST, 4 * FIRST, LONGEST, LONGEST] {
        assert_eq!(replies.fill(usize::MAX), queue);
        assert!(replies.sending.is_swollen());
        assert_eq!(replies.sending.room(), queue);
    }
}

#[test]
fn the_queue_halves_each_time_that_the_socket_is_blocked() {
    let mut replies = Replies::grown();
    assert_eq!(replies.fill(1_000), LONGEST / 2);
    assert_eq!(replies.unwritten, LONGEST - 1_000);
    assert_eq!(replies.sending.room(), 0);
    let taken = replies.sending.taken();
    for queue in [LONGEST / 4, FIRST, SHORTEST, SHORTEST] {
        assert_eq!(replies.fill(1_000), queue);
        assert_eq!(replies.sending.room(), 0);
    }
    assert_eq!(replies.sending.taken() - taken, 4_000);
    // The socket takes everything again. Of a reply that fills the queue now the queue grows.
    replies.give(0, usize::MAX);
    assert_eq!(replies.sending.room(), SHORTEST);
    for queue in [FIRST, 2 * FIRST] {
        assert_eq!(replies.fill(usize::MAX), queue);
    }
}

#[test]
fn a_quiet_connection_has_the_first_queue_again() {
    let mut replies = Replies::grown();
    assert!(replies.sending.is_swollen());
    replies.sending.shrink();
    assert_eq!(replies.sending.queue(), FIRST);
    assert!(!replies.sending.is_swollen());
}

#[test]
fn the_queue_keeps_to_a_short_send_buffer_and_to_a_small_budget() {
    let short_buffer = Config {
        max_send_buffer_size: Some(10_000),
        ..Config::default()
    };
    let small_budget = Config {
        send_budget: 16 << 20,
        ..Config::default()
    };
    for (config, first, longest) in [
        (short_buffer, 20_000, 20_000),
        (small_budget, FIRST, (16 << 20) / 64),
    ] {
        let mut replies = Replies::new(&config);
        assert_eq!(replies.sending.queue(), first);
        for _ in 0..5 {
            replies.fill(usize::MAX);
        }
        assert_eq!(replies.sending.queue(), longest);
        for _ in 0..5 {
            replies.fill(0);
        }
        assert_eq!(replies.sending.queue(), first / 2);
    }
}

/// A connection kept the first place, although it was over its own part by then, and all others waited behind it.
#[test]
fn a_connection_over_its_part_gives_its_place_in_the_queue_up() {
    const MIB: usize = 1 << 20;
    let config = Config::default();
    // 64 MiB: 56 MiB are full, and 14 MiB are one connection's part.
    let outbox = Arc::new(Outbox::new(config.send_budget));
    let new = || Sending::new(&outbox, &config, &Arc::new(Link::new()));
    let mut others: Vec<_> = (0..4).map(|_| (new(), 0)).collect();
    for (other, held) in &mut others {
        other.recount(held, 12 * MIB);
    }
    let (mut first, mut stream, mut reply) = (new(), 0, 0);
    first.recount(&mut stream, 8 * MIB);
    // The budget is full.
    assert!(!first.has_room_for(4 * MIB));
    first.recount(&mut reply, 5 * MIB);
    for (other, held) in &mut others {
        other.recount(held, 0);
    }
    // The connection is woken, and holds 13 MiB of its 14.
    assert!(!first.has_room_for(4 * MIB));
    assert!(new().has_room_for(4 * MIB), "another one waits");
    // The connection waits for nobody: there is room as soon as the connection holds less.
    first.recount(&mut reply, 0);
    assert!(first.has_room_for(4 * MIB));
}
