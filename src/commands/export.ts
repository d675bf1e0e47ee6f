import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { KeelsonError } from "../errors.ts";
import { readCurrent } from "../host/deployments.ts";
import { writePortable } from "../host/portable.ts";
import { formatReference } from "../image/reference.ts";
import type { Deployment } from "../plan/deployment.ts";
import { exportCompose } from "../plan/export-compose.ts";
import { exportPortable } from "../plan/export-portable.ts";
import { exportQuadlet } from "../plan/export-quadlet.ts";
import { type ExportedContainer, readExported, type Translation } from "../plan/exported.ts";
import { readExportedUnit } from "../plan/exported-unit.ts";
import { membersOf } from "../plan/members.ts";
import { relationText } from "../plan/relation-files.ts";
import { writeDurably } from "../store/durable.ts";
import { readReference } from "../store/find-images.ts";
import { asRootOnly, hostFacts, type World } from "../world.ts";
import { bundle } from "./bundle.ts";

export interface ExportRequest {
  readonly as: "quadlet" | "portable" | "compose-service" | "bundle";
  readonly output?: string | undefined;
  readonly tlsVerify: boolean;
}

/** Says of a container what others need to run it without keelson, and what cannot be said in their words. */
export async function exportContainer(world: World, name: string, request: ExportRequest): Promise<void> {
  const deployment = readCurrent(world.paths.deployments, name);
  if (request.as === "bundle") {
    const output = demandOutput(request, "a file");
    return bundle(world, { images: [name], output, insecurePolicy: false, tlsVerify: request.tlsVerify });
  }
  asRootOnly(world, `export --as ${request.as}`);
  if (deployment.service === undefined) {
    throw new KeelsonError("E_USAGE", `${name} has no service, only files of the host`, {
      hint: "There is nothing to run; keelson info lists the files.",
    });
  }
  const container = readExported(deployment.config);
  const { text, lost } = translate(world, deployment, container, request.as);
  const output = request.output === undefined ? undefined : resolve(request.output);
  if (request.as === "portable") {
    const directory = resolve(demandOutput(request, "a directory"));
    const own = deployment.rootfs;
    const rootfs =
      own !== undefined ? world.root.path(own) : `${world.paths.deployments}/${name}/${deployment.generation}/rootfs`;
    await writePortable(directory, { rootfs, unit: deployment.service.unit, text, mounts: container.mounts });
  } else if (output !== undefined) {
    if (existsSync(output)) throw taken(output);
    writeDurably(output, text, 0o644);
  }
  for (const what of lost) world.output.warn(`cannot be expressed: ${what}`);
  const lines = output === undefined ? text.trimEnd().split("\n") : [`wrote ${output}`];
  world.output.answer({ name, as: request.as, output: output ?? null, text, lost }, lines);
}

function translate(
  world: World,
  deployment: Deployment,
  container: ExportedContainer,
  as: Exclude<ExportRequest["as"], "bundle">,
): Translation {
  const facts = hostFacts(world);
  const members = membersOf(facts.installed);
  const member = members.find(({ name }) => name === deployment.name);
  const addition = member === undefined ? undefined : relationText(member, members, facts);
  const unit = readExportedUnit(deployment, addition, world.settings.stateDirectory);
  if (as === "portable") return exportPortable(deployment, container, unit);
  const { image, pullable } = imageFor(deployment);
  const translation = (as === "quadlet" ? exportQuadlet : exportCompose)(deployment, container, unit, image);
  if (pullable) return translation;
  return {
    ...translation,
    lost: [`where the image is to be had, ${image}: push it to a registry`, ...translation.lost],
  };
}

/** The very image that is installed, where a registry has it. */
function imageFor({ image, rootfs }: Deployment): { readonly image: string; readonly pullable: boolean } {
  const reference = readReference(image.reference);
  if (reference.kind !== "registry") return { image: formatReference(reference), pullable: rootfs !== undefined };
  return { image: `${reference.host}/${reference.repository}@${image.digest}`, pullable: true };
}

function demandOutput({ as, output }: ExportRequest, what: string): string {
  if (output !== undefined) return output;
  throw new KeelsonError("E_USAGE", `--as ${as} writes ${what}`, { hint: "Name it with --output." });
}

function taken(path: string): KeelsonError {
  return new KeelsonError("E_FILE_EXISTS", `${path} is there already`, { hint: "Name another file, or move it away." });
}
