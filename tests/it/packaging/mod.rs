//! Files around the code that no other test runs: they agree with one another.

/// The Debian package, installed into a folder.
mod debian;
/// The kustomize base, and its example.
mod kubernetes;
/// The workflow that makes a release, and the image.
mod release;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use lb::config::{self, Config, Flags};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::new_folder;

const BINARY: &str = "/usr/local/bin/lb";
const CONF: &str = "/etc/lb/lb.yaml";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn with_yaml<T>(path: &str, ask: impl FnOnce(&Yaml<'_>) -> T) -> T {
    let text = read(path);
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    ask(&documents[0])
}

fn strings(list: &Yaml<'_>) -> Vec<String> {
    list.as_sequence()
        .expect("a list")
        .iter()
        .map(|item| item.as_str().expect("a string").to_owned())
        .collect()
}

fn flag(command: &[String], name: &str) -> String {
    let value = command.iter().find_map(|word| word.strip_prefix(&format!("--{name}=")));
    value.unwrap_or_else(|| panic!("{command:?} has --{name}=")).to_owned()
}

#[test]
fn the_composed_balancer_knows_the_composed_backends() {
    let text = read("deploy/compose/lb.yaml");
    let loaded = config::parse("lb.yaml", &text, &Flags::default())
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert!(config.process.watch, "no command reloads it in a container");
    with_yaml("docker-compose.yml", |compose| {
        let services = &compose["services"];
        let balancer = &services["lb"];
        let waits_for = strings(&balancer["depends_on"]);
        let backends = waits_for.iter().map(|name| {
            let command = strings(&services[name.as_str()]["command"]);
            assert_eq!(command[0], "backend");
            format!("{name}:{}", flag(&command, "port"))
        });
        let known = config.pools[0].backends.iter().map(|one| one.address.to_string());
        assert_eq!(known.collect::<Vec<_>>(), backends.collect::<Vec<_>>());
        assert_eq!(services.as_mapping().unwrap().len(), waits_for.len() + 1);

        let port = config.listeners[0].address.tcp().expect("a port").port();
        let admin = config.admin.expect("the page is part of a first look");
        assert!(admin.token.is_some(), "other containers can connect to it");
        let admin = admin.address.tcp().expect("a port").port();
        let published = [format!("{port}:{port}"), format!("127.0.0.1:{admin}:{admin}")];
        assert_eq!(strings(&balancer["ports"]), published);
        assert!(read("Dockerfile").contains(&format!("\nEXPOSE {port}\n")));
    });
}

#[test]
fn what_a_first_look_starts_has_a_status_page_on_this_machine_alone() {
    let text = read("conf/lb.yaml");
    let loaded = config::parse("lb.yaml", &text, &Flags::default());
    let admin = loaded.unwrap_or_else(|problems| panic!("{problems}")).config.admin;
    let address = admin.expect("a listener").address.tcp().expect("a port");
    assert!(address.ip().is_loopback(), "{address}");
}

#[test]
fn contributors_are_told_of_everything_that_is_installed() {
    let script = read("scripts/install-build-tools.sh");
    let contributing = read("CONTRIBUTING.md");
    let tools =
        ["cmake", "chromium", "prometheus", "openssl", "curl", "nghttp", "pebble", "python"];
    for tool in tools {
        assert!(script.contains(tool), "{tool} is installed");
        assert!(contributing.to_lowercase().contains(tool), "CONTRIBUTING.md does not name {tool}");
    }
}

/// The metadata of cargo about the dependencies on this machine.
fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let version = Command::new(&cargo).arg("-vV").output().expect("cargo runs");
    let version = String::from_utf8(version.stdout).expect("text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let outcome = Command::new(cargo)
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--filter-platform",
            host,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    serde_json::from_slice(&outcome.stdout).expect("JSON")
}

fn version(text: &str) -> Vec<u64> {
    text.split('.').map(|part| part.parse().expect("a number")).collect()
}

/// There is one toolchain here, so the oldest one is computed and not tried.
#[test]
fn the_oldest_toolchain_that_is_named_builds_the_dependencies() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let resolved: Vec<_> = metadata["resolve"]["nodes"].as_array().expect("nodes").iter().collect();
    let is_used = |package: &&Value| resolved.iter().any(|node| node["id"] == package["id"]);
    let ours = version(env!("CARGO_PKG_RUST_VERSION"));
    let newer: Vec<_> = packages
        .iter()
        .filter(is_used)
        .filter(|package| {
            let wanted = package["rust_version"].as_str();
            wanted.is_some_and(|wanted| version(wanted)[..2] > ours[..2])
        })
        .map(|package| (&package["name"], &package["rust_version"]))
        .collect();
    assert!(newer.is_empty(), "rust-version in Cargo.toml is older than that of {newer:?}");
    assert!(
        read("CONTRIBUTING.md").contains(&format!("({} or later", env!("CARGO_PKG_RUST_VERSION")))
    );
}

#[test]
fn the_amplification_that_is_accepted_is_that_of_the_defaults() {
    let retry = config::Retry::default();
    let share = retry.budget.get();
    let security = read("SECURITY.md").split_whitespace().collect::<Vec<_>>().join(" ");
    for stated in [
        format!("at most {} attempts on backends", retry.attempts),
        format!("at most {share} % of its requests"),
        format!("or {} a second if that is more", retry.budget_min),
        format!(
            "causes {} attempts for each request in the long run",
            1.0 + f64::from(share) / 100.0
        ),
        format!("plus {} a second for each pool", retry.budget_min),
    ] {
        assert!(security.contains(&stated), "SECURITY.md does not say: {stated}");
    }
}

#[test]
fn ci_runs_the_same_commands_as_a_contributor() {
    with_yaml(".github/workflows/ci.yml", |workflow| {
        let steps = workflow["jobs"]["check"]["steps"].as_sequence().expect("a list");
        assert_eq!(steps.last().expect("a step")["run"].as_str(), Some(".ci/run"));
    });
    assert!(read("Makefile").contains("\n\t@.ci/run\n"));
    assert!(read(".ci/run").contains(" make test\n"));
}

#[test]
fn the_image_is_built_from_everything_that_the_build_reads() {
    let allowed = read(".dockerignore");
    for path in ["Cargo.toml", "Cargo.lock", "src", "benches", "scripts", "ARCHITECTURE.md"] {
        assert!(allowed.contains(&format!("\n!{path}\n")), "{path} is let in");
    }
}

/// The values of a setting of the unit, in file order.
fn unit(name: &str) -> Vec<String> {
    let unit = read("conf/lb.service");
    unit.lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
        .collect()
}

/// Asks about the object of this kind in the Kubernetes manifest.
fn with_manifest<T>(kind: &str, ask: impl FnOnce(&Yaml<'_>) -> T) -> T {
    let text = read("deploy/kubernetes/base/lb.yaml");
    let objects = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let object = objects.iter().find(|object| object["kind"].as_str() == Some(kind));
    ask(object.unwrap_or_else(|| panic!("a {kind}")))
}

/// The configuration with a token where the cluster puts the secret, and the folder that has it.
fn in_a_pod(text: &str) -> (TempDir, String) {
    let folder = new_folder();
    let token = folder.path().join("token");
    let in_pod = "/run/secrets/lb/token";
    assert!(text.contains(in_pod), "{text}");
    fs::write(&token, "0123456789abcdef\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let text = text.replace(in_pod, token.to_str().unwrap());
    (folder, text)
}

/// The configuration in the ConfigMap.
fn deployed_configuration() -> Config {
    let text = with_manifest("ConfigMap", |map| {
        map["data"]["lb.yaml"].as_str().expect("lb.yaml in the ConfigMap").to_owned()
    });
    let (_folder, text) = in_a_pod(&text);
    let loaded = config::parse("lb.yaml", &text, &Flags::default())
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
    loaded.config
}

#[test]
fn every_example_names_the_same_binary_and_the_same_file() {
    assert_eq!(unit("ExecStart"), [format!("{BINARY} -c {CONF}")]);
    assert_eq!(unit("ExecReload"), [format!("{BINARY} reload -c {CONF}")]);
    assert!(
        read("deploy/keepalived.conf").contains(&format!("script \"{BINARY} health -c {CONF}\""))
    );

    let image = read("Dockerfile");
    assert!(image.contains(&format!("\nENTRYPOINT [\"{BINARY}\"]\n")));
    assert!(image.contains(&format!("\nCMD [\"-c\", \"{CONF}\"]\n")));
    assert!(image.contains(&format!(" CMD [\"{BINARY}\", \"health\", \"-c\", \"{CONF}\"]\n")));

    with_yaml("docker-compose.yml", |compose| {
        let balancer = &compose["services"]["lb"];
        assert!(balancer.as_mapping_get("command").is_none(), "the image's own command is right");
        let folder = Path::new(CONF).parent().unwrap().display();
        assert_eq!(strings(&balancer["volumes"]), [format!("./deploy/compose:{folder}:ro")]);
    });

    with_manifest("Deployment", |deployment| {
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(strings(&container["args"]), ["-c", CONF]);
        let mount = &container["volumeMounts"][0];
        assert_eq!(mount["mountPath"].as_str(), Path::new(CONF).parent().unwrap().to_str());
        let sub_path = mount.as_mapping_get("subPath");
        assert!(sub_path.is_none(), "a file mounted by subPath never changes");
    });
}

#[test]
fn the_unit_and_logrotate_agree_on_the_user_and_the_folders() {
    let [user] = &unit("User")[..] else { panic!("one user") };
    let [logs] = &unit("LogsDirectory")[..] else { panic!("one folder for logs") };
    let rotation = read("conf/lb.logrotate");
    assert!(rotation.contains(&format!("\n/var/log/{logs}/*.log {{\n")));
    assert!(rotation.contains(&format!("\n    create 0640 {user} ")));
    assert!(rotation.contains(&format!("\n    su {user} ")));
    assert!(rotation.contains(" lb.service "));
    assert!(read("deploy/keepalived.conf").contains(&format!("\n    script_user {user} ")));
}

#[test]
fn every_manager_waits_until_the_balancer_has_drained() {
    let usual = config::Shutdown::default();
    let grace: Vec<u64> = unit("TimeoutStopSec").iter().map(|s| s.parse().unwrap()).collect();
    assert!(Duration::from_secs(grace[0]) > usual.delay + usual.timeout);

    let deployed = deployed_configuration().process.shutdown;
    assert!(deployed.delay > Duration::ZERO, "no preStop does it");
    with_manifest("Deployment", |deployment| {
        let pod = &deployment["spec"]["template"]["spec"];
        let grace = pod["terminationGracePeriodSeconds"].as_integer().expect("a number");
        let grace = Duration::from_secs(grace.try_into().unwrap());
        assert!(grace > deployed.delay + deployed.timeout);
    });
}

#[test]
fn the_pod_has_the_ports_that_its_configuration_opens() {
    let config = deployed_configuration();
    assert!(config.process.watch, "no process sends a signal into a pod");
    let admin = config.admin.expect("probes ask it").address.tcp().unwrap();
    assert!(admin.ip().is_unspecified(), "the kubelet asks from outside");
    with_manifest("Deployment", |deployment| {
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let port = |name: &str| {
            let ports = container["ports"].as_sequence().expect("a list");
            let port = ports.iter().find(|port| port["name"].as_str() == Some(name));
            port.expect("it is listed")["containerPort"].as_integer().expect("a number")
        };
        assert_eq!(
            port("http"),
            i64::from(config.listeners[0].address.tcp().expect("a port").port())
        );
        assert_eq!(port("admin"), i64::from(admin.port()));
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"].as_str(), Some("admin"), "{probe}");
        }
        assert_eq!(container["livenessProbe"]["httpGet"]["path"].as_str(), Some("/live"));
    });
}

#[test]
fn the_manifest_selects_its_own_pods() {
    let labels = |labels: &Yaml<'_>| {
        labels["app.kubernetes.io/name"].as_str().expect("the label").to_owned()
    };
    let pods = with_manifest("Deployment", |deployment| {
        let spec = &deployment["spec"];
        let pods = labels(&spec["template"]["metadata"]["labels"]);
        assert_eq!(labels(&spec["selector"]["matchLabels"]), pods);
        pods
    });
    assert_eq!(with_manifest("Service", |service| labels(&service["spec"]["selector"])), pods);
    with_manifest("PodDisruptionBudget", |budget| {
        assert_eq!(labels(&budget["spec"]["selector"]["matchLabels"]), pods);
    });
}
