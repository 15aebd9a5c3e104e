//! A load on a server, told on stdin what to do; every command is answered when it is done.
//!
//! `bench_load ADDR`, then lines of
//! * `hold CONNECTIONS WATCHES`: opens connections until there are so many, and watches of `""`
//!   until each of those has so many and all have had their first message; answers `held`.
//! * `check CONNECTIONS IN_FLIGHT REQUESTS`: that many Checks in all, over the first so many
//!   connections with so many in flight on each; answers `checked`.
//! * `bidi STREAMS BYTES MESSAGES`: that many echoed streams on one connection, each with so many
//!   messages of so many bytes, sent as fast as the windows allow; answers the nanoseconds it took.

mod client;

use std::env;
use std::io::{self, BufRead};
use std::time::Instant;

use h2::RecvStream;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use client::{BoxError, Client};

const USAGE: &str = "usage: bench_load ADDR";

#[derive(Default)]
struct Load {
    address: String,
    connections: Vec<(Client, Vec<RecvStream>)>,
}

fn main() -> Result<(), BoxError> {
    let address = env::args().nth(1).ok_or(USAGE)?;
    let mut load = Load {
        address,
        ..Load::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Nothing is read between commands but stdin: an idle connection has nothing to say.
    for line in io::stdin().lock().lines() {
        runtime.block_on(load.obey(&line?))?;
    }
    Ok(())
}

impl Load {
    async fn obey(&mut self, line: &str) -> Result<(), BoxError> {
        let mut words = line.split_ascii_whitespace();
        let command = words.next().unwrap_or_default();
        let numbers = words.map(str::parse).collect::<Result<Vec<usize>, _>>()?;
        match (command, numbers.as_slice()) {
            ("hold", &[connections, watches]) => {
                self.hold(connections, watches).await?;
                println!("held");
            }
            ("check", &[connections, in_flight, requests]) => {
                self.hold(connections, 0).await?;
                self.check(connections, in_flight, requests).await?;
                println!("checked");
            }
            ("bidi", &[streams, bytes, messages]) => {
                self.hold(1, 0).await?;
                let began = Instant::now();
                self.bidi(streams, bytes, messages).await?;
                println!("{}", began.elapsed().as_nanos());
            }
            _ => return Err(format!("unknown command {line:?}").into()),
        }
        Ok(())
    }

    async fn hold(&mut self, connections: usize, watches: usize) -> Result<(), BoxError> {
        while self.connections.len() < connections {
            let socket = TcpStream::connect(&self.address).await?;
            socket.set_nodelay(true)?;
            self.connections
                .push((Client::handshake(socket).await?, Vec::new()));
        }
        for (client, held) in self.connections.iter_mut().take(connections) {
            while held.len() < watches {
                held.push(client.watch().await?);
            }
        }
        Ok(())
    }

    async fn check(
        &mut self,
        connections: usize,
        in_flight: usize,
        requests: usize,
    ) -> Result<(), BoxError> {
        let share = requests / (connections * in_flight);
        let mut callers = JoinSet::new();
        for (client, _) in self.connections.iter().take(connections) {
            for _ in 0..in_flight {
                let mut client = client.clone();
                callers.spawn(async move {
                    for _ in 0..share {
                        client.check().await?;
                    }
                    Ok::<_, BoxError>(())
                });
            }
        }
        while let Some(caller) = callers.join_next().await {
            caller??;
        }
        Ok(())
    }

    async fn bidi(&self, streams: usize, bytes: usize, messages: usize) -> Result<(), BoxError> {
        let mut callers = JoinSet::new();
        for (client, _) in self.connections.iter().take(1) {
            for _ in 0..streams {
                let client = client.clone();
                callers.spawn(client.echo(bytes, messages));
            }
        }
        while let Some(caller) = callers.join_next().await {
            caller??;
        }
        Ok(())
    }
}
