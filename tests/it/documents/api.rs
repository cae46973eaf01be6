//! The OpenAPI file of the admin listener against the real one: every path, every status that the file
//! lists, and every field of every answer, none more and none fewer.

use std::{collections::BTreeSet, fs, net::SocketAddr};

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Map, Value, json};

use super::page::root;
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, Response, get},
    eventually::eventually,
    metrics::{ADMIN, Asked, TOKEN},
    process::LbProcess,
};

/// Statuses that the file lists and this test does not bring about; other tests do.
const UNSEEN: [&str; 2] = ["get /ready 503", "get /api/v1/events 503"];
/// The status for a name with several addresses, which needs a name server that says so; and for the
/// ejection of the last backend.
const CONFLICT: &str = " 409";

fn json(yaml: &Yaml<'_>) -> Value {
    if let Some(mapping) = yaml.as_mapping() {
        let key = |key: &Yaml<'_>| key.as_str().expect("keys are words").to_owned();
        return Value::Object(mapping.iter().map(|(k, value)| (key(k), json(value))).collect());
    }
    if let Some(items) = yaml.as_sequence() {
        return items.iter().map(json).collect();
    }
    match (yaml.as_bool(), yaml.as_integer(), yaml.as_str()) {
        (Some(truth), _, _) => json!(truth),
        (_, Some(number), _) => json!(number),
        (_, _, Some(text)) => json!(text),
        _ => Value::Null,
    }
}

/// The file.
struct Spec(Value);

/// A method at a path.
struct Operation<'a> {
    path: &'a str,
    method: &'a str,
    value: &'a Value,
}

impl Operation<'_> {
    fn statuses(&self) -> impl Iterator<Item = &String> {
        self.value["responses"].as_object().expect("responses").keys()
    }

    fn example(&self) -> Value {
        self.value["requestBody"]["content"]["application/json"]["example"].clone()
    }
}

impl Spec {
    fn read() -> Self {
        let path = root().join("docs/src/reference/openapi.yaml");
        let text = fs::read_to_string(path).expect("the file is there");
        let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        Self(json(&documents[0]))
    }

    fn paths(&self) -> &Map<String, Value> {
        self.0["paths"].as_object().expect("paths")
    }

    fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        self.paths().iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.iter().map(move |(method, value)| Operation { path, method, value })
        })
    }

    /// What a reference leads to.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(target) => self.0.pointer(target.trim_start_matches('#')).expect("it exists"),
            None => value,
        }
    }

    /// The places where a value is not as its schema says.
    fn faults(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let schema = self.resolved(schema);
        if let Some(branches) = schema["anyOf"].as_array() {
            let is_one = branches.iter().any(|one| self.faults(one, value, at).is_empty());
            return if is_one { vec![] } else { vec![format!("{at}: {value} is none of these")] };
        }
        let types = match &schema["type"] {
            Value::Array(types) => types.clone(),
            one => vec![one.clone()],
        };
        if !types.iter().any(|one| is_of(one.as_str().expect("a type"), value)) {
            return vec![format!("{at}: {value} is not {types:?}")];
        }
        match value {
            Value::Object(object) => self.faults_of_object(schema, object, at),
            Value::Array(items) => {
                let of_item = |item| self.faults(&schema["items"], item, at);
                items.iter().flat_map(of_item).collect()
            }
            _ => vec![],
        }
    }

    fn faults_of_object(
        &self,
        schema: &Value,
        object: &Map<String, Value>,
        at: &str,
    ) -> Vec<String> {
        let Some(properties) = schema["properties"].as_object() else { return vec![] };
        let required = schema["required"].as_array().into_iter().flatten();
        let required = required.map(|name| name.as_str().expect("a name"));
        let missing = required.filter(|name| !object.contains_key(*name));
        let mut faults: Vec<_> = missing.map(|name| format!("{at}.{name} is missing")).collect();
        for (name, value) in object {
            match properties.get(name) {
                Some(schema) => faults.extend(self.faults(schema, value, &format!("{at}.{name}"))),
                None => faults.push(format!("{at}.{name} is not in the file")),
            }
        }
        faults
    }
}

fn is_of(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}

/// A real admin listener, and the statuses that it has answered with.
struct Asker<'a> {
    spec: &'a Spec,
    admin: SocketAddr,
    backend: String,
    seen: BTreeSet<String>,
}

/// What is unusual about a request.
#[derive(Default)]
struct Unusual {
    without_token: bool,
    pool: Option<&'static str>,
    backend: Option<String>,
    query: Option<&'static str>,
    body: Option<&'static [u8]>,
}

impl Asker<'_> {
    fn target(&self, operation: &Operation<'_>, unusual: &Unusual) -> String {
        let backend = unusual.backend.as_ref().unwrap_or(&self.backend);
        let path = operation.path.replace("{pool}", unusual.pool.unwrap_or("web"));
        let path = path.replace("{address}", backend);
        let parameters = operation.value["parameters"].as_array().into_iter().flatten();
        let pairs = parameters.filter(|one| one["in"] == "query").map(|one| {
            let text = |name: &str| one[name].as_str().expect("a text");
            format!("{}={}", text("name"), text("example"))
        });
        let query = pairs.collect::<Vec<_>>().join("&");
        match unusual.query.unwrap_or(&query) {
            "" => path,
            query => format!("{path}?{query}"),
        }
    }

    /// Sends the request, and compares the answer with the file.
    fn ask(&mut self, operation: &Operation<'_>, unusual: Unusual) -> u16 {
        let target = self.target(operation, &unusual);
        let bearer = format!("Bearer {TOKEN}");
        let mut headers = vec![("X-Requested-With", "test"), ("Authorization", &bearer)];
        if unusual.without_token {
            headers.pop();
        }
        let example = operation.example().to_string().replace("TOKEN", TOKEN);
        let usual: &[u8] = if operation.example().is_null() { b"" } else { example.as_bytes() };
        let body = unusual.body.unwrap_or(usual);
        let mut connection = Connection::open(self.admin).unwrap();
        let method = operation.method.to_uppercase();
        let response = connection.request(&method, &target, &headers, body).unwrap();
        let is_listed = self.compare(operation, &response, &target);
        assert!(is_listed || unusual.without_token, "{method} {target}: {}", response.status);
        response.status
    }

    /// Whether the file lists the status; if so, the answer has to be as it says.
    fn compare(&mut self, operation: &Operation<'_>, response: &Response, target: &str) -> bool {
        let status = response.status.to_string();
        let Some(listed) = operation.value["responses"].get(&status) else { return false };
        let Operation { path, method, .. } = operation;
        self.seen.insert(format!("{method} {path} {status}"));
        let place = format!("{method} {target} {status}");
        let Some(content) = listed["content"].as_object() else {
            assert!(response.body.is_empty(), "{place}: {}", response.text());
            return true;
        };
        let (media, content) = content.iter().next().expect("one type");
        let actual = response.header("Content-Type").unwrap();
        assert!(actual.starts_with(media.as_str()), "{place}: {actual}");
        if media == "application/json" {
            let value = serde_json::from_slice(&response.body).expect("JSON");
            let faults = self.spec.faults(&content["schema"], &value, &place);
            assert!(faults.is_empty(), "{}", faults.join("\n"));
        }
        true
    }

    /// Opens the stream, and compares the first event with the file.
    fn follow(&mut self, operation: &Operation<'_>) {
        let mut connection = Connection::open(self.admin).unwrap();
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
            operation.path
        );
        connection.send(head.as_bytes()).unwrap();
        let mut text = String::new();
        while !text.contains("}\n\n") {
            text += &String::from_utf8_lossy(&connection.receive().unwrap());
        }
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert!(text.to_lowercase().contains("content-type: text/event-stream"), "{text}");
        let (_, data) = text.split_once("\ndata: ").unwrap();
        let event = serde_json::from_str(data.lines().next().unwrap()).unwrap();
        let schema = &self.spec.0["components"]["schemas"]["Event"];
        assert_eq!(self.spec.faults(schema, &event, "event"), Vec::<String>::new());
        self.seen.insert(format!("get {} 200", operation.path));
    }
}

fn configuration(backends: &[&ScriptedBackend]) -> String {
    let backends: Vec<_> =
        backends.iter().map(|one| format!("{{ address: {} }}", one.address())).collect();
    format!(
        "listeners: [{{ address: 127.0.0.1:0, tls: {{ local: [localhost] }} }}]\n\
         routes: [{{ pool: web }}]\n\
         pools: {{ web: {{ backends: [{}] }} }}\n\
         state_dir: state\n{ADMIN}\n",
        backends.join(", ")
    )
}

#[test]
fn the_openapi_file_describes_the_real_listener() {
    let spec = Spec::read();
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let mut lb = LbProcess::with_config(&configuration(&[&a, &b]), &[]);
    let admin = Asked::of(&mut lb).0;
    lb.address();
    eventually(PATIENCE, "it is ready", || get(admin, "/ready").status == 200);
    let backend = a.address().to_string();
    let mut asker = Asker { spec: &spec, admin, backend, seen: BTreeSet::new() };
    for operation in spec.operations() {
        let is_stream = operation.path.ends_with("/events");
        if is_stream {
            asker.follow(&operation);
        } else {
            asker.ask(&operation, Unusual::default());
        }
        let statuses: BTreeSet<_> = operation.statuses().map(String::as_str).collect();
        let is_public = operation.value["security"].is_array();
        let is_login = ["/login", "/logout"].contains(&operation.path);
        if !is_public && !is_login && !is_stream {
            let without = Unusual { without_token: true, ..Unusual::default() };
            assert_eq!(asker.ask(&operation, without), 401, "{}", operation.path);
        }
        if statuses.contains("404") {
            asker.ask(&operation, Unusual { pool: Some("other"), ..Unusual::default() });
        }
        if statuses.contains("400") {
            let (query, body) = (Some("client=nonsense"), Some(b"{\"other\": 1}".as_slice()));
            let is_get = operation.method == "get";
            let (query, body) = if is_get { (query, None) } else { (None, body) };
            asker.ask(&operation, Unusual { query, body, ..Unusual::default() });
        }
        if operation.path.ends_with("/login") {
            let body = Some(b"{\"token\": \"wrong\"}".as_slice());
            asker.ask(&operation, Unusual { body, ..Unusual::default() });
        }
    }
    let eject = spec.operations().find(|it| it.path.ends_with("/eject")).unwrap();
    asker.ask(&eject, Unusual::default());
    let last = Unusual { backend: Some(b.address().to_string()), ..Unusual::default() };
    assert_eq!(asker.ask(&eject, last), 409);
    let reload = spec.operations().find(|it| it.path.ends_with("/reload")).unwrap();
    fs::write(lb.folder().join("lb.yaml"), "listeners: none\n").unwrap();
    assert_eq!(asker.ask(&reload, Unusual::default()), 422);
    let listed = spec.operations().flat_map(|operation| {
        let of = |status| format!("{} {} {status}", operation.method, operation.path);
        operation.statuses().map(of).collect::<Vec<_>>()
    });
    let unseen: Vec<_> =
        listed.filter(|one| !one.ends_with(CONFLICT) && !asker.seen.contains(one)).collect();
    assert_eq!(unseen, UNSEEN);
}

#[test]
fn the_openapi_file_has_every_path() {
    let backend = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&configuration(&[&backend]), &[]);
    let admin = Asked::of(&mut lb).0;
    let bearer = format!("Bearer {TOKEN}");
    let mut connection = Connection::open(admin).unwrap();
    let answer = connection.request("GET", "/nowhere", &[("Authorization", &bearer)], b"").unwrap();
    let text = answer.text();
    let words = text.split(|c: char| c.is_whitespace() || ",;".contains(c));
    let is_file = |path: &str| path == "/" || path.contains('.');
    let real: BTreeSet<&str> =
        words.filter(|word| word.starts_with('/') && !is_file(word)).collect();
    let spec = Spec::read();
    let listed: BTreeSet<&str> = spec.paths().keys().map(String::as_str).collect();
    assert_eq!(listed, real, "{text}");
}
