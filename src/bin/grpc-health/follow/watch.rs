//! `watch`: show every change.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Future, pending, poll_fn},
    io,
    pin::pin,
    task::Poll,
};

use grpc_health::client::{
    Monitor,
    monitor::{self, Changes},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep_until,
};

use super::{
    args::WatchArgs,
    bare,
    board::{Board, Place},
    listing::{Listed, Lister, Listings, MAX_NAMES},
    shown::Shown,
};
use crate::{
    ask::ask,
    interrupts::Interrupts,
    output::{Exit, ended, log},
};

pub(crate) fn watch(args: &WatchArgs) -> Exit {
    if !args.no_reconnect {
        return ask(follow(args));
    }
    let mut pairs = args.targets.pairs();
    let (Some((addr, service)), None) = (pairs.next(), pairs.next()) else {
        log("error: --no-reconnect takes one target");
        return Exit::Arguments;
    };
    match args.targets.connecting.connector(addr) {
        Ok(connector) => bare::watch(&connector, addr, service, args.timeout),
        Err(exit) => exit,
    }
}

async fn follow(args: &WatchArgs) -> Result<Exit, Exit> {
    let no_signals = |error: io::Error| {
        log(format_args!("error: cannot wait for signals: {error}"));
        Exit::Connect
    };
    let mut interrupts = Interrupts::new().map_err(no_signals)?;
    let resized = signal(SignalKind::window_change()).map_err(no_signals)?;
    let monitor = Monitor::builder()
        .first_answer_timeout(args.timeout)
        .start();
    let mut board = Board::new(&args.targets, monitor)?;
    let listings = Listings::new();
    let (mut listed, mut named) = (BTreeSet::new(), BTreeSet::new());
    for (place, (addr, service)) in args.targets.places.iter().zip(args.targets.pairs()) {
        let Some(server) = board.number(addr) else {
            continue;
        };
        if args.all && place.service.is_none() {
            listed.insert(server);
            continue;
        }
        if let Err(why) = board.add(server, service) {
            log(format_args!("error: {why}"));
            return Err(Exit::Arguments);
        }
        named.insert((server, service.clone()));
    }
    for (server, found) in board
        .servers()
        .filter(|(server, _)| listed.contains(server))
    {
        let lister = Lister {
            connector: found.connector.clone(),
            addr: found.addr.clone(),
            timeout: args.timeout,
            pause: args.relist,
        };
        listings.ask(server, lister);
    }
    let mut watching = Watching {
        changes: board.changes(),
        board,
        named,
        listings,
        notices: BTreeMap::new(),
        resized,
        shown: Shown::new(
            args.json,
            args.lines,
            args.all || args.targets.places.len() > 1,
        ),
    };
    let written = match interrupts.until(watching.run()).await {
        Some(written) => written,
        // What has changed since the last frame.
        None => watching.frame(),
    };
    Ok(ended(written, watching.board.exit()))
}

struct Watching {
    board: Board,
    changes: Changes,
    /// The services that the command line names, which no list takes away.
    named: BTreeSet<Place>,
    listings: Listings,
    /// What is to be said of each server's list.
    notices: BTreeMap<usize, String>,
    resized: Signal,
    shown: Shown,
}

enum Event {
    Changed(monitor::Pair),
    Listed(Listed),
    /// It is time for a frame.
    Frame,
}

impl Watching {
    /// Runs until stdout cannot be written.
    async fn run(&mut self) -> io::Result<()> {
        loop {
            match self.next().await {
                None => return Ok(()),
                Some(Event::Changed(news)) => {
                    let change = self.board.note(&news);
                    self.shown.change(change).await?;
                }
                Some(Event::Listed(listed)) => self.take(listed),
                Some(Event::Frame) => self.frame()?,
            }
        }
    }

    /// `None` if the monitor is gone.
    async fn next(&mut self) -> Option<Event> {
        let frame = self.shown.next_frame();
        let mut change = pin!(self.changes.next());
        let mut tick = pin!(async {
            match frame {
                Some(at) => sleep_until(at.into()).await,
                None => pending().await,
            }
        });
        poll_fn(|cx| {
            // A frame comes first, since changes may never end.
            if tick.as_mut().poll(cx).is_ready() || self.resized.poll_recv(cx).is_ready() {
                return Poll::Ready(Some(Event::Frame));
            }
            if let Poll::Ready(listed) = self.listings.poll(cx) {
                return Poll::Ready(Some(Event::Listed(listed)));
            }
            change
                .as_mut()
                .poll(cx)
                .map(|news| news.map(Event::Changed))
        })
        .await
    }

    fn frame(&mut self) -> io::Result<()> {
        let pairs: Vec<_> = self.board.pairs().collect();
        let notices: Vec<_> = self.notices.values().collect();
        self.shown.frame(&pairs, &notices)
    }

    /// Follows the services of a new list, and no longer those that are not in the list.
    fn take(&mut self, listed: Listed) {
        let server = listed.server;
        let notice = match listed.names {
            Ok(names) => {
                self.forget(server, &names);
                let add = |name: &String| self.board.add(server, name).err();
                match (names.iter().find_map(add), listed.more) {
                    (None, 0) => None,
                    (None, more) => Some(format!(
                        "the first {MAX_NAMES} services are watched, and {more} are not"
                    )),
                    (why, _) => why,
                }
            }
            Err(failure) => {
                // The server as a whole shows the state of a server whose services are not known.
                if self.board.names(server).next().is_none() {
                    // A board that is full shows enough.
                    let _ = self.board.add(server, "");
                }
                // That a server cannot be reached shows in the statuses.
                failure.code.map(|_| failure.words())
            }
        };
        self.shown.changed();
        let Some(notice) = notice else {
            self.notices.remove(&server);
            return;
        };
        let addr = self.board.servers().nth(server);
        let addr = addr.map(|(_, server)| server.addr.to_string());
        let notice = format!("{}: {notice}", addr.unwrap_or_default());
        // The same notice again would say nothing new.
        if self.notices.get(&server) != Some(&notice) {
            self.shown.notice(&notice);
            self.notices.insert(server, notice);
        }
    }

    /// Follows no longer those services of a server that are not in its list, unless the command line names them.
    fn forget(&mut self, server: usize, names: &BTreeSet<String>) {
        let gone: Vec<Place> = self
            .board
            .names(server)
            .filter(|name| !names.contains(*name))
            .map(|name| (server, name.clone()))
            .filter(|place| !self.named.contains(place))
            .collect();
        for place in &gone {
            self.board.remove(place);
        }
    }
}
