//! `completions` and `man`: what shells and `man` know of the command, made from its arguments.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::output::{Exit, ended, write};

const COMPLETIONS_NOTES: &str = "\
Examples:
  grpc-health completions bash > /usr/share/bash-completion/completions/grpc-health
  grpc-health completions zsh > /usr/local/share/zsh/site-functions/_grpc-health
  grpc-health completions fish > ~/.config/fish/completions/grpc-health.fish

Exit codes:
  0  printed
  1  bad arguments
  2  the script could not be written";

const MAN_NOTES: &str = "\
Examples:
  grpc-health man /usr/local/share/man/man1      a page for the command and one for each subcommand
  grpc-health man | man -l -                     reads the page of the command

Exit codes:
  0  written
  1  bad arguments
  2  a page could not be written";

#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_NOTES)]
pub(crate) struct CompletionsArgs {
    /// The shell that the script is for.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = MAN_NOTES)]
pub(crate) struct ManArgs {
    /// Write grpc-health.1, and a page for each subcommand such as grpc-health-check.1, into this directory. The directory is made if it is
    /// missing. [default: print grpc-health.1]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the script with which a shell completes the arguments of `command`.
pub(crate) fn completions(args: &CompletionsArgs, mut command: Command) -> Exit {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut command, name, &mut script);
    ended(write(&script), Exit::Serving)
}

/// Prints the manual page of `command`, or writes all pages.
pub(crate) fn man(args: &ManArgs, command: Command) -> Exit {
    // Subcommands get their whole names, and the options that all have.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let written = match &args.dir {
        None => page(&command).and_then(|page| write(&page)),
        Some(dir) => fs::create_dir_all(dir).and_then(|()| write_all(dir, &command)),
    };
    ended(written, Exit::Serving)
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

fn write_all(dir: &Path, command: &Command) -> io::Result<()> {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    let path = dir.join(format!("{name}.1"));
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut file = File::create(&path).map_err(named)?;
    file.write_all(&page(command)?).map_err(named)?;
    for subcommand in command.get_subcommands() {
        write_all(dir, subcommand)?;
    }
    Ok(())
}
