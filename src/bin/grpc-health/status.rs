//! What a reported status means for an exit code and for a terminal.

use std::fmt::Display;

use grpc_health::client::ReportedStatus;

use crate::{
    output::Exit,
    terminal::{Color, Terminal},
};

pub(crate) const fn exit_of(status: ReportedStatus) -> Exit {
    if status.is_serving() {
        Exit::Serving
    } else {
        Exit::NotServing
    }
}

pub(crate) fn color_of(status: ReportedStatus) -> Color {
    match status {
        ReportedStatus::SERVING => Color::Green,
        ReportedStatus::NOT_SERVING => Color::Red,
        _ => Color::Yellow,
    }
}

/// The name of the status, in the color of the status if the terminal shows colors.
pub(crate) fn painted(terminal: Terminal, status: ReportedStatus) -> impl Display {
    terminal.paint(color_of(status), status)
}
