//! `vswitch sandbox ...`.

use super::{
    Context, block_on, done, each, etc, no_json,
    process::{self, Stop},
    warn,
};
use crate::{
    args::{
        Global,
        list::List,
        sandbox::{Exec, Sandbox},
    },
    exit,
    list::{self, Column},
    print::{self, id},
};
use anyhow::Context as _;
use serde_json::json;
use std::process::ExitCode;
use vswitch::{
    api::{
        Client,
        types::{SandboxKind, SandboxSummary},
    },
    control::sandbox::SandboxRef,
    sys::{Netns, Surroundings},
};

/// Carries out one of the commands.
pub(crate) fn dispatch(global: &Global, command: Sandbox) -> anyhow::Result<ExitCode> {
    match command {
        Sandbox::Create { name } => done(global, async |c| create(&c, &name).await),
        Sandbox::Ls { list } => done(global, async |c| ls(&c, &list).await),
        Sandbox::Inspect { sandboxes } => done(global, async |c| inspect(&c, &sandboxes).await),
        Sandbox::Rm { force, sandboxes } => done(global, async |c| rm(&c, &sandboxes, force).await),
        Sandbox::Exec(args) => {
            no_json(global, "sandbox exec")?;
            block_on(exec(global, &args))
        }
    }
}

/// `sandbox create`: prints the ID.
pub(crate) async fn create(context: &Context, name: &str) -> anyhow::Result<()> {
    let created = context.client.create_sandbox(name).await?;
    context.print.show(&created, |created| created.id.clone())
}

const COLUMNS: &[Column<SandboxSummary>] = &[
    Column {
        field: "ID",
        header: "SANDBOX ID",
        shown: true,
        text: |sandbox, whole| id(&sandbox.id, whole),
    },
    Column {
        field: "Name",
        header: "NAME",
        shown: true,
        text: |sandbox, _| sandbox.name.clone(),
    },
    Column {
        field: "Kind",
        header: "KIND",
        shown: true,
        text: |sandbox, _| {
            let kind = match sandbox.kind {
                SandboxKind::Named => "named",
                SandboxKind::Foreign => "foreign",
                SandboxKind::Guest => "guest",
            };
            kind.to_owned()
        },
    },
    Column {
        field: "Networks",
        header: "NETWORKS",
        shown: true,
        text: |sandbox, _| match sandbox.networks.join(",") {
            none if none.is_empty() => "-".to_owned(),
            networks => networks,
        },
    },
    Column {
        field: "Path",
        header: "PATH",
        shown: true,
        text: |sandbox, _| sandbox.path.display().to_string(),
    },
    Column {
        field: "CreatedAt",
        header: "CREATED AT",
        shown: false,
        text: |sandbox, _| sandbox.created.clone(),
    },
];

/// `sandbox ls`.
async fn ls(context: &Context, wish: &List) -> anyhow::Result<()> {
    let sandboxes = context.client.sandboxes().await?;
    list::show(context.print, wish, COLUMNS, &sandboxes)
}

/// `sandbox inspect`.
async fn inspect(context: &Context, sandboxes: &[String]) -> anyhow::Result<()> {
    let (found, all) = each(sandboxes, async |name| {
        Ok(context.client.sandbox(name).await?)
    })
    .await;
    print::json(&found)?;
    all
}

/// `sandbox rm`: prints what was removed, as it was called.
pub(crate) async fn rm(context: &Context, sandboxes: &[String], force: bool) -> anyhow::Result<()> {
    let (removed, all) = each(sandboxes, async |name| {
        let reply = context.client.remove_sandbox(name, force).await?;
        warn(&reply.warnings);
        Ok(name.to_owned())
    })
    .await;
    context
        .print
        .show(&json!({ "removed": removed }), |_| removed.join("\n"))?;
    all
}

/// `sandbox exec`: ends with the command's status.
async fn exec(global: &Global, args: &Exec) -> anyhow::Result<ExitCode> {
    let (path, surroundings) = match SandboxRef::parse(&args.sandbox)? {
        // Only the daemon knows where its sandboxes are ...
        SandboxRef::Name(name) => {
            let client = Client::connect(&global.socket).await?;
            let sandbox = client.sandbox(&name).await?;
            let surroundings = etc::surroundings(&sandbox);
            (sandbox.path, surroundings)
        }
        // ... and a namespace of somebody else needs no daemon.
        SandboxRef::Place(place) => (place.path(), Surroundings::default()),
    };
    let netns = Netns::open(&path)?;
    let mut stop = Stop::install().context("cannot watch for signals")?;
    let mut child = match process::start(&netns, &surroundings, &args.command)? {
        Ok(child) => child,
        Err(status) => return Ok(status),
    };
    let status = process::wait(&mut child, &mut stop)
        .await
        .context("cannot wait for the command")?;
    Ok(exit::of_child(status))
}
