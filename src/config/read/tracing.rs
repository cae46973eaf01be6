//! The keys of traces.
//!
//! Programs with OpenTelemetry's own libraries are set up by variables of the environment, and an
//! operator who sets these for all programs expects them here, too. They fill in what the block leaves
//! out; they do not switch it on. The environment is an argument, and everything here is a function of
//! text.

use crate::config::{
    document::{Report, Section, Setting},
    keys::{
        ReadName,
        tracing::{
            ATTRIBUTES, CA, ENDPOINT, EXPORT_TIMEOUT, HEADERS, PARENT, PROTOCOL, QUERY,
            SERVICE_NAME, TRACE_SAMPLE, TRACING,
        },
    },
    model::{OtlpProtocol, Tracing},
    origin::Origin,
    values::{
        ATTRIBUTE, COLLECTOR, HEADER_TEXT, Kind, OTLP_PROTOCOL, TEXT, attribute_name, header_name,
        is_off, is_on, pairs, url_of_traces,
    },
};

/// The name of the process's own name among its attributes.
const SERVICE: &str = "service.name";
/// The name where nothing says another.
const DEFAULT_SERVICE: &str = "lb";
/// The variables with the collector's URL: the first as it is, the second without the path.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const HEADER_LISTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// The settings as the file has them, before the environment is asked.
#[derive(Debug)]
pub(in crate::config) struct Written {
    /// What does not depend on the environment.
    tracing: Tracing,
    endpoint: Setting<Box<str>>,
    protocol: Setting<OtlpProtocol>,
    service_name: Setting<Box<str>>,
}

/// Returns `None` if nothing is recorded.
pub(super) fn read(top: &mut Section<'_>) -> Option<Written> {
    let cursor = top.optional(&TRACING)?;
    match cursor.text() {
        Some(text) if is_off(text) => return None,
        Some(text) if is_on(text) => {
            let (expected, found) = (TRACING.expected, cursor.found());
            cursor.problem(format!("must be {expected}, {found}"));
            return None;
        }
        _ => {}
    }
    let read = |keys: &mut Section<'_>| Written {
        endpoint: keys.setting(&ENDPOINT),
        protocol: keys.setting(&PROTOCOL),
        service_name: keys.setting(&SERVICE_NAME),
        tracing: Tracing {
            endpoint: Box::default(),
            protocol: OtlpProtocol::HttpProtobuf,
            headers: keys.pairs(&HEADERS),
            sample: keys.get(&TRACE_SAMPLE),
            parent: keys.get(&PARENT),
            service_name: Box::default(),
            attributes: keys.pairs(&ATTRIBUTES),
            query: keys.get(&QUERY),
            timeout: keys.get(&EXPORT_TIMEOUT),
            ca: keys.given(&CA),
            origin: cursor.origin(),
        },
    };
    cursor.section(TRACING.expected, read)
}

/// The environment, and where its problems are reported.
struct Environment<'a, V> {
    report: &'a Report,
    origin: &'a Origin,
    variable: V,
}

impl<V: Fn(&str) -> Result<Option<String>, String>> Environment<'_, V> {
    /// The first of these variables that is set, with its name.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| match (self.variable)(name) {
            Ok(value) => Some((*name, value.filter(|value| !value.is_empty())?)),
            Err(message) => {
                self.problem(name, &message);
                None
            }
        })
    }

    fn problem(&self, name: &str, message: &str) {
        self.report.add(self.origin.clone(), format!("the environment's {name} {message}"));
    }

    /// The value of this kind in the first of these variables that is set.
    fn value<T>(&self, names: &[&'static str], kind: &Kind<T>) -> Option<(&'static str, T)> {
        let (name, text) = self.first(names)?;
        let value = (kind.parse)(&text).map_err(|message| self.problem(name, &message));
        Some((name, value.ok()?))
    }

    /// Adds the pairs in the first of these variables that is set, without those that are there.
    fn add<T>(
        &self,
        names: &[&'static str],
        (read, kind): (ReadName, &Kind<T>),
        to: &mut Vec<(Box<str>, T)>,
    ) {
        let Some((variable, text)) = self.first(names) else { return };
        let all = pairs(&text).map_err(|message| self.problem(variable, &message));
        for (name, value) in all.into_iter().flatten() {
            match read(&name).and_then(|name| Ok((name, (kind.parse)(&value)?))) {
                Ok((name, _)) if to.iter().any(|(known, _)| *known == name) => {}
                Ok(pair) => to.push(pair),
                Err(message) => self.problem(variable, &message),
            }
        }
    }
}

impl Written {
    /// The settings with what the environment adds; `variable` reads one of its variables.
    pub(in crate::config) fn settle(
        self,
        report: &Report,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Tracing {
        let Self { mut tracing, endpoint, protocol, service_name } = self;
        let origin = tracing.origin.clone();
        let environment = Environment { report, origin: &origin, variable };
        let protocol = protocol.given().or_else(|| {
            environment.value(&PROTOCOLS, &OTLP_PROTOCOL).map(|(_, protocol)| protocol)
        });
        tracing.protocol = protocol.unwrap_or(OtlpProtocol::HttpProtobuf);
        let at = endpoint.origin().cloned().unwrap_or_else(|| origin.clone());
        let given = match endpoint {
            Setting::LeftOut => environment.value(&ENDPOINTS, &COLLECTOR).map(|(name, url)| {
                // OpenTelemetry adds its path to this one even where it has a path already.
                let is_base =
                    name == ENDPOINTS[1] && tracing.protocol == OtlpProtocol::HttpProtobuf;
                if is_base { format!("{url}/v1/traces").into() } else { url }
            }),
            setting => setting.given(),
        };
        match url_of_traces(given.as_deref(), tracing.protocol) {
            Ok((odd, url)) => {
                if let Some(message) = odd {
                    report.warn(at.clone(), message);
                }
                tracing.endpoint = url;
            }
            Err(message) => report.add(at.clone(), message),
        }
        if tracing.ca.is_some() && !tracing.endpoint.starts_with("https:") {
            report.warn(at, "is no https:// URL, so ca has no effect");
        }
        environment.add(&HEADER_LISTS, (header_name, &HEADER_TEXT), &mut tracing.headers);
        environment.add(
            &["OTEL_RESOURCE_ATTRIBUTES"],
            (attribute_name, &ATTRIBUTE),
            &mut tracing.attributes,
        );
        let service_name = service_name
            .given()
            .or_else(|| environment.value(&["OTEL_SERVICE_NAME"], &TEXT).map(|(_, name)| name));
        tracing.service_name = service_name.unwrap_or_else(|| {
            let named = tracing.attributes.iter().find(|(name, _)| &**name == SERVICE);
            named.map_or_else(|| DEFAULT_SERVICE.into(), |(_, name)| name.clone())
        });
        tracing.attributes.retain(|(name, _)| &**name != SERVICE);
        tracing
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{
        document::{Cursor, Report, read_tree},
        model::Tracing,
        outside::Outside,
    };

    /// The settings that `yaml` and these variables are together, or the problems.
    fn settled(yaml: &str, variables: &[(&str, &str)]) -> Result<Tracing, Vec<String>> {
        let report = Report::default();
        let outside = Outside::fake(|_| None);
        let root = read_tree("lb.yaml", &format!("tracing: {yaml}\n"), &outside, &report).unwrap();
        let written = Cursor::root(&root, &report).section("", super::read);
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, value)| (*value).to_owned()))
        };
        let settled = written.flatten().map(|written| written.settle(&report, variable));
        let problems = report.into_parts().0;
        let texts = || problems.iter().map(ToString::to_string).collect();
        settled.filter(|_| problems.is_empty()).ok_or_else(texts)
    }

    const COLLECTOR: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[test]
    fn the_file_comes_first_then_the_environment_then_this_machine() {
        let url = |yaml: &str, variables: &[(&str, &str)]| {
            settled(yaml, variables).unwrap().endpoint.into_string()
        };
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1/in");
        assert_eq!(url("{}", &[]), "http://localhost:4318/v1/traces");
        assert_eq!(url("{}", &[COLLECTOR]), "http://collector:4318/v1/traces");
        assert_eq!(url("{}", &[COLLECTOR, own]), "http://traces:1/in");
        assert_eq!(url("{ endpoint: \"http://file:1\" }", &[own]), "http://file:1/v1/traces");
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector/otlp/");
        assert_eq!(url("{}", &[base]), "http://collector/otlp/v1/traces");
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert_eq!(url("{}", &[grpc]), "http://localhost:4317");
        assert_eq!(url("{}", &[grpc, ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1")]), "http://c:1");
        assert_eq!(url("{ protocol: http/protobuf }", &[grpc]), "http://localhost:4318/v1/traces");
    }

    #[test]
    fn names_attributes_and_headers_of_the_environment_are_added_to_those_of_the_file() {
        let variables = [
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,a=1,b=2"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "X-Key=one%20two,a=env"),
        ];
        let tracing = settled("{ attributes: { b: file }, headers: { A: file } }", &variables);
        let tracing = tracing.unwrap();
        assert_eq!(&*tracing.service_name, "shop");
        let attributes: Vec<_> = tracing.attributes.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(attributes, [("b", "file"), ("a", "1")]);
        let headers: Vec<_> = tracing.headers.iter().map(|(a, b)| (&**a, b.text())).collect();
        assert_eq!(headers, [("a", "file"), ("x-key", "one two")]);
        let named = [variables[0], ("OTEL_SERVICE_NAME", "own")];
        assert_eq!(&*settled("{}", &named).unwrap().service_name, "own");
        assert_eq!(&*settled("{ service_name: file }", &named).unwrap().service_name, "file");
        assert_eq!(&*settled("{}", &[]).unwrap().service_name, "lb");
    }

    #[test]
    fn a_wrong_variable_is_named_and_a_secret_is_not_told() {
        for (variable, part) in [
            (
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
                "OTEL_EXPORTER_OTLP_ENDPOINT must be",
            ),
            (("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"), "OTEL_EXPORTER_OTLP_PROTOCOL not yet"),
            (("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"), "OTEL_EXPORTER_OTLP_HEADERS must be"),
            (("OTEL_EXPORTER_OTLP_HEADERS", "a=s3cret%0a"), "OTEL_EXPORTER_OTLP_HEADERS must be"),
            (("OTEL_RESOURCE_ATTRIBUTES", "a"), "OTEL_RESOURCE_ATTRIBUTES must be"),
        ] {
            let problems = settled("{}", &[variable]).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(part), "{problems:?}");
            assert!(!problems[0].contains("s3cret"), "{problems:?}");
        }
    }
}
