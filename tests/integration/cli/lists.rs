//! Lists and templates, as scripts that were written for Docker use them.

use super::*;

/// A network of each driver that needs nothing, with labels.
fn stage() -> Lab {
    let lab = Lab::start();
    let create = |name: &str, number: u8, more: &[&str]| {
        let subnet = format!("198.18.{number}.0/24");
        let words = ["network", "create", name, "--subnet", &subnet];
        lab.cli(&[&words[..], more].concat()).done();
    };
    create("blue", 1, &["--label", "team=blue", "--internal"]);
    create("green", 2, &["--label", "team=green", "--label", "old"]);
    create("greenish", 3, &["-d", "macvlan"]);
    lab.join("green", "a");
    lab
}

#[test]
fn networks_are_filtered_and_shown_as_a_template_says() {
    let lab = stage();
    let names = |filters: &[&str]| {
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        let words = ["network", "ls", "--format", "{{.Name}}"].into_iter();
        let words: Vec<&str> = words.chain(filters).collect();
        lab.cli(&words).ok().replace('\n', " ")
    };
    assert_eq!(names(&[]), "blue bridge green greenish host none");
    assert_eq!(names(&["type=custom"]), "blue green greenish");
    assert_eq!(names(&["driver=macvlan", "driver=null"]), "greenish none");
    assert_eq!(names(&["name=green", "dangling=true"]), "greenish");
    assert_eq!(names(&["label=team"]), "blue green");
    assert_eq!(names(&["label=team=blue"]), "blue");
    let id = lab.json(&["network", "inspect", "blue"])[0]["Id"].clone();
    let id = id.as_str().must("an ID");
    assert_eq!(names(&[&format!("id={}", &id[..12])]), "blue");
    let blue = |more: &[&str]| {
        let words = ["network", "ls", "-f", "name=blue"];
        lab.cli(&[&words[..], more].concat()).ok().to_owned()
    };
    assert_eq!(blue(&["-q"]), id[..12]);
    assert_eq!(blue(&["-q", "--no-trunc"]), id);
    let json: Value = serde_json::from_str(&blue(&["--format", "{{json .}}"])).must("JSON");
    assert_eq!(
        (&json["Internal"], &json["Labels"]),
        (&"true".into(), &"team=blue".into())
    );
    let table = blue(&["--format", r"table {{.Name}}\t{{.Driver}}"]);
    assert_eq!(table, "NAME   DRIVER\nblue   bridge");
    lab.refuses(
        &["network", "ls", "-f", "nmae=x"],
        &["nmae", "driver, id, label, name"],
    );
    lab.refuses(
        &["network", "ls", "--format", "{{.Nmae}}"],
        &["Nmae", "Driver", "Scope"],
    );
    lab.finish();
}

#[test]
fn inspect_takes_a_template() {
    let lab = stage();
    let blue = lab.json(&["network", "inspect", "blue"]);
    for (format, expected) in [
        ("{{.Id}}", blue[0]["Id"].as_str().must("an ID")),
        ("{{(index .IPAM.Config 0).Subnet}}", "198.18.2.0/24"),
        ("{{json .Labels}}", r#"{"old":"","team":"green"}"#),
        (
            "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}",
            "a 198.18.2.2/24",
        ),
        ("{{.Driver}}{{if .Internal}} internal{{end}}", "bridge"),
    ] {
        let network = if format == "{{.Id}}" { "blue" } else { "green" };
        let shown = lab.cli(&["network", "inspect", "--format", format, network]);
        assert_eq!(shown.ok(), expected, "{format}");
    }
    lab.refuses(
        &["network", "inspect", "-f", "{{.IPam}}", "blue"],
        &["IPam", "IPAM"],
    );
    lab.finish();
}

#[test]
fn what_is_unused_is_pruned_where_the_filters_hold() {
    let lab = stage();
    let prune = |filter: &str| {
        let words = ["network", "prune", "--filter", filter];
        lab.cli(&words).ok().to_owned()
    };
    assert_eq!(prune("until=1h"), "");
    assert_eq!(prune("label=team=green"), "", "it is in use");
    assert_eq!(prune("label=team"), "blue");
    assert_eq!(prune("label!=team"), "greenish");
    lab.refuses(
        &["network", "prune", "--filter", "name=x"],
        &["name", "label"],
    );
    lab.refuses(&["network", "rm", "blue"], &["blue"]);
    lab.cli(&["network", "rm", "--force", "blue"]).done();
    lab.refuses(
        &["network", "rm", "--force", "green"],
        &["green", "disconnect"],
    );
    lab.finish();
}

#[test]
fn sandboxes_are_listed_the_same_way() {
    let lab = stage();
    lab.sandbox("b");
    let list = |words: &[&str]| {
        let words = [&["sandbox", "ls"], words].concat();
        lab.cli(&words).ok().to_owned()
    };
    assert_eq!(
        list(&["--format", "{{.Name}} {{.Networks}}"]),
        "a green\nb -"
    );
    let ids = list(&["-q", "--no-trunc"]);
    assert!(
        ids.lines().all(|id| id.len() == 64) && ids.lines().count() == 2,
        "{ids}"
    );
    lab.finish();
}

#[test]
fn inspect_tells_what_an_endpoint_was_asked_to_be() {
    let lab = stage();
    lab.sandbox("b");
    let words = [
        "--alias",
        "www",
        "--gw-priority",
        "7",
        "--publish",
        "127.0.0.1::80",
    ];
    lab.connect("green", "b", &words);
    let inspected = lab.json(&["sandbox", "inspect", "b"]);
    let end = &inspected[0]["interfaces"][0];
    assert_eq!(end["aliases"][0], "www");
    assert_eq!(end["gateway_priority"], 7);
    assert_eq!(end["publish"][0]["container_port"], 80);
    assert!(end["publish"][0]["host_port"].as_u64().must("a port") > 0);
    lab.finish();
}
