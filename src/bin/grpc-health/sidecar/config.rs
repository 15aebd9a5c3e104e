//! The configuration file: TOML that says the same as `--check`, `--group` and `--lease`.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::plan::{Complaint, Place, Planned};
use super::spec::{CheckSpec, GroupSpec, LeaseSpec, Spec};

type Key<'a> = Spanned<Cow<'a, str>>;
type Value<'a> = Spanned<DeValue<'a>>;

const KINDS: &[&str] = &["tcp", "grpc", "grpcs", "exec", "http", "https", "age"];

/// Reads the text of a configuration file: what the file says, or everything that is wrong with the file, by line.
pub(crate) fn read(text: &str) -> Result<Vec<Planned>, Vec<Complaint>> {
    let mut reader = Reader {
        text,
        planned: Vec::new(),
        complaints: Vec::new(),
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        reader.complain(&span, error.message());
    }
    // What stands behind an error of TOML may mean something else than its author thinks.
    if reader.complaints.is_empty() {
        reader.root(root.get_ref());
    }
    if reader.complaints.is_empty() {
        return Ok(reader.planned);
    }
    let mut complaints = reader.complaints;
    complaints.sort_by_key(|complaint| complaint.place.line());
    complaints.dedup_by_key(|complaint| complaint.place.line());
    Err(complaints)
}

struct Reader<'t> {
    text: &'t str,
    planned: Vec<Planned>,
    complaints: Vec<Complaint>,
}

impl Reader<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        before.iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    fn complain(&mut self, span: &Range<usize>, why: impl Into<String>) {
        let place = Place::Line(self.line(span));
        let why = why.into();
        self.complaints.push(Complaint { place, why });
    }

    fn plan(&mut self, span: &Range<usize>, spec: Result<Spec, String>) {
        match spec {
            Ok(spec) => {
                let place = Place::Line(self.line(span));
                self.planned.push(Planned { place, spec });
            }
            Err(why) => self.complain(span, why),
        }
    }

    fn root(&mut self, root: &DeTable<'_>) {
        for (key, value) in root {
            let Some(table) = self.table(key, value) else {
                continue;
            };
            match key.get_ref().as_ref() {
                "check" => {
                    for (name, value) in table {
                        if let Some(table) = self.table(name, value) {
                            self.check(name, table);
                        }
                    }
                }
                "group" => self.texts(table, |name, text| {
                    GroupSpec::new(name, text).map(Spec::Group)
                }),
                "lease" => self.texts(table, |name, text| {
                    LeaseSpec::new(name, text).map(Spec::Lease)
                }),
                other => {
                    let why = format!("no table \"{other}\": the tables are check, group, lease");
                    self.complain(&key.span(), why);
                }
            }
        }
    }

    fn table<'v, 'a>(&mut self, key: &Key<'_>, value: &'v Value<'a>) -> Option<&'v DeTable<'a>> {
        let table = match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => None,
        };
        if table.is_none() {
            let why = format!("\"{}\" must be a table", key.get_ref());
            self.complain(&key.span(), why);
        }
        table
    }

    /// The entries `NAME = "TEXT"` of a table.
    fn texts(&mut self, table: &DeTable<'_>, spec: impl Fn(&str, &str) -> Result<Spec, String>) {
        for (name, value) in table {
            let spec = match value.get_ref() {
                DeValue::String(text) => spec(name.get_ref(), text),
                _ => Err(format!("\"{}\" must be a string", name.get_ref())),
            };
            self.plan(&name.span(), spec);
        }
    }

    fn check(&mut self, name: &Key<'_>, table: &DeTable<'_>) {
        let (mut kinds, mut options) = (Vec::new(), Vec::new());
        for (key, value) in table {
            if KINDS.contains(&key.get_ref().as_ref()) {
                kinds.push((key, value));
            } else {
                options.push((key, value));
            }
        }
        kinds.sort_by_key(|(key, _)| key.span().start);
        let span = name.span();
        let Some(((kind, target), more)) = kinds.split_first() else {
            let name = name.get_ref();
            let inner = options.iter().find_map(|(key, value)| {
                let is_table = matches!(value.get_ref(), DeValue::Table(_));
                is_table.then(|| key.get_ref())
            });
            let why = match inner {
                Some(inner) => format!("quote a name with dots: [check.\"{name}.{inner}\"]"),
                None => format!(
                    "the check \"{name}\" has no kind: one of tcp, grpc, grpcs, exec, http, age"
                ),
            };
            return self.complain(&span, why);
        };
        if let Some((second, _)) = more.first() {
            let why = format!("\"{}\" is a second kind of one check", second.get_ref());
            return self.complain(&second.span(), why);
        }
        let DeValue::String(target) = target.get_ref() else {
            let why = format!("\"{}\" must be a string", kind.get_ref());
            return self.complain(&kind.span(), why);
        };
        let mut check = match CheckSpec::new(name.get_ref(), kind.get_ref(), target) {
            Ok(check) => check,
            Err(why) => return self.complain(&kind.span(), why),
        };
        for (key, value) in options {
            let result = match scalar(value.get_ref()) {
                Some(value) => check.option(key.get_ref(), &value),
                None => Err(format!(
                    "\"{}\" must be a string, a whole number, or true or false",
                    key.get_ref()
                )),
            };
            if let Err(why) = result {
                self.complain(&key.span(), why);
            }
        }
        self.plan(&name.span(), check.complete().map(Spec::Check));
    }
}

/// A value as `--check` would have it.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Boolean(is) => Some(is.to_string()),
        _ => None,
    }
}
