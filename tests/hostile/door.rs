//! The door: peers that take places, and the clients that come meanwhile. The peers' addresses are scripted.

use std::net::SocketAddr;
use std::time::Duration;

use grpc_health::server::{Builder, NoService};
use grpc_health::service::PeerInfo;
use grpc_health::{HealthService, Registry, Server};
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::task::JoinSet;

use crate::arena::{SECOND, count, goaway, until};
use crate::support::frame::{self, ENHANCE_YOUR_CALM, Frame, NO_ERROR};
use crate::support::grpc::{CHECK, Request, SERVING, UNAVAILABLE, WATCH, health_request};
use crate::support::peer::Peer;

/// Two attackers, a gateway, and addresses of single clients from here on.
const ATTACKER: u16 = 1;
const ACCOMPLICE: u16 = 2;
const GATEWAY: u16 = 3;
const CLIENT: u16 = 100;

const MILLISECOND: Duration = Duration::from_millis(1);

/// A server whose clients come from addresses of the test's choice.
struct Door {
    server: Server<HealthService>,
    tasks: JoinSet<()>,
    ports: u16,
}

impl Door {
    fn new(builder: Builder<NoService>) -> Self {
        Self::with(builder, HealthService::new(Registry::new()))
    }

    fn with(builder: Builder<NoService>, service: HealthService) -> Self {
        Self {
            server: builder.service(service).build(),
            tasks: JoinSet::new(),
            ports: 0,
        }
    }

    /// A socket from an address that is not loopback.
    async fn dial(&mut self, host: u16) -> DuplexStream {
        let [high, low] = host.to_be_bytes();
        self.dial_from([198, 18, high, low]).await
    }

    async fn dial_from(&mut self, ip: [u8; 4]) -> DuplexStream {
        self.ports = self.ports.wrapping_add(1);
        let peer = PeerInfo::from(SocketAddr::from((ip, self.ports)));
        let (ours, theirs) = tokio::io::duplex(4_096);
        self.tasks
            .spawn(self.server.serve_connection_with(theirs, peer));
        let before = self.server.stats().connections;
        until(|| self.server.stats().connections > before).await;
        while let Some(served) = self.tasks.try_join_next() {
            served.expect("no panic");
        }
        ours
    }

    async fn connect(&mut self, host: u16) -> Peer {
        let io = self.dial(host).await;
        Peer::handshake(io, &[]).await
    }

    /// What a kubelet does: a connection for one Check, which must succeed.
    async fn probe(&mut self, host: u16) {
        let mut peer = self.connect(host).await;
        assert_eq!(peer.check("").await, SERVING, "from {host}");
    }

    fn open(&self) -> u64 {
        self.server.stats().connections_open
    }
}

/// The frames that a connection gets that makes room.
async fn assert_told_to_go(peer: &mut Peer) {
    let frames = peer.recv_to_end().await;
    assert_eq!(goaway(&frames).0, NO_ERROR);
}

#[tokio::test(start_paused = true)]
async fn a17_silent_sockets_make_room_for_whoever_comes() {
    let (limit, silent) = (count(64, 2_048), count(200, 2_100));
    let mut door = Door::new(Server::builder().max_handshakes(limit));
    let mut hoard = Vec::new();
    for n in 0..silent {
        hoard.push(door.dial(ATTACKER).await);
        if n % (silent / 20) == 0 {
            // From elsewhere, and from behind the attacker's own address.
            door.probe(CLIENT).await;
            door.probe(ATTACKER).await;
        }
    }
    let stats = door.server.stats();
    assert_eq!(stats.connections_refused, 0);
    // One address has half of the handshakes.
    assert_eq!(stats.handshakes_evicted as usize, silent - limit / 2);
    // The first of them are gone, and have been told nothing.
    let mut said = Vec::new();
    hoard[0].read_to_end(&mut said).await.unwrap();
    assert!(said.len() < 100, "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a18_connections_that_watch_make_room_for_whoever_comes() {
    let (limit, many) = (count(100, 10_000), count(150, 10_100));
    let mut door = Door::new(Server::builder().max_connections(limit));
    let mut hoard = Vec::new();
    for n in 0..many {
        let mut peer = door.connect(ATTACKER).await;
        let stream = peer.watch("").await;
        assert_eq!(peer.expect_data(stream).await, SERVING);
        hoard.push(peer);
        if n % (many / 20) == 0 {
            door.probe(CLIENT + n as u16).await;
            door.probe(ATTACKER).await;
        }
    }
    for n in 0..20 {
        door.probe(CLIENT + n).await;
    }
    let stats = door.server.stats();
    assert_eq!((stats.connections_refused, stats.connection_errors), (0, 0));
    assert!(stats.connections_evicted as usize >= many - limit);
    // The Watch that made room first was ended as a drain ends it.
    let first = &mut hoard[0];
    first.expect_goaway(NO_ERROR).await;
    first.expect_trailers(1, UNAVAILABLE).await;
    // The peer reads, and so the connection ends at once.
    assert_told_to_go(first).await;
}

#[tokio::test(start_paused = true)]
async fn a18_idle_connections_of_two_addresses_make_room_for_whoever_comes() {
    let (limit, many) = (count(100, 10_000), count(300, 20_000));
    let mut door = Door::new(Server::builder().max_connections(limit));
    let mut hoard = Vec::new();
    // A client that was there before, and does less than all of them.
    let mut quiet = door.connect(CLIENT).await;
    tokio::time::sleep(10 * SECOND).await;
    for n in 0..many {
        let address = [ATTACKER, ACCOMPLICE][n % 2];
        hoard.push(door.connect(address).await);
        if n % (many / 20) == 0 {
            door.probe(CLIENT + 1).await;
            door.probe(address).await;
        }
    }
    assert_eq!(quiet.check("").await, SERVING);
    let stats = door.server.stats();
    assert_eq!((stats.connections_refused, stats.connection_errors), (0, 0));
    // Those that do not answer are cut: no more than the limits say are left.
    assert!(
        door.open() as usize <= limit + limit / 4 + 16,
        "{}",
        door.open()
    );
    drop(hoard);
}

/// Connections with a call to complete make no room for others of the same address.
#[tokio::test(start_paused = true)]
async fn a18_connections_over_the_limit_are_closed_at_once() {
    let mut door = Door::new(Server::builder().max_connections(10));
    for round in 0..count(2, 100) as u64 {
        let mut held = Vec::new();
        for _ in 0..10 {
            let mut peer = door.connect(ATTACKER).await;
            let stream = peer.start_call(&Request::new(CHECK)).await;
            peer.ping().await;
            held.push((peer, stream));
        }
        for _ in 0..50 {
            let mut sent = Vec::new();
            door.dial(ATTACKER)
                .await
                .read_to_end(&mut sent)
                .await
                .unwrap();
            assert!(sent.is_empty(), "{sent:?}");
        }
        for (peer, stream) in &mut held {
            peer.send(&frame::data(*stream, true, &health_request("")))
                .await;
            assert_eq!(peer.expect_unary_ok(*stream).await, SERVING);
        }
        assert_eq!(door.server.stats().connections_refused, 50 * (round + 1));
        drop(held);
        // They are gone when the server has seen it.
        until(|| door.open() == 0).await;
    }
    assert_eq!(door.server.stats().connections_evicted, 0);
}

/// A connection that makes room completes its call.
#[tokio::test(start_paused = true)]
async fn a18_who_makes_room_loses_no_call() {
    let mut door = Door::new(Server::builder().max_connections(2));
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut peer = door.connect(GATEWAY).await;
        let stream = peer.start_call(&Request::new(CHECK)).await;
        peer.ping().await;
        busy.push((peer, stream));
    }
    door.probe(CLIENT).await;
    assert_eq!(door.server.stats().connections_evicted, 1);
    let mut told = 0;
    for (mut peer, stream) in busy {
        peer.send(&frame::data(stream, true, &health_request("")))
            .await;
        assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
        let unread: Vec<_> = peer.unread().collect();
        told += usize::from(
            unread
                .iter()
                .any(|frame| matches!(frame, Frame::GoAway { code: NO_ERROR, .. })),
        );
    }
    assert_eq!(told, 1);
}

/// Good clients that are many: nobody makes room while there are places.
#[tokio::test(start_paused = true)]
async fn a18_a_gateway_with_a_thousand_users_keeps_all_its_connections() {
    let mut door = Door::new(Server::builder().max_connections(200).max_handshakes(100));
    let mut connections = Vec::new();
    // 1,000 users on 100 connections, and the probes of a node meanwhile.
    for _ in 0..100 {
        let mut peer = door.connect(GATEWAY).await;
        for _ in 0..10 {
            let stream = peer.watch("").await;
            assert_eq!(peer.expect_data(stream).await, SERVING);
        }
        connections.push(peer);
        door.probe(CLIENT).await;
    }
    tokio::time::sleep(60 * SECOND).await;
    for peer in &mut connections {
        assert_eq!(peer.check("").await, SERVING);
    }
    let stats = door.server.stats();
    let cut = stats.connections_evicted + stats.handshakes_evicted + stats.connections_refused;
    assert_eq!((cut, stats.calls_cancelled), (0, 0));
}

/// Sends more PINGs than a client may, and sees the connection end.
async fn flood(door: &mut Door, ip: [u8; 4]) {
    let mut peer = Peer::handshake(door.dial_from(ip).await, &[]).await;
    let sent = peer.flood(&frame::ping([7; 8]).repeat(1_000)).await;
    assert_eq!(goaway(&sent).0, ENHANCE_YOUR_CALM);
}

async fn is_let_in(door: &mut Door, ip: [u8; 4]) -> bool {
    let before = door.server.stats().connections_barred;
    drop(door.dial_from(ip).await);
    door.server.stats().connections_barred == before
}

#[tokio::test(start_paused = true)]
async fn a08_whoever_floods_waits_at_the_door_longer_each_time() {
    let mut door = Door::new(Server::builder());
    let (flooder, other) = ([198, 18, 0, 1], [198, 18, 0, 9]);
    for seconds in [1, 2, 4, 8] {
        flood(&mut door, flooder).await;
        assert!(!is_let_in(&mut door, flooder).await, "{seconds}");
        assert!(is_let_in(&mut door, other).await);
        tokio::time::sleep(seconds * SECOND - MILLISECOND).await;
        assert!(!is_let_in(&mut door, flooder).await, "{seconds}");
        tokio::time::sleep(2 * MILLISECOND).await;
        assert!(is_let_in(&mut door, flooder).await, "{seconds}");
    }
    assert_eq!(door.server.stats().connections_barred, 8);
    // Forgotten after five quiet minutes.
    tokio::time::sleep(310 * SECOND).await;
    flood(&mut door, flooder).await;
    tokio::time::sleep(SECOND + MILLISECOND).await;
    assert!(is_let_in(&mut door, flooder).await);
}

#[tokio::test(start_paused = true)]
async fn a08_a_gateway_and_loopback_do_not_wait_for_the_flood_of_one_client() {
    let mut door = Door::new(Server::builder());
    let loopback = [127, 0, 0, 1];
    flood(&mut door, loopback).await;
    assert!(is_let_in(&mut door, loopback).await);
    let gateway = [198, 18, 0, 3];
    let mut users = Vec::new();
    for _ in 0..16 {
        let mut peer = door.connect(GATEWAY).await;
        assert_eq!(peer.check("").await, SERVING);
        users.push(peer);
    }
    flood(&mut door, gateway).await;
    assert!(is_let_in(&mut door, gateway).await);
    drop(users.pop());
    until(|| door.open() <= 15).await;
    flood(&mut door, gateway).await;
    assert!(!is_let_in(&mut door, gateway).await);
}

#[tokio::test(start_paused = true)]
async fn a08_silent_connections_do_not_hide_the_clients_of_a_gateway() {
    let mut door = Door::new(Server::builder());
    let mut users = Vec::new();
    for _ in 0..16 {
        let mut peer = door.connect(GATEWAY).await;
        assert_eq!(peer.check("").await, SERVING);
        users.push(peer);
    }
    let mut silent = Vec::new();
    // The second crowd comes when the clients have had their time for a first call.
    for _ in 0..2 {
        for _ in 0..64 {
            silent.push(door.dial(GATEWAY).await);
        }
        let gateway = [198, 18, 0, 3];
        flood(&mut door, gateway).await;
        assert!(is_let_in(&mut door, gateway).await);
        tokio::time::sleep(5 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a14_one_peer_does_not_take_all_watches() {
    let max = count(512, 65_536);
    let service = HealthService::new(Registry::new()).max_watches(max);
    let mut door = Door::with(Server::builder(), service);
    let mut hoard = Vec::new();
    let mut refused = 0;
    for _ in 0..256 {
        let mut peer = door.connect(ATTACKER).await;
        for _ in 0..max / 256 {
            let stream = peer.call(&Request::new(WATCH), &health_request("")).await;
            match peer.recv_on(stream).await {
                Frame::Headers {
                    end_stream: true, ..
                } => refused += 1,
                _ => assert_eq!(peer.expect_data(stream).await, SERVING),
            }
        }
        hoard.push(peer);
    }
    assert!(
        (max / 16..=max / 8).contains(&refused),
        "{refused} of {max}"
    );
    // Clients of other addresses watch.
    for n in 0..20 {
        let mut peer = door.connect(CLIENT + n).await;
        let stream = peer.watch("").await;
        assert_eq!(peer.expect_data(stream).await, SERVING);
        hoard.push(peer);
    }
    // The attacker's Checks are answered.
    let mut peer = door.connect(ATTACKER).await;
    assert_eq!(peer.check("").await, SERVING);
}
