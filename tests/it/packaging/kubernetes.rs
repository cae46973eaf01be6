//! The kustomize base and its example: every name in one of them is in the other. `kubectl kustomize` puts them
//! together; it is not asked for here, because few machines have it.

use lb::config::{self, Flags};
use saphyr::Yaml;

use super::{in_a_pod, read, strings, with_manifest, with_yaml};

const BASE: &str = "deploy/kubernetes/base/kustomization.yaml";
const EXAMPLE: &str = "deploy/kubernetes/example/kustomization.yaml";

fn one<'a>(list: &'a Yaml<'a>) -> &'a Yaml<'a> {
    let list = list.as_sequence().expect("a list");
    assert_eq!(list.len(), 1);
    &list[0]
}

#[test]
fn the_base_is_the_manifest_and_the_example_is_over_the_base() {
    for path in [BASE, EXAMPLE] {
        with_yaml(path, |file| {
            assert_eq!(file["apiVersion"].as_str(), Some("kustomize.config.k8s.io/v1beta1"));
            assert_eq!(file["kind"].as_str(), Some("Kustomization"));
        });
    }
    assert_eq!(with_yaml(BASE, |file| strings(&file["resources"])), ["lb.yaml"]);
    assert_eq!(with_yaml(EXAMPLE, |file| strings(&file["resources"])), ["../base"]);
}

#[test]
fn the_example_changes_what_is_in_the_base() {
    let (image, replicas, map) = with_yaml(EXAMPLE, |file| {
        let name = |key: &str| one(&file[key])["name"].as_str().expect("a name").to_owned();
        let map = one(&file["configMapGenerator"]);
        assert_eq!(map["behavior"].as_str(), Some("replace"));
        assert_eq!(strings(&map["files"]), ["lb.yaml"]);
        let same_name = map["options"]["disableNameSuffixHash"].as_bool();
        assert_eq!(same_name, Some(true), "the pods reload a file whose name stays");
        (name("images"), name("replicas"), name("configMapGenerator"))
    });
    with_manifest("Deployment", |deployment| {
        assert_eq!(deployment["metadata"]["name"].as_str(), Some(&*replicas));
        let pod = &deployment["spec"]["template"]["spec"];
        let of_base = pod["containers"][0]["image"].as_str().expect("an image");
        assert_eq!(of_base.split_once(':').expect("a tag").0, image);
        assert_eq!(of_base.split_once(':').expect("a tag").1, env!("CARGO_PKG_VERSION"));
    });
    with_manifest("ConfigMap", |base| assert_eq!(base["metadata"]["name"].as_str(), Some(&*map)));
}

#[test]
fn the_configuration_of_the_example_has_the_ports_of_the_base() {
    let (_folder, text) = in_a_pod(&read("deploy/kubernetes/example/lb.yaml"));
    let loaded = config::parse("lb.yaml", &text, &Flags::default());
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
    let base = super::deployed_configuration();
    assert_eq!(loaded.config.listeners[0].address, base.listeners[0].address);
    let admin = |config: &config::Config| config.admin.clone().expect("a listener").address;
    assert_eq!(admin(&loaded.config), admin(&base));
    assert_eq!(loaded.config.process.shutdown, base.process.shutdown);
    assert!(loaded.config.process.watch);
}
