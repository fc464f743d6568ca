//! Gateways beside one another, and their end.

use super::client::Client;
use super::*;
use crate::{datapath::SwitchEvent, port::SendReport};

#[test]
fn gateways_with_the_same_addresses_on_two_networks_do_not_mix() {
    let oracle = Oracle::default();
    let site = Site::new(oracle.ask(), 1500);
    let other = site.switch.add_network(NetworkSettings::default());
    let (port, _second) = site.gateways.open(&gateway(2, 1500)).unwrap();
    site.switch.add_port(other, port).unwrap();
    let (port, end) = memory::pair(1500, OffloadSet::NONE).unwrap();
    site.switch.add_port(other, port).unwrap();
    let mut clients = [Client::on(&site, 1500), Client::behind(end, 1500)];
    for round in 0..3 {
        for (network, client) in (1..).zip(&mut clients) {
            let socket = client.udp(5000 + round);
            client.send(socket, GATEWAY4.into(), 53, &[network]);
            assert_eq!(client.receive(socket).0, [network]);
        }
    }
    for question in oracle.heard() {
        let network = ObjectId::from_bytes([question.message[0]; 32]);
        assert_eq!(question.from, Querier::Address(network, CLIENT4.into()));
    }
}

#[test]
fn a_gateway_ends_with_its_service_and_the_thread_with_the_last_owner() {
    let oracle = Oracle::default();
    let site = Site::new(oracle.ask(), 1500);
    let events = site.switch.events();
    let (port, service) = site.gateways.open(&gateway(2, 1500)).unwrap();
    drop(service);
    let mut report = SendReport::default();
    port.tx.send(&[&[0; 60]], &mut report);
    assert_eq!(report.gone, 1);
    let Site {
        gateways, service, ..
    } = site;
    drop(service);
    let gone = std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok())
        .any(|event| matches!(event, SwitchEvent::PortGone(_)));
    assert!(gone, "the switch is told");
    assert!(Arc::strong_count(&oracle.0) > 1);
    drop(gateways);
    assert_eq!(Arc::strong_count(&oracle.0), 1, "nobody asks any more");
}

#[test]
fn an_answer_that_comes_after_the_end_is_nobodys() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&kept);
    let ask: Ask = Arc::new(move |_: Question, reply: Reply| keeper.lock().unwrap().push(reply));
    let site = Site::new(ask, 1500);
    let mut client = Client::on(&site, 1500);
    let socket = client.udp(5000);
    client.send(socket, GATEWAY4.into(), 53, &[1]);
    client.until(|_| (kept.lock().unwrap().len() == 1).then_some(()));
    let Site {
        gateways, service, ..
    } = site;
    drop(service);
    let reply = kept.lock().unwrap().pop().unwrap();
    reply.send(vec![1]);
    drop(gateways);
    // The thread has gone, with what it was told last.
}
