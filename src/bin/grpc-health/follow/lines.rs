//! One line for each change.

use std::fmt::{self, Display};

use super::pair::Change;
use crate::{
    cells::{fill, width},
    escape::Escaped,
    json::Object,
    lasted::Lasted,
    name::Named,
    since::Since,
    terminal::{Color, Terminal},
};

/// A change between tabs, for programs: the time, the address, the service, the status, the previous status, the seconds that the previous
/// status lasted, and the reason.
pub(super) struct Tabs<'a>(pub(super) Change<'a>);

impl Display for Tabs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { at, pair } = &self.0;
        let (addr, service) = (Escaped(&pair.addr), Escaped(&pair.service));
        write!(f, "{}\t{addr}\t{service}\t{}\t", Since(*at), pair.seen)?;
        match &pair.previous {
            Some((before, lasted)) => write!(f, "{before}\t{:.3}", lasted.as_secs_f64())?,
            None => f.write_str("\t")?,
        }
        write!(f, "\t{}", pair.seen.reason())
    }
}

/// A change as an object of JSON.
pub(super) fn object(Change { at, pair }: &Change<'_>) -> Object {
    let object = Object::new()
        .text("time", Since(*at))
        .text("address", &pair.addr)
        .text("service", &pair.service)
        .text("status", &pair.seen);
    let object = match &pair.previous {
        Some((before, lasted)) => object
            .text("previous", before)
            .plain("seconds", format_args!("{:.3}", lasted.as_secs_f64())),
        None => object
            .optional("previous", None::<&str>)
            .optional("seconds", None::<&str>),
    };
    let reason = pair.seen.reason();
    object.optional("reason", (!reason.is_empty()).then_some(reason))
}

/// The columns of a terminal that addresses and services take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Columns {
    addr: usize,
    service: usize,
}

impl Columns {
    /// A longer text moves the rest of its own line.
    const MAX: usize = 40;

    pub(super) fn widen(&mut self, addr: &str, service: &str) {
        let addr = width(&Escaped(addr).to_string());
        let service = width(&Named(service).to_string());
        self.addr = self.addr.max(addr.min(Self::MAX));
        self.service = self.service.max(service.min(Self::MAX));
    }
}

/// A change for people.
pub(super) struct Aligned<'a>(
    pub(super) Change<'a>,
    pub(super) Columns,
    pub(super) Terminal,
);

impl Display for Aligned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Change { at, pair }, columns, terminal) = self;
        let addr = Escaped(&pair.addr).to_string();
        let service = Named(&pair.service).to_string();
        write!(
            f,
            "{}  {addr}{}  {service}{}  {}",
            terminal.paint(Color::Dim, Since(*at)),
            fill(&addr, columns.addr),
            fill(&service, columns.service),
            terminal.paint(pair.seen.color(), &pair.seen),
        )?;
        if let Some((before, lasted)) = &pair.previous {
            write!(f, "  was {before} for {}", Lasted(*lasted))?;
        }
        match pair.seen.reason() {
            "" => Ok(()),
            reason => write!(f, "  ({reason})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use grpc_health::client::ReportedStatus;

    use super::*;
    use crate::{
        follow::pair::{Pair, Seen},
        output::Exit,
    };

    const AT: SystemTime = UNIX_EPOCH;

    fn pair() -> Pair {
        let start = Instant::now();
        let mut pair = Pair::new("a:1".to_owned(), "b\tc".to_owned(), start);
        pair.note(Seen::Reported(ReportedStatus::SERVING), start);
        pair
    }

    fn lost() -> Pair {
        let mut pair = pair();
        let later = pair.since + Duration::from_millis(61_500);
        pair.note(Seen::lost("refused", Exit::Connect), later);
        pair
    }

    #[test]
    fn programs_get_seven_columns() {
        let text = |pair: &Pair| Tabs(Change { at: AT, pair }).to_string();
        let time = "1970-01-01T00:00:00.000Z";
        assert_eq!(text(&pair()), format!("{time}\ta:1\tb\\tc\tSERVING\t\t\t"));
        assert_eq!(
            text(&lost()),
            format!("{time}\ta:1\tb\\tc\tUNREACHABLE\tSERVING\t61.500\trefused")
        );
    }

    #[test]
    fn programs_get_objects() {
        let text = |pair: &Pair| object(&Change { at: AT, pair }).end();
        let begin = r#"{"time":"1970-01-01T00:00:00.000Z","address":"a:1","service":"b\u0009c","#;
        assert_eq!(
            text(&pair()),
            format!(r#"{begin}"status":"SERVING","previous":null,"seconds":null,"reason":null}}"#)
        );
        assert_eq!(
            text(&lost()),
            format!(
                r#"{begin}"status":"UNREACHABLE","previous":"SERVING","seconds":61.500,"reason":"refused"}}"#
            )
        );
    }

    #[test]
    fn people_get_aligned_columns() {
        let mut columns = Columns::default();
        columns.widen("a:1", "");
        columns.widen("long:10", "b\tc");
        columns.widen(&"x".repeat(41), "");
        columns.addr = columns.addr.min(7);
        let terminal = Terminal {
            is_terminal: true,
            redraws: true,
            colors: false,
        };
        let text = |pair: &Pair| Aligned(Change { at: AT, pair }, columns, terminal).to_string();
        assert_eq!(
            text(&lost()),
            "1970-01-01T00:00:00.000Z  a:1      b\\tc  UNREACHABLE  was SERVING for 1m 01s  (refused)"
        );
    }
}
