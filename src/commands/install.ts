import { parseListen } from "../contract/listen.ts";
import { parseSet } from "../contract/values.ts";
import { KeelsonError, statuses } from "../errors.ts";
import { readContainer, stageDeployment } from "../host/deployments.ts";
import { runOnce } from "../host/once.ts";
import { transact } from "../host/transaction.ts";
import { containerNameOf } from "../image/reference.ts";
import type { DeployedService, Deployment } from "../plan/deployment.ts";
import { describeDeployment, describePlan } from "../plan/describe.ts";
import { checkName } from "../plan/name.ts";
import { describePreview, previewLines, previewSwitch } from "../plan/preview.ts";
import { refuseDisorder } from "../plan/refuse-order.ts";
import { planSwitch, type SwitchPlan } from "../plan/switch.ts";
import { readReference } from "../store/find-images.ts";
import { asRootOnly, asWriter, hostFacts, transactionHost, type World } from "../world.ts";
import { type NamedImage, nameImage, nameInBundle } from "./name.ts";
import { announce, checkUnitFree, type ProposalRequest, propose, readContent, runsOnce, stageOnce } from "./propose.ts";
import { deploymentSource, fetchImage, type ImageAtHand, type PullRequest, planNames, trustedImage } from "./pull.ts";

interface WholeRequest extends Omit<ProposalRequest, "set" | "uuid">, PullRequest {
  readonly set: readonly string[];
  readonly start: boolean;
  readonly name?: string | undefined;
  /** Though services would not find what they require, or have no order. */
  readonly force: boolean;
  readonly dryRun: boolean;
}

export interface InstallRequest extends Omit<WholeRequest, "image" | "bundle"> {
  /** May be left out where a bundle holds one image only. */
  readonly image: string | undefined;
  /** The path of an archive with the image; nobody else is asked. */
  readonly bundle?: string | undefined;
  /** For the host, and for nobody else. */
  readonly system?: boolean;
}

interface Proposal {
  readonly deployment: Deployment;
  readonly plan: SwitchPlan;
}

/**
 * Installs an image as a service: pulled, rendered, checked, put in place, enabled; started only when that is asked for.
 * An image labelled `atomic.run=once` is run instead, and gone afterwards. The exit status.
 */
export async function install(world: World, given: InstallRequest): Promise<number> {
  if (given.system) asRootOnly(world, "install --system");
  const { image, bundle, remember } = await named(world, given);
  const request: WholeRequest = { ...given, image, bundle };
  const name = checkName(request.name ?? containerNameOf(readReference(request.image)));
  parseSet(request.set);
  parseListen(request.listen);
  if (request.dryRun) return preview(world, request, name);
  const done = await asWriter(world, "install", async () => {
    await checkFree(world, name);
    const stored = await imageInStore(world, request);
    const image = stored ?? (await fetchImage(world, request, { kept: false }));
    try {
      const proposal = await proposeSwitch(world, request, name, image);
      announce(world, proposal.deployment);
      return runsOnce(image) ? stageOnce(world, image, proposal.deployment) : await place(world, image, proposal);
    } finally {
      image.stage?.discard();
    }
  });
  await remember();
  if ("path" in done) return runOnce(done, world.systemd, world.signal);
  const { deployment, plan } = done;
  const started = starts(world, request) && deployment.service !== undefined;
  if (started) for (const unit of startedBy(deployment.service)) await world.systemd.start(unit);
  const document = { ...describeDeployment(deployment), ...describePlan(plan), started };
  world.output.answer(document, answerLines(world, deployment, started));
  return statuses.done;
}

function named(world: World, { image, bundle, ...how }: InstallRequest): Promise<NamedImage> {
  if (bundle !== undefined) return nameInBundle(world, bundle, image);
  if (image !== undefined) return nameImage(world, { ...how, image });
  throw new KeelsonError("E_USAGE", "install takes an image", { hint: "Name one, or give a bundle with --bundle." });
}

/** What a registry's tag named when it was pulled serves as it is; a file is read again, as it may be another by now. */
async function imageInStore(world: World, request: WholeRequest): Promise<ImageAtHand | undefined> {
  const remote = readReference(request.image).kind === "registry" && request.bundle === undefined;
  return remote ? trustedImage(world, request) : undefined;
}

/**
 * Prints the plan; exit status 10. What is fetched for it goes to a scratch directory and away again; the root is only read.
 */
async function preview(world: World, request: WholeRequest, name: string): Promise<number> {
  await checkFree(world, name);
  const stored = await imageInStore(world, request);
  const image = stored ?? (await fetchImage(world, request, { kept: false, scratch: world.scratch() }));
  try {
    const { deployment, plan } = await proposeSwitch(world, request, name, image);
    announce(world, deployment);
    if (runsOnce(image)) {
      world.output.answer({ ...describeDeployment(deployment), once: true, changes: [] }, [`run ${name} once`]);
      return statuses.changes;
    }
    const seen = previewSwitch(undefined, deployment, plan, readContent(world, image), image.fetched);
    world.output.answer({ ...describeDeployment(deployment), ...describePreview(seen) }, previewLines(seen));
    return statuses.changes;
  } finally {
    image.stage?.discard();
  }
}

/** Throws E_PRESENT when the name belongs to a container, E_NAME_TAKEN when it belongs to any unit systemd knows. */
async function checkFree(world: World, name: string): Promise<void> {
  if (readContainer(world.paths.deployments, name) !== undefined) {
    throw new KeelsonError("E_PRESENT", `${name} already present`, {
      hint: `Choose another --name, or remove it with keelson uninstall ${name}.`,
    });
  }
  checkUnitFree(world, name);
}

async function proposeSwitch(world: World, request: WholeRequest, name: string, image: ImageAtHand): Promise<Proposal> {
  const deployment = await propose(world, { ...request, set: parseSet(request.set), uuid: world.uuid() }, name, image);
  const facts = hostFacts(world);
  if (!request.force) refuseDisorder(new Map([[name, deployment]]), facts);
  const plan = planSwitch(
    undefined,
    deployment,
    { running: false, start: starts(world, request), purge: false },
    facts,
  );
  return { deployment, plan };
}

/**
 * Puts the image into the store, the deployment beside the others, and the host's files in place. When it fails nothing
 * points at what is in the store already, and the session sweeps it.
 */
async function place(world: World, image: ImageAtHand, proposal: Proposal): Promise<Proposal> {
  const { deployment, plan } = proposal;
  stageDeployment(world.root, world.paths.deployments, deployment, deploymentSource(world, image));
  world.signal.throwIfAborted();
  // Starting is no part of what can be taken back: an image that was asked for stays, to be looked at.
  const changes = [...plan.changes.filter((change) => change.kind !== "start"), ...planNames(world, [image])];
  await transact(
    { schema: 1, verb: "install", name: deployment.name, direction: "back", changes },
    transactionHost(world),
  );
  return proposal;
}

/** Where no manager runs there is nothing to start; enabled, it starts with the host. */
function starts(world: World, request: WholeRequest): boolean {
  return request.start && world.systemd.running;
}

/** What is started for the service to be there: it, or what starts it when it is needed. */
function startedBy({ unit, triggers = [] }: DeployedService): readonly string[] {
  return triggers.length === 0 ? [unit] : triggers.map((trigger) => trigger.unit);
}

function answerLines(world: World, deployment: Deployment, started: boolean): readonly string[] {
  const { name, image, service } = deployment;
  const lines = [`installed ${name} from ${image.reference} (${image.digest})`];
  if (service === undefined) return [...lines, `${name} has no service of its own; its files are in place`];
  if (started) return [...lines, `started ${startedBy(service).join(", ")}`];
  const where = world.root.prefix === "" ? "" : " on the host this root becomes; enabled, it starts at boot";
  return [
    ...lines,
    `start it with: systemctl start ${startedBy(service)
      .join(" ")
      .replace(/\.service$/, "")}${service.enabled ? where : ""}`,
  ];
}
