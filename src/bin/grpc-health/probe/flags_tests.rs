//! How flags are read.

use super::{
    durations::GoDuration,
    flags::{FLAGS, Flags, parse, usage},
};

fn read(args: &[&str]) -> Result<(Flags, Vec<String>), Option<String>> {
    parse(args.iter().map(|&arg| arg.to_owned()))
}

fn flags(args: &[&str]) -> Flags {
    let (flags, rest) = read(args).unwrap();
    assert_eq!(rest, [""; 0], "{args:?}");
    flags
}

fn with(change: impl FnOnce(&mut Flags)) -> Flags {
    let mut flags = Flags::default();
    change(&mut flags);
    flags
}

#[test]
fn one_dash_or_two_and_the_value_behind_an_equals_sign_or_in_the_next_argument() {
    let expected = with(|flags| flags.addr = "a:1".to_owned());
    for args in [
        &["-addr", "a:1"][..],
        &["--addr", "a:1"],
        &["-addr=a:1"],
        &["--addr=a:1"],
        &["-addr", "b:2", "-addr", "a:1"],
    ] {
        assert_eq!(flags(args), expected, "{args:?}");
    }
    assert_eq!(flags(&[]), Flags::default());
    // A value may look like a flag, and have further equals signs.
    assert_eq!(flags(&["-service", "-tls"]).service, "-tls");
    assert_eq!(flags(&["-service=a=b"]).service, "a=b");
    assert_eq!(flags(&["-service="]).service, "");
}

#[test]
fn booleans_take_a_value_only_behind_an_equals_sign() {
    for arg in ["-tls", "--tls", "-tls=true", "-tls=1", "-tls=T"] {
        assert!(flags(&[arg]).tls, "{arg}");
    }
    for arg in ["-tls=false", "--tls=0", "-tls=F"] {
        assert!(!flags(&["-tls", arg]).tls, "{arg}");
    }
    // As in Go, "false" ends the flags.
    let (read, rest) = read(&["-tls", "false", "-v"]).unwrap();
    assert_eq!(read, with(|flags| flags.tls = true));
    assert_eq!(rest, ["false", "-v"]);
}

#[test]
fn flags_end_at_two_dashes_and_at_the_first_other_argument() {
    for (args, rest) in [
        (&["-v", "--", "-tls"][..], &["-tls"][..]),
        (&["-v", "-", "-tls"], &["-", "-tls"]),
        (&["-v", "", "-tls"], &["", "-tls"]),
        (&["-v", "x"], &["x"]),
    ] {
        let (flags, found) = read(args).unwrap();
        assert_eq!(flags, with(|flags| flags.verbose = true), "{args:?}");
        assert_eq!(found, rest);
    }
}

#[test]
fn every_flag_has_its_place() {
    let text = |text: &str| text.to_owned();
    let duration = |text| GoDuration::parse(text).unwrap();
    let all = with(|flags| {
        *flags = Flags {
            addr: text("1"),
            service: text("2"),
            user_agent: text("3"),
            connect_timeout: duration("1m30s"),
            rpc_timeout: duration("500ms"),
            rpc_headers: vec![(text("k"), text("v: w ")), (text("K"), text(""))],
            tls: true,
            tls_no_verify: true,
            tls_ca_cert: text("4"),
            tls_client_cert: text("5"),
            tls_client_key: text("6"),
            tls_server_name: text("7"),
            alts: true,
            spiffe: true,
            gzip: true,
            verbose: true,
            version: true,
            timeout: duration("-1s"),
            connect_retry: true,
            not_found_exit: 255,
            json: true,
        };
    });
    let args = "-addr=1 -service=2 -user-agent=3 -connect-timeout=1m30s -rpc-timeout=500ms -tls -tls-no-verify -tls-ca-cert=4 \
                -tls-client-cert=5 -tls-client-key=6 -tls-server-name=7 -alts -spiffe -gzip -v -version -timeout=-1s -connect-retry \
                -not-found-exit=255 -json";
    let mut args: Vec<_> = args.split(' ').collect();
    args.extend(["-rpc-header", "k: \tv: w ", "-rpc-header=K:"]);
    assert_eq!(flags(&args), all);
}

#[test]
fn errors_are_those_of_go() {
    for (args, error) in [
        (&["-foo"][..], "flag provided but not defined: -foo"),
        (&["--foo=1"], "flag provided but not defined: -foo"),
        (&["---foo"], "bad flag syntax: ---foo"),
        (&["-=foo"], "bad flag syntax: -=foo"),
        (&["-addr"], "flag needs an argument: -addr"),
        (
            &["-connect-timeout", "1"],
            "invalid value \"1\" for flag -connect-timeout: parse error",
        ),
        (
            &["-tls=yes"],
            "invalid boolean value \"yes\" for -tls: parse error",
        ),
        (
            &["-rpc-header", "k"],
            "invalid value \"k\" for flag -rpc-header: invalid RPC header, expected 'key: value', got \"k\"",
        ),
        (
            &["-not-found-exit=256"],
            "invalid value \"256\" for flag -not-found-exit: expected a number of up to 255",
        ),
    ] {
        assert_eq!(read(args), Err(Some(error.to_owned())), "{args:?}");
    }
    for help in ["-h", "--help", "-help"] {
        assert_eq!(read(&[help]), Err(None), "{help}");
    }
}

#[test]
fn the_usage_is_laid_out_as_that_of_go() {
    let usage = usage();
    assert!(usage.starts_with("Usage:\n  -addr string\n    \t(required) "));
    for lines in [
        "\n  -connect-timeout duration\n    \ttimeout for establishing the connection (default 1s)\n",
        " of the RPC (default \"grpc_health_probe\")\n",
        "\n  -v\tverbose logs\n",
        " (default 3)\n",
        "\n  -rpc-header value\n    \t",
    ] {
        assert!(usage.contains(lines), "{lines:?}: {usage}");
    }
    let names = FLAGS.map(|flag| flag.0);
    assert!(names.is_sorted());
}
