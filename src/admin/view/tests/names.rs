//! Names of backends: in views, and as arguments of commands.

use super::{Process, address, value};
use crate::admin::change::BackendName;
use crate::backend::OperatorAction;
use crate::clock;
use crate::config::PoolName;

/// A process whose pool `web` has these names, each for the address with this port.
async fn named(names: &[(&str, usize)]) -> Process {
    let mut process = Process::new("round_robin").await;
    let endpoints = process.resolved.get_mut(&PoolName::new("web")).unwrap();
    for (name, port) in names {
        endpoints[port - 1].name = (*name).into();
        endpoints[port - 1].backup = false;
    }
    let Process { config, resolved, current, .. } = &process;
    current.publish(config, resolved, None, clock::now()).await.unwrap();
    process
}

#[tokio::test]
async fn a_backend_is_shown_and_found_by_its_configured_name_with_its_address_beside() {
    let process = named(&[("localhost:1", 1), ("app:1", 2), ("app:1", 3)]).await;
    let known = process.backend(1);
    assert_eq!((&*known.name, known.address.clone()), ("localhost:1", address(1)));
    assert_eq!(known.label(), "localhost:1 (127.0.0.1:1)");

    process.order(1, OperatorAction::Drain);
    let events = process.current.registry().journal().after(0);
    let told = events.iter().rev().find_map(|(_, entry)| entry.backend.clone()).unwrap();
    assert_eq!((&*told.name, &*told.address), ("localhost:1", "127.0.0.1:1"));
    let metrics = process.metrics();
    for (name, port) in [("localhost:1", 1), ("app:1", 2), ("app:1", 3)] {
        let labels = format!(r#"pool="web",backend="{name}",address="127.0.0.1:{port}""#);
        let active = value(&metrics, &format!("lb_backend_active_requests{{{labels}}}"));
        assert_eq!(active, Some(0.0), "{labels}");
    }
    let told = process.explain("a", "/");
    let chosen = told.chosen.unwrap().tcp().unwrap().port();
    assert!(told.summary.contains(&format!("app:1 (127.0.0.1:{chosen})")), "{}", told.summary);
}

#[tokio::test]
async fn a_command_takes_a_name_or_an_address_and_refuses_a_name_with_several() {
    let process = named(&[("localhost:1", 1), ("app:1", 2), ("app:1", 3)]).await;
    let find = |backend: &str| {
        let backends = process.status().pools.remove(0).backends;
        let name = BackendName { pool: "web".to_owned(), backend: backend.to_owned() };
        name.find_in(backends).map(|found| found.address).map_err(|refused| refused.reason)
    };
    for backend in ["localhost:1", "LOCALHOST:1", "127.0.0.1:1"] {
        assert_eq!(find(backend), Ok(address(1)), "{backend}");
    }
    assert_eq!(find("127.0.0.1:3"), Ok(address(3)));
    let refused = find("app:1").unwrap_err();
    assert!(refused.contains("app:1 is several backends of pool web"), "{refused}");
    assert!(refused.ends_with("(127.0.0.1:2, 127.0.0.1:3)"), "{refused}");
    let unknown = find("other:1").unwrap_err();
    assert!(
        unknown.contains("no backend other:1; its backends are localhost:1 (127.0.0.1:1)"),
        "{unknown}"
    );
}

#[tokio::test]
async fn a_reload_may_give_a_backend_another_name_and_leaves_its_state() {
    let process = named(&[("localhost:1", 1), ("app:1", 2), ("app:1", 3)]).await;
    process.refuse(1);
    let Process { config, resolved, current, .. } = &process;
    let mut resolved = resolved.clone();
    resolved.get_mut(&PoolName::new("web")).unwrap()[0].name = "other:1".into();
    current.publish(config, &resolved, None, clock::now()).await.unwrap();
    let backend = process.backend(1);
    assert_eq!((&*backend.name, &*backend.state), ("other:1", "ejected"));
}
