//! What is asked outside, and how much fits a reply.

use super::*;
use vswitch_tests::upstream::ADDRESS;

#[test]
fn an_internal_network_never_asks_outside() {
    let stage = Stage::new();
    let words = [
        "network",
        "create",
        "vault",
        "--internal",
        "--subnet",
        "198.18.1.0/24",
        "--subnet",
        "2001:2:0:1::/64",
    ];
    stage.lab.cli(&words).done();
    let asker = stage.join("vault", "asker", &[]);
    let safe = stage.join("vault", "safe", &[]);
    stage.told(&asker, &["safe", "A"], &[&safe.ip4().to_string()]);
    stage.told(&asker, &["-x", &safe.ip6().to_string()], &["safe.vault."]);
    for server in servers(&asker) {
        for question in [["www.example", "A"], ["safe", "TXT"], ["version.bind", "A"]] {
            let reply = stage.asked_here(&asker, server, &question);
            assert_eq!(reply.status, "SERVFAIL", "{server} {question:?}");
            let by_tcp = [&question[..], &["+tcp"]].concat();
            let reply = stage.asked_here(&asker, server, &by_tcp);
            assert_eq!(reply.status, "SERVFAIL", "{server} {question:?}");
        }
    }
    // With a way out by another network there is one.
    stage.lab.subnet("lan", 2, &["gateway=host"]);
    stage.lab.connect("lan", "asker", &[]);
    let reply = dig::dig(&asker, RESOLVER, &["www.example"]);
    assert_eq!(reply.data(), [ADDRESS.to_string()]);
    stage.finish();
}

#[test]
fn many_questions_go_over_one_connection() {
    let stage = Stage::new();
    stage.lab.subnet("lan", 1, &["gateway=host"]);
    let asker = stage.join("lan", "asker", &[]);
    let web = stage.join("lan", "web", &[]);
    let (web, outside) = (web.ip4().to_string(), ADDRESS.to_string());
    for server in servers(&asker) {
        let words = [
            "+tcp",
            "+keepopen",
            "web",
            "www.example",
            "web",
            "mail.example",
            "web.lan",
        ];
        let replies = dig::dig_all(&asker, server, &words);
        let data: Vec<_> = replies.iter().flat_map(Reply::data).collect();
        assert_eq!(data, [&web, &outside, &web, &outside, &web], "{server}");
    }
    stage.finish();
}

#[test]
fn the_next_server_is_asked_where_one_fails_and_a_new_list_counts_at_once() {
    let stage = Stage::new();
    stage.lab.subnet("lan", 1, &["gateway=host"]);
    let asker = stage.join("lan", "asker", &[]);
    let ask = || dig::dig(&asker, RESOLVER, &["www.example"]);
    assert_eq!(ask().data(), [ADDRESS.to_string()]);
    // The host itself answers that nobody is there.
    let (nobody, outside) = (stage.outside.host().ip4(), stage.outside.ip4());
    let both = format!("nameserver {nobody}\nnameserver {outside}\n");
    stage.lab.set_resolv_conf(&both);
    assert_eq!(ask().data(), [ADDRESS.to_string()]);
    stage.lab.set_resolv_conf(&format!("nameserver {nobody}\n"));
    assert_eq!(ask().status, "SERVFAIL");
    stage.lab.set_resolv_conf("");
    assert_eq!(ask().status, "SERVFAIL");
    stage.finish();
}

#[test]
fn what_does_not_fit_a_datagram_is_truncated_and_whole_by_tcp() {
    const MANY: u8 = 40;
    let stage = Stage::new();
    stage.lab.quiet("lan", &["gateway=host"]);
    let asker = stage.join("lan", "asker", &[]);
    for number in 1..=MANY {
        stage.join("lan", &format!("s{number}"), &["--alias", "pool"]);
    }
    let whole = usize::from(MANY);
    for server in servers(&asker) {
        let ask = |options: &[&str]| {
            let words = [&["pool", "A"], options].concat();
            stage.asked_here(&asker, server, &words)
        };
        // 12 octets, the question, and 16 for each address: 512 have room for 30.
        let cut = ask(&["+noedns", "+ignore"]);
        assert!(
            cut.has("tc") && cut.answers.len() < whole,
            "{server}: {cut:?}"
        );
        let by_edns = ask(&["+bufsize=1232", "+ignore"]);
        assert!(!by_edns.has("tc"), "{server}: {by_edns:?}");
        assert_eq!(by_edns.answers.len(), whole, "{server}");
        assert_eq!(ask(&["+tcp"]).answers.len(), whole, "{server}");
        // As clients do it: by TCP once they see that it was truncated.
        assert_eq!(ask(&["+noedns"]).answers.len(), whole, "{server}");
    }
    stage.finish();
}
