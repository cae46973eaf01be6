//! The files around the code that nothing else here runs agree with one another.

use std::{fs, path::Path};

use saphyr::{LoadableYamlNode, Yaml};

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
    with_yaml("docker-compose.yml", |compose| {
        let services = &compose["services"];
        let balancer = strings(&services["lb"]["command"]);
        let waits_for = strings(&services["lb"]["depends_on"]);
        let backends = waits_for.iter().map(|name| {
            let command = strings(&services[name.as_str()]["command"]);
            assert_eq!(command[0], "backend");
            format!("http://{name}:{}", flag(&command, "port"))
        });
        assert_eq!(flag(&balancer, "backends"), backends.collect::<Vec<_>>().join(","));
        assert_eq!(services.as_mapping().unwrap().len(), waits_for.len() + 1);

        let port = flag(&balancer, "port");
        assert_eq!(strings(&services["lb"]["ports"]), [format!("{port}:{port}")]);
        assert!(read("Dockerfile").contains(&format!("\nEXPOSE {port}\n")));
    });
}

#[test]
fn ci_does_what_a_person_can_do() {
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
