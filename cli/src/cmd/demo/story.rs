//! What the demo shows, in order.

use super::{
    show::Show,
    stage::Stage,
    traffic::{self, Peer},
};
use crate::{
    args::network::{Connect, Create},
    cmd::{Context, fdb, network, port, sandbox, status},
    print::Print,
};
use anyhow::{Context as _, bail};
use clap::{Args, FromArgMatches};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const NETWORK: &str = "demo";
/// Of the range for benchmarks, so that it collides with no real network (RFC 2544).
const SUBNET: &str = "198.18.0.0/24";
const SANDBOXES: [&str; 3] = ["a", "b", "c"];
/// Frames that are under way when traffic has ended arrive well within this.
const SETTLE: Duration = Duration::from_secs(1);

/// Tells it. Dropped or failed at any point, only the stage is left to be cleared.
pub(crate) async fn tell(stage: &mut Stage, show: Show, own: bool) -> anyhow::Result<()> {
    show.text("vswitch demo: three sandboxes joined by a switch in userspace")?;
    if own {
        show.text("(not root: all of it happens in a user namespace of its own)")?;
    }
    show.heading("The switch is a process like any other.")?;
    let socket = stage.socket();
    show.command(&format!("export VSWITCH_SOCKET={}", socket.display()))?;
    show.command("vswitch daemon &")?;
    let client = stage.start().await?;
    let context = Context {
        client,
        print: Print { json: false },
    };

    build(&context, show).await?;
    let peers = peers(stage, &context).await?;
    let [a, b, c] = &peers;
    show.heading("Can they reach one another?")?;
    traffic::ping(show, a, b).await?;
    traffic::ping(show, c, a).await?;
    show.heading("How fast? (one TCP flow for three seconds)")?;
    traffic::throughput(show, a, b).await?;

    report(&context, show).await?;
    dismantle(&context, show).await
}

/// A network, and three sandboxes on it.
async fn build(context: &Context, show: Show) -> anyhow::Result<()> {
    show.heading("A network is a broadcast domain, a sandbox a network namespace.")?;
    show.command(&format!(
        "vswitch network create {NETWORK} --subnet {SUBNET}"
    ))?;
    network::create(context, words::<Create>(&[NETWORK, "--subnet", SUBNET])?).await?;
    for name in SANDBOXES {
        show.command(&format!("vswitch sandbox create {name}"))?;
        sandbox::create(context, name).await?;
    }
    show.heading("Connecting makes a TAP: eth0 in the sandbox, a port on the switch.")?;
    for name in SANDBOXES {
        show.command(&format!("vswitch network connect {NETWORK} {name}"))?;
        network::connect(context, words::<Connect>(&[NETWORK, name])?).await?;
    }
    Ok(())
}

/// The sandboxes as ends of traffic.
async fn peers(stage: &mut Stage, context: &Context) -> anyhow::Result<[Peer; 3]> {
    let [a, b, c] = SANDBOXES;
    Ok([
        peer(stage, context, a).await?,
        peer(stage, context, b).await?,
        peer(stage, context, c).await?,
    ])
}

async fn peer(stage: &mut Stage, context: &Context, name: &'static str) -> anyhow::Result<Peer> {
    let found = context.client.sandbox(name).await?;
    let address = found.interfaces.iter().find_map(|one| one.interface.ipv4);
    let address = address
        .with_context(|| format!("sandbox {name} has no address"))?
        .addr();
    Ok(Peer {
        name,
        address,
        netns: stage.enter(&found.path)?,
    })
}

/// What the switch knows and has counted.
async fn report(context: &Context, show: Show) -> anyhow::Result<()> {
    settle(context).await?;
    show.heading("Who is where? The MAC table, learned from the frames' source addresses:")?;
    show.command(&format!("vswitch fdb show {NETWORK}"))?;
    fdb::show(context, NETWORK).await?;
    show.heading("What went through each port? (a large TCP segment stays whole: one frame)")?;
    show.command("vswitch port ls")?;
    port::ls(context).await?;
    show.heading("Did any frame get lost? The last line adds up.")?;
    show.command("vswitch status")?;
    status::status(context).await
}

/// Waits until no frame is under way. If one stays, the switch has lost it, and the demo has failed.
async fn settle(context: &Context) -> anyhow::Result<()> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let totals = context.client.status().await?.totals;
        if totals.residual == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "frames do not add up: {}; this is a bug of the switch, please report it",
                status::conservation(&totals)
            );
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Undoes what `build` did.
async fn dismantle(context: &Context, show: Show) -> anyhow::Result<()> {
    show.heading("And away with it.")?;
    show.command(&format!(
        "vswitch sandbox rm --force {}",
        SANDBOXES.join(" ")
    ))?;
    sandbox::rm(context, &SANDBOXES.map(str::to_owned), true).await?;
    show.command(&format!("vswitch network rm {NETWORK}"))?;
    network::rm(context, &[NETWORK.to_owned()], false).await?;
    show.command("kill %1")
}

/// The arguments that a command would have with these words.
fn words<T: Args + FromArgMatches>(words: &[&str]) -> anyhow::Result<T> {
    let command = T::augment_args(clap::Command::new("demo").no_binary_name(true));
    Ok(T::from_arg_matches(&command.try_get_matches_from(words)?)?)
}
