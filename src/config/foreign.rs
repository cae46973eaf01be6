//! Configurations of other programs, which people try first.
//!
//! A file that has none of our keys is compared with what others write. Recognised, it gets one message
//! that says what it is and where to go on, in place of the parser's complaint about its first brace.

/// A program whose configuration is recognised.
struct Program {
    name: &'static str,
    /// Whether a text without comments is one of its configurations.
    is_it: fn(&Lines<'_>) -> bool,
    /// Where its users read on.
    next: fn(&str) -> String,
}

/// The programs in the order in which they are tried: TOML is also written by Traefik.
const PROGRAMS: [Program; 9] = [
    Program { name: "a configuration of nginx", is_it: is_nginx, next: converted },
    Program { name: "a configuration of HAProxy", is_it: is_haproxy, next: converted },
    Program { name: "a Caddyfile", is_it: is_caddyfile, next: |_| page("Caddy") },
    Program { name: "a configuration of Traefik", is_it: is_traefik, next: |_| page("Traefik") },
    Program { name: "a configuration of Envoy", is_it: is_envoy, next: |_| quick_start() },
    Program { name: "a configuration of Apache", is_it: is_apache, next: |_| quick_start() },
    Program { name: "a Kubernetes manifest", is_it: is_manifest, next: |_| inside("data") },
    Program { name: "a file for Docker Compose", is_it: is_compose, next: |_| quick_start() },
    Program { name: "TOML", is_it: is_toml, next: |_| quick_start() },
];

/// The message about a file of another program, if it is one.
pub(super) fn recognised(file: &str, text: &str) -> Option<String> {
    let lines = Lines::of(text);
    let program = PROGRAMS.iter().find(|program| (program.is_it)(&lines))?;
    Some(format!("is {}, and lb reads its own YAML ({})", program.name, (program.next)(file)))
}

fn converted(file: &str) -> String {
    format!("\"lb convert {file}\" translates it")
}

fn page(program: &str) -> String {
    format!("the documentation has the recipes side by side: \"Coming from {program}\"")
}

fn quick_start() -> String {
    "the documentation begins with an example: \"Quick start\"".to_owned()
}

fn inside(key: &str) -> String {
    format!("give lb the file that it has under \"{key}:\"")
}

/// The lines of a text that are not empty and no comments, without their ends.
struct Lines<'a>(Vec<&'a str>);

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let is_content = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
        Self(text.lines().map(str::trim_end).filter(is_content).collect())
    }

    /// How many lines have one of these as their first word, and end in one of these characters.
    fn count(&self, words: &[&str], ends: &[char]) -> usize {
        let is_one = |line: &&&str| words.contains(&first(line)) && line.ends_with(ends);
        self.0.iter().filter(is_one).count()
    }

    /// How many lines at the left margin have one of these as their first word, and no colon.
    fn sections(&self, words: &[&str]) -> usize {
        let is_one = |line: &&&str| !line.starts_with(char::is_whitespace) && !line.contains(':');
        self.0.iter().filter(is_one).filter(|line| words.contains(&first(line))).count()
    }

    /// How many indented lines have one of these as their first word.
    fn indented(&self, words: &[&str]) -> usize {
        let lines = self.0.iter().filter(|line| line.starts_with(char::is_whitespace));
        lines.filter(|line| words.contains(&first(line))).count()
    }

    /// Whether a line at the left margin begins with this key.
    fn has_top(&self, key: &str) -> bool {
        self.0.iter().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
    }

    /// Whether a line at any level begins with this key, in quotes or not.
    fn has_key(&self, key: &str) -> bool {
        self.0.iter().any(|line| {
            let line = line.trim_start_matches(['{', ' ', '\t', '"', '-']);
            line.strip_prefix(key)
                .is_some_and(|rest| rest.trim_start_matches(['"', ' ']).starts_with(':'))
        })
    }
}

fn first(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

fn is_nginx(lines: &Lines<'_>) -> bool {
    let blocks = ["http", "events", "server", "upstream", "location", "stream"];
    let directives = [
        "user",
        "worker_processes",
        "listen",
        "server_name",
        "proxy_pass",
        "include",
        "server",
        "root",
        "return",
        "error_log",
        "access_log",
        "pid",
        "keepalive",
        "proxy_set_header",
    ];
    let is_on_one_line =
        |line: &&str| blocks.contains(&first(line)) && line.contains('{') && line.ends_with("; }");
    // `http {}` and a block whose brace is on the next line are rare.
    lines.0.iter().any(is_on_one_line)
        || lines.count(&blocks, &['{', '}']) > 0 && lines.count(&directives, &[';', '}']) > 0
        || lines.count(&directives, &[';']) > 1
}

fn is_haproxy(lines: &Lines<'_>) -> bool {
    let sections = ["global", "defaults", "frontend", "backend", "listen", "resolvers"];
    let settings = [
        "bind",
        "server",
        "mode",
        "balance",
        "default_backend",
        "use_backend",
        "timeout",
        "option",
        "maxconn",
        "log",
        "acl",
        "daemon",
        "stats",
        "http-request",
        "errorfile",
        "redirect",
        "nbthread",
        "retries",
        "user",
        "group",
        "chroot",
    ];
    lines.sections(&sections) > 0 && lines.indented(&settings) > 0
}

fn is_caddyfile(lines: &Lines<'_>) -> bool {
    let directives = [
        "reverse_proxy",
        "file_server",
        "handle",
        "handle_path",
        "php_fastcgi",
        "encode",
        "respond",
        "import",
        "tls",
        "root",
        "redir",
        "header",
        "log",
    ];
    let is_directive =
        |line: &&&str| directives.contains(&first(line)) && !first(line).ends_with(':');
    let is_plain = |line: &&&str| !line.ends_with(';') && !line.contains(": ");
    let found = lines.0.iter().filter(is_directive).filter(is_plain).count();
    let is_block = lines.0.iter().any(|line| line.ends_with('{'))
        && lines.0.iter().any(|line| line.trim() == "}");
    let is_short = lines.0.iter().any(|line| first(line) == "reverse_proxy");
    found > 0 && (is_block || is_short)
}

fn is_traefik(lines: &Lines<'_>) -> bool {
    let tables = ["[http.", "[entryPoints", "[providers", "[tcp.", "[certificatesResolvers"];
    let is_table = |line: &&str| {
        let line = line.trim_start().replacen("[[", "[", 1);
        tables.iter().any(|table| line.starts_with(table))
    };
    let is_dynamic = (lines.has_top("http") || lines.has_top("tcp"))
        && (lines.has_key("routers") || lines.has_key("services") || lines.has_key("middlewares"));
    let is_static = lines.has_top("entryPoints") || lines.has_top("certificatesResolvers");
    lines.0.iter().any(is_table) || is_dynamic || is_static
}

fn is_envoy(lines: &Lines<'_>) -> bool {
    lines.has_key("static_resources") || lines.has_key("dynamic_resources")
}

fn is_apache(lines: &Lines<'_>) -> bool {
    let is_tag = |line: &&str| line.trim_start().starts_with("<VirtualHost");
    lines.0.iter().any(is_tag) || lines.0.iter().any(|line| first(line) == "ProxyPass")
}

fn is_manifest(lines: &Lines<'_>) -> bool {
    lines.has_top("apiVersion") && lines.has_top("kind")
}

fn is_compose(lines: &Lines<'_>) -> bool {
    lines.has_top("services") && (lines.has_key("image") || lines.has_key("build"))
}

fn is_toml(lines: &Lines<'_>) -> bool {
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.\"".contains(c))
    };
    let is_table = |line: &str| {
        let table = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        table.is_some_and(|table| is_name(table.trim_matches(['[', ']'])))
    };
    let is_setting =
        |line: &str| line.split_once('=').is_some_and(|(key, _)| is_name(key.trim_end()));
    lines.0.first().is_some_and(|line| is_table(line) || is_setting(line))
        && lines.0.iter().any(|line| is_setting(line.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> &'static str {
        let lines = Lines::of(text);
        PROGRAMS.iter().find(|program| (program.is_it)(&lines)).map_or("", |program| program.name)
    }

    #[test]
    fn each_program_is_known_by_its_words() {
        for (text, expected) in [
            (
                "worker_processes auto;\nevents { worker_connections 1; }\nhttp {\n}",
                "a configuration of nginx",
            ),
            ("upstream web {\n  server a:1;\n}\n", "a configuration of nginx"),
            ("server { listen 80; }\n", "a configuration of nginx"),
            (
                "server {\n  listen 80;\n  location / { proxy_pass http://web; }\n}",
                "a configuration of nginx",
            ),
            ("server\n{\n  listen 80;\n  server_name a;\n}", "a configuration of nginx"),
            (
                "frontend web\n  bind :80\n  default_backend a\nbackend a\n  server s 10.0.0.1:80",
                "a configuration of HAProxy",
            ),
            ("# x\nglobal\n\tdaemon\n", "a configuration of HAProxy"),
            ("example.com {\n\treverse_proxy localhost:9001\n}", "a Caddyfile"),
            ("example.com\n\nreverse_proxy localhost:9001\n", "a Caddyfile"),
            (":8080 {\n  respond \"hi\"\n}", "a Caddyfile"),
            ("http:\n  routers:\n    web: {rule: x}\n", "a configuration of Traefik"),
            ("entryPoints:\n  web: {address: \":80\"}\n", "a configuration of Traefik"),
            ("[http.routers.web]\n  rule = \"x\"\n", "a configuration of Traefik"),
            (
                "[entryPoints]\n  [entryPoints.web]\n    address = \":80\"\n",
                "a configuration of Traefik",
            ),
            ("static_resources:\n  listeners: []\n", "a configuration of Envoy"),
            ("{\n  \"static_resources\": {}\n}", "a configuration of Envoy"),
            ("<VirtualHost *:80>\n</VirtualHost>", "a configuration of Apache"),
            ("apiVersion: v1\nkind: ConfigMap\ndata: {}\n", "a Kubernetes manifest"),
            ("services:\n  web:\n    image: nginx\n", "a file for Docker Compose"),
            ("[listeners]\naddress = \"0.0.0.0:8080\"\n", "TOML"),
            ("title = \"x\"\n[a]\n", "TOML"),
        ] {
            assert_eq!(name(text), expected, "{text}");
        }
    }

    #[test]
    fn our_own_mistakes_are_no_other_program() {
        for text in [
            "",
            "lb",
            "- address: 127.0.0.1:8080",
            "listener: [{ address: 127.0.0.1:8080 }]\nroute: []\n",
            "a: b = c\n",
            "web:\n  backends: [{ address: 127.0.0.1:9001 }]\n",
            "backends:\n  - server: a\n",
        ] {
            assert_eq!(name(text), "", "{text}");
        }
    }
}
