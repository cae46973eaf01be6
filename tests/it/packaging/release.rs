//! The workflow that makes a release, and the image: they try what they publish.

use super::{read, strings, with_yaml};

#[test]
fn a_release_is_tried_on_both_machines_before_it_is_published() {
    with_yaml(".github/workflows/release.yml", |workflow| {
        let jobs = &workflow["jobs"];
        let commands = |job: &str| -> Vec<String> {
            let steps = jobs[job]["steps"].as_sequence().expect("a list");
            steps
                .iter()
                .filter_map(|step| Some(step.as_mapping_get("run")?.as_str()?.to_owned()))
                .collect()
        };
        let place = |commands: &[String], part: &str| {
            let found = commands.iter().position(|command| command.contains(part));
            found.unwrap_or_else(|| panic!("{part}: {commands:?}"))
        };
        let dist = commands("dist");
        assert!(place(&dist, "make dist") < place(&dist, "scripts/try-package.sh"));
        let image = commands("image");
        assert!(place(&image, "scripts/try-image.sh") < place(&image, "docker push"));
        assert_eq!(strings(&jobs["publish"]["needs"]), ["dist", "image"]);
        assert_eq!(strings(&jobs["dist"]["strategy"]["matrix"]["runner"]).len(), 2);
        let runners = jobs["image"]["strategy"]["matrix"]["include"].as_sequence();
        assert_eq!(runners.expect("a list").len(), 2);
    });
}

#[test]
fn the_image_says_what_it_was_built_from_and_has_no_symbols() {
    let image = read("Dockerfile");
    assert!(image.contains("\nARG LB_COMMIT=unknown LB_DATE=unknown\n"));
    assert!(image.contains("\nUSER 65532:65532\n"));
    let script = read("scripts/image-root.sh");
    assert!(script.contains("\nstrip \"$root/usr/local/bin/lb\"\n"));
    assert!(script.contains(":65532:65532:"), "its user has a name");
}
