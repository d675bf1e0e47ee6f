import { KeelsonError } from "../errors.ts";
import { readCurrent } from "../host/deployments.ts";
import { type Generation, readGenerations, writePin } from "../host/generations.ts";
import { shortDigest } from "../image/reference.ts";
import { shownPath } from "../layer/path.ts";
import { formatTable } from "../output.ts";
import { asWriter, type World } from "../world.ts";

/** Every deployment of a container that is on disk, oldest first; `*` marks the current one. */
export async function history(world: World, name: string): Promise<void> {
  readCurrent(world.paths.deployments, name);
  const generations = readGenerations(world.paths.deployments, name);
  const rows = generations.map((generation, index) => describe(generation, generations[index - 1]));
  const table = rows.map((row) => [
    `${row.current ? "*" : ""}${row.pinned ? "!" : ""}`,
    String(row.generation),
    row.created?.slice(0, 16).replace("T", " ") ?? "-",
    row.image ?? "-",
    row.digest === null ? "-" : shortDigest(row.digest),
    row.outcome,
    row.changed.join(" "),
  ]);
  world.output.answer(rows, formatTable(["", "GENERATION", "CREATED", "IMAGE", "DIGEST", "OUTCOME", "CHANGED"], table));
}

/** Keeps one deployment from being removed when there are more than are kept, or lets it go. */
export async function pin(world: World, name: string, wanted: string, pinned: boolean): Promise<void> {
  await asWriter(world, "pin", async () => {
    readCurrent(world.paths.deployments, name);
    const number = readGenerations(world.paths.deployments, name).find(
      (generation) => String(generation.number) === wanted,
    )?.number;
    if (number === undefined) {
      throw new KeelsonError("E_NOT_FOUND", `${name} has no generation ${shownPath(wanted)}`, {
        hint: `keelson history ${name} lists them.`,
      });
    }
    writePin(world.paths.deployments, name, number, pinned);
    const line = `generation ${number} of ${name} is ${pinned ? "pinned" : "no longer pinned"}`;
    world.output.answer({ name, generation: number, pinned }, [line]);
  });
}

function describe(generation: Generation, before: Generation | undefined) {
  const { deployment, outcome } = generation;
  return {
    generation: generation.number,
    current: generation.current,
    pinned: generation.pinned,
    created: deployment?.created ?? null,
    image: deployment?.image.reference ?? null,
    digest: deployment?.image.digest ?? null,
    outcome: deployment === undefined ? "broken" : (outcome?.state ?? "installed"),
    reason: outcome?.reason ?? "",
    changed: changedValues(deployment?.set ?? {}, before?.deployment?.set ?? {}),
  };
}

/** `+NAME` set, `-NAME` no longer set, `NAME` set to something else. */
function changedValues(
  now: Readonly<Record<string, string>>,
  before: Readonly<Record<string, string>>,
): readonly string[] {
  const names = [...new Set([...Object.keys(now), ...Object.keys(before)])].sort();
  return names
    .filter((name) => now[name] !== before[name])
    .map((name) => `${now[name] === undefined ? "-" : before[name] === undefined ? "+" : ""}${name}`);
}
